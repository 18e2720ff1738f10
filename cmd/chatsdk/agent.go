package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/inbox"
)

// agentOptions are the flags of agent.
type agentOptions struct {
	liveOptions

	listen    string
	origins   []string
	maxUpload int64
}

func newAgent() *cobra.Command {
	var o agentOptions
	c := &cobra.Command{
		Use: "agent [CHANNEL...]", Short: "Serve a profile's client to pages and programs of this machine",
		Long: `Serve a profile's client to user interfaces of this machine, in any language: its state, the messages of the CHANNELs, its
outbox, uploads. It signs in and stays connected as chat does, and prints the address of its page, with the token that lets
in behind the #. docs/agent.md has the API.

Only this machine reaches it, on a loopback address or a unix socket. While it runs, status and outbox ls, cancel and retry
with the same profile ask it instead of opening the profile, and send hands its message over. What it has told of a channel
counts as taken. Files that pages hand over wait in the profile's folder until they are uploaded.

A browser opens at most six connections to an address, and each tab holds one: the seventh tab waits.`,
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address, port 0 takes a free one, or unix:PATH")
	f.StringSliceVar(&o.origins, "allow-origin", nil, "web origins whose pages may ask too, such as https://desk.example.com")
	f.Int64Var(&o.maxUpload, "max-upload", 256<<20, "largest file that is taken, in bytes")
	f.BoolVar(&o.json, "json", false, "print address, token and process as one JSON object")
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return runAgent(cmd, o, args) })
	return c
}

func (o agentOptions) check(channels []string) error {
	if err := o.liveOptions.check(channels); err != nil {
		return err
	}
	switch {
	case o.profile == "":
		return usage(errors.New("--profile is needed"), "an agent is for a folder that other programs know")
	case o.maxUpload <= 0:
		return usage(fmt.Errorf("--max-upload %d", o.maxUpload), "give at least 1 byte")
	}
	return nil
}

// listenHere is agent.Listen for --listen.
func listenHere(addr string) (net.Listener, error) {
	ln, err := agent.Listen(addr)
	switch {
	case errors.Is(err, agent.ErrNotLocal):
		return nil, usage(err, "")
	case err != nil:
		return nil, config(fmt.Errorf("--listen %s: %w", addr, unwrapOp(err)), "is it taken?")
	}
	return ln, nil
}

func runAgent(cmd *cobra.Command, o agentOptions, channels []string) error {
	if err := o.check(channels); err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	ln, err := listenHere(o.listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	l, err := openLive(cmd, o.liveOptions, inbox.Processed)
	if err != nil {
		return err
	}
	notices := newOutput(cmd.ErrOrStderr(), cmd.ErrOrStderr(), false, l.end)
	l.lasts, l.stops, l.tell = true, true, func(e event) { notices.put(l.ctx, e) }
	var end error
	err = l.during(func() {
		defer l.end(errQuit)
		a, err := agent.New(agent.Options{
			Client: l.client, Channels: channels, Version: version(), Origins: o.origins, MaxUpload: o.maxUpload, Logger: log,
			Dir:         filepath.Join(l.home.profile.Dir(), "files"),
			BeforeQueue: func(ctx context.Context) error { return l.home.claim(ctx, l.server, l.user) },
		})
		if err != nil {
			end = usage(err, "see --allow-origin")
			return
		}
		end = l.serve(a, ln, cmd.OutOrStdout())
	})
	notices.finish()
	if end != nil {
		return errors.Join(end, err)
	}
	return err
}

// serve serves until the run ends.
func (l *liveClient) serve(a *agent.Agent, ln net.Listener, out io.Writer) (err error) {
	withdraw, err := a.Announce(l.home.profile.Dir(), ln)
	if err != nil {
		return errors.Join(config(err, "see --profile"), a.Close())
	}
	defer func() { err = errors.Join(err, withdraw()) }()
	updates := l.client.Watch(l.ctx)
	l.wg.Go(func() {
		for u := range updates {
			l.moved(u)
		}
	})
	l.wg.Go(func() {
		if err := a.Serve(ln); err != nil {
			l.end(failure(err, ""))
		}
	})
	defer func() { err = errors.Join(err, a.Close()) }()
	l.client.Connect() // before there is a session: the network is measured from then on
	l.wg.Go(l.begin)
	if err := l.sayWhere(a, agent.Address(ln), out); err != nil {
		return err
	}
	<-l.ctx.Done()
	return nil
}

// sayWhere prints how the agent is reached: what a person opens, or what a program reads.
func (l *liveClient) sayWhere(a *agent.Agent, address string, out io.Writer) error {
	if l.opts.json {
		return printWhere(out, address, a.Token())
	}
	_, err := fmt.Fprintf(out, "%s/#token=%s\n", address, a.Token())
	return err
}

// printWhere prints how this process is reached, for a program.
func printWhere(out io.Writer, address, token string) error {
	return printJSON(out, struct {
		Schema int    `json:"schema"`
		URL    string `json:"url"`
		Token  string `json:"token"`
		PID    int    `json:"pid"`
	}{schema, address, token, os.Getpid()})
}
