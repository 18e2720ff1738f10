package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const (
	// drainTimeout bounds stopping in order; service managers kill after 90 s or, in containers, 30 s.
	drainTimeout = 20 * time.Second
	// headerTimeout and idleTimeout keep idle and slow requests from piling up on the small listeners.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen, data, cert, key, admin string
	accessTTL, refreshTTL          time.Duration
}

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: `Run the server. It keeps everything in one data folder and needs no other service.

It says on stderr what it listens on once it is ready. SIGTERM or an interrupt stops it in order: clients are told when to
come back, and the exit code is 0. A second signal ends it at once.`,
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address to listen on; port 0 takes a free one")
	f.StringVar(&o.data, "data", "", "data folder, made if it isn't there (needed)")
	f.StringVar(&o.cert, "tls-cert", "", "certificate file in PEM; turns TLS on, together with --tls-key")
	f.StringVar(&o.key, "tls-key", "", "key file in PEM")
	f.StringVar(&o.admin, "admin", "", "address for /metrics, /healthz and /readyz, without login; off if empty")
	f.DurationVar(&o.accessTTL, "access-ttl", 15*time.Minute, "how long an access token lives")
	f.DurationVar(&o.refreshTTL, "refresh-ttl", 720*time.Hour, "how long a session lives after its last refresh")
	addLogFlag(c, "info")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		log, err := logger(cmd)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), o, cmd.ErrOrStderr(), log)
	})
	return c
}

func (o serveOptions) check() error {
	switch {
	case o.data == "":
		return usage(errors.New("--data is needed"), "give a folder to keep the data in, such as --data ./data")
	case (o.cert == "") != (o.key == ""):
		return usage(errors.New("--tls-cert and --tls-key go together"), "give both, or none")
	case o.accessTTL < time.Second:
		return usage(errors.New("--access-ttl is less than 1s"), "the usual value is 15m")
	case o.refreshTTL < o.accessTTL:
		return usage(errors.New("--refresh-ttl is less than --access-ttl"), "the usual value is 720h")
	}
	return nil
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, o serveOptions, stderr io.Writer, log *slog.Logger) (err error) {
	cfg := server.Config{AccessTTL: o.accessTTL, RefreshTTL: o.refreshTTL, Logger: log}
	cfg.Uploads.Dir = filepath.Join(o.data, "uploads")
	if cfg.TLS, err = loadTLS(o.cert, o.key); err != nil {
		return err
	}
	ln, err := listen(o.listen, "--listen")
	if err != nil {
		return err
	}
	defer ln.Close()
	var admin net.Listener
	if o.admin != "" {
		if admin, err = listen(o.admin, "--admin"); err != nil {
			return err
		}
		defer admin.Close()
	}
	db, err := openData(ctx, o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if cfg.Key, err = db.Key(ctx); err != nil {
		return dataError(o.data, err)
	}
	cfg.Store = db
	s, err := server.New(cfg)
	if err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return errors.Join(err, s.Kill())
	}
	return runServer(ctx, s, ln, admin, announcer(stderr, cfg.TLS != nil))
}

// runServer answers on the listeners until ctx ends, then stops in order.
func runServer(ctx context.Context, s *server.Server, ln, admin net.Listener, announce func(what string, ln net.Listener)) error {
	failed := make(chan error, 2)
	var adminServer *http.Server
	running := 1
	go func() { failed <- s.Serve(ln) }()
	if admin != nil {
		adminServer = smallServer(s.AdminHandler())
		running++
		go func() { failed <- adminServer.Serve(admin) }()
		announce("admin", admin)
	}
	announce("", ln)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err = errors.Join(err, s.Shutdown(stop))
	if adminServer != nil { // last, so that readiness can be asked while draining
		err = errors.Join(err, adminServer.Close())
	}
	for ; running > 0; running-- {
		e := <-failed
		if !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, server.ErrClosed) { // stopped before it began is no error
			err = errors.Join(err, e)
		}
	}
	return err
}

// announcer says on stderr, at any log level, what is listened on: people and scripts wait for it.
func announcer(stderr io.Writer, secure bool) func(string, net.Listener) {
	return func(what string, ln net.Listener) {
		scheme := "http"
		switch {
		case what != "":
			what += " "
		case secure:
			scheme = "https"
		}
		_, _ = fmt.Fprintf(stderr, "chatsdk: %slistening on %s://%s\n", what, scheme, ln.Addr())
	}
}

func smallServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout}
}

// listen opens a TCP listener for a flag.
func listen(addr, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, config(fmt.Errorf("%s %s: %w", flag, addr, unwrapOp(err)), "is the port taken, or the address of another machine? port 0 takes a free one")
	}
	return ln, nil
}

// unwrapOp drops the address from an error whose text says it already.
func unwrapOp(err error) error {
	var oe *net.OpError
	if errors.As(err, &oe) {
		return oe.Err
	}
	return err
}

func loadTLS(cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, config(fmt.Errorf("certificate: %w", err), "--tls-cert and --tls-key name files in PEM that belong together")
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// openData opens the data folder and makes sure that it can be written.
func openData(ctx context.Context, dir string) (*sqlite.DB, error) {
	db, err := sqlite.Open(ctx, dir)
	if err != nil {
		return nil, dataError(dir, err)
	}
	if err := db.Ping(ctx); err != nil {
		return nil, errors.Join(dataError(dir, err), db.Close())
	}
	return db, nil
}

func dataError(dir string, err error) error {
	return config(fmt.Errorf("data folder %s: %w", dir, err), "--data names a folder that this user can write")
}
