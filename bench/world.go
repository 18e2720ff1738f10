package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const (
	// channel is where every client of a world listens.
	channel = "general"
	// password is every user's: a world never listens beyond loopback and ends with the program.
	password = "correct horse battery staple"
)

// cheapArgon keeps password hashing out of the figures.
var cheapArgon = server.Argon{MemoryKiB: 64, Time: 1, Threads: 1}

// world is a server with its stock settings on the loopback interface, and a fault proxy for each client.
type world struct {
	srv    *server.Server
	store  *sqlite.DB
	addr   string
	secure bool
	roots  *x509.CertPool // nil without TLS
	served chan error

	mu      sync.Mutex // guards below
	proxies []*faultnet.Proxy
}

// newWorld starts a server with its data in dir. Zero fields of limits are the server's defaults.
func newWorld(ctx context.Context, dir string, secure bool, limits server.Limits) (*world, error) {
	w := &world{secure: secure, served: make(chan error, 1)}
	var conf *tls.Config
	if secure {
		cert, roots, err := certificate()
		if err != nil {
			return nil, err
		}
		conf, w.roots = &tls.Config{Certificates: []tls.Certificate{cert}}, roots
	}
	var err error
	if w.store, err = sqlite.Open(ctx, dir); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.store.Close())
	}
	w.addr = ln.Addr().String()
	files := server.Uploads{Dir: filepath.Join(dir, "uploads")}
	if w.srv, err = startServer(ctx, w.store, conf, limits, files); err != nil {
		return nil, errors.Join(err, ln.Close(), w.store.Close())
	}
	go func() { w.served <- w.srv.Serve(ln) }() // close waits for it
	return w, nil
}

// startServer makes a server on a store and starts it; it serves nobody yet.
func startServer(ctx context.Context, store *sqlite.DB, conf *tls.Config, limits server.Limits, files server.Uploads) (*server.Server, error) {
	key, err := store.Key(ctx)
	if err != nil {
		return nil, err
	}
	srv, err := server.New(server.Config{
		Store: store, Key: key, Argon: cheapArgon, TLS: conf, Limits: limits, Uploads: files,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := srv.Start(ctx); err != nil {
		return nil, errors.Join(err, srv.Kill())
	}
	return srv, nil
}

// way makes a client's link and returns it with the host and port at its near end.
func (w *world) way(name string, rtt time.Duration) (*faultnet.Link, string, error) {
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Name: name, Upstream: w.addr})
	if err != nil {
		return nil, "", err
	}
	p.Link().Set(faultnet.Symmetric(rtt))
	if err := p.Start(); err != nil {
		return nil, "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proxies = append(w.proxies, p)
	return p.Link(), p.Addr(), nil
}

// close stops the server and the proxies; nothing of the world runs after it.
func (w *world) close() error {
	err := w.srv.Kill()
	err = errors.Join(err, <-w.served)
	w.mu.Lock()
	proxies := w.proxies
	w.proxies = nil
	w.mu.Unlock()
	for _, p := range proxies {
		err = errors.Join(err, p.Close())
	}
	return errors.Join(err, w.store.Close())
}

// certificate makes a certificate for the loopback address.
func certificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}
