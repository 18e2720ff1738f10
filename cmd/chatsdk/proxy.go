package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/faultnet"
)

func newProxy() *cobra.Command {
	var o faultnet.ProxyOptions
	var control string
	c := &cobra.Command{
		Use: "proxy", Short: "Forward TCP through a network that breaks on request", Args: cobra.NoArgs,
		Long: `Forward TCP through a network that breaks on request.

The control address speaks Toxiproxy's HTTP API, so that its clients work unchanged; the proxy's name there is "chatsdk".
Beside Toxiproxy's toxics there are down, stall, loss, strand, hang, unreachable and refused, and for HTTP requests
http_status, http_token_expired, http_captive_portal, http_request_lost, http_reply_lost, http_slow_body, http_cut_body
and http_date. Anyone who reaches the control address can open ports on this machine: keep it on a loopback address.

It says on stderr what it listens on once it is ready, and ends with 0 on SIGTERM or an interrupt.`,
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	f.StringVar(&o.Upstream, "upstream", "", "address to forward to (needed)")
	f.StringVar(&control, "control", "", "address of the control API; off if empty")
	f.Uint64Var(&o.Seed, "seed", 1, "repeats jitter and loss")
	addLogFlag(c, "info")
	c.RunE = action(func(cmd *cobra.Command, _ []string) (err error) {
		if o.Upstream == "" {
			return usage(errors.New("--upstream is needed"), "give the address to forward to, such as 127.0.0.1:8080")
		}
		if o.Logger, err = logger(cmd); err != nil {
			return err
		}
		o.Name = "chatsdk"
		return proxy(cmd.Context(), o, control, cmd.ErrOrStderr())
	})
	return c
}

// proxy forwards until ctx ends.
func proxy(ctx context.Context, o faultnet.ProxyOptions, control string, stderr io.Writer) (err error) {
	p, err := faultnet.NewProxy(o)
	if err != nil {
		return usage(err, "addresses are host:port")
	}
	ctl := faultnet.NewControl(faultnet.ControlOptions{Seed: o.Seed, Logger: o.Logger})
	if err := ctl.Add(p); err != nil {
		return errors.Join(err, p.Close())
	}
	defer func() { err = errors.Join(err, ctl.Close()) }()
	if err := p.Start(); err != nil {
		return config(fmt.Errorf("--listen %s: %w", o.Listen, unwrapOp(err)), "is the port taken? port 0 takes a free one")
	}
	var ln net.Listener
	if control != "" {
		if ln, err = listen(control, "--control"); err != nil {
			return err
		}
	}
	failed := make(chan error, 1)
	api := smallServer(ctl)
	if ln != nil {
		go func() { failed <- api.Serve(ln) }()
		announcer(stderr, false)("control", ln)
	}
	_, _ = fmt.Fprintf(stderr, "chatsdk: proxy listening on %s, forwarding to %s\n", p.Addr(), o.Upstream)
	select {
	case <-ctx.Done():
	case err := <-failed:
		return fmt.Errorf("control: %w", err)
	}
	if ln == nil {
		return nil
	}
	if err := api.Close(); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
