package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
)

// liveOptions are the flags of commands that keep a client connected until they are told to end.
type liveOptions struct {
	server, profile, user, passwordFile string
	json                                bool
}

// add adds all but --json.
func (o *liveOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.server, "server", "", "the server's address, such as http://127.0.0.1:8080 (needed)")
	f.StringVar(&o.profile, profileFlag, "", profileUsage)
	f.StringVar(&o.user, "user", "", "who to sign in as; a profile knows who it is for")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; a trailing newline doesn't count")
	addLogFlag(c, "error")
}

// check looks at everything that can be wrong before anything happens.
func (o liveOptions) check(channels []string) error {
	switch {
	case o.server == "":
		return usage(errors.New("--server is needed"), "give the server's address, such as --server http://127.0.0.1:8080")
	case o.user == "" && o.passwordFile == "" && o.profile == "":
		return &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
	case o.user == "" && o.passwordFile != "", o.passwordFile == "" && o.profile == "":
		return usage(errors.New("--user and --password-file go together"), "give both")
	}
	for i, name := range channels {
		if !channelName.MatchString(name) {
			return usage(fmt.Errorf("%q is no channel", name), channelHint)
		}
		if slices.Contains(channels[:i], name) {
			return usage(fmt.Errorf("channel %s is named twice", name), "")
		}
	}
	return nil
}

// liveClient is a client that signs in by itself and stays connected, for as long as a command runs.
type liveClient struct {
	opts   liveOptions
	lasts  bool // the run goes on where session or connection end for good: who watches it decides
	stops  bool // a signal is how the run is meant to end
	home   *home
	client *chatsdk.Client
	server string // as the client understood it
	user   string
	kept   atomic.Bool     // the session is of an earlier run, and nothing has shown yet that it still lives
	tell   func(event)     // takes what happens
	ctx    context.Context // ends with the run; its cause says why
	end    context.CancelCauseFunc
	wg     sync.WaitGroup // everything but the reader of the input
}

// errQuit is the cause of an end that was asked for.
var errQuit = errors.New("quit")

// openLive opens the client. Set tell, and end it with during.
func openLive(cmd *cobra.Command, o liveOptions, from inbox.From) (*liveClient, error) {
	log, err := logger(cmd)
	if err != nil {
		return nil, err
	}
	// A closed stdout then is an error of the write, after which the program ends in order.
	signal.Ignore(syscall.SIGPIPE)
	h, err := openHome(o.profile)
	if err != nil {
		return nil, err
	}
	client, err := chatsdk.Open(cmd.Context(), chatsdk.Options{Server: o.server, Store: h, From: from, Logger: log})
	if err != nil {
		return nil, errors.Join(config(err, "see --server"), h.close())
	}
	l := &liveClient{opts: o, home: h, client: client, server: client.State().Server}
	l.ctx, l.end = context.WithCancelCause(cmd.Context())
	return l, nil
}

// during finds out who the client is for, runs body, ends everything that was started meanwhile, and closes the client.
func (l *liveClient) during(body func()) error {
	err := l.identify()
	if err == nil {
		body()
		l.end(nil)
		l.wg.Wait()
		err = l.result()
	}
	l.end(nil)
	return errors.Join(err, l.client.Close(), l.home.close())
}

// hello is the first event of a run.
func (l *liveClient) hello(channels []string) helloEvent {
	return helloEvent{
		head: now("hello"), Schema: schema, Version: version(), Server: l.server, User: l.user,
		Device: l.client.State().Device, Channels: channels, Durable: l.client.Durable(),
	}
}

// result is the error that the run ends with.
func (l *liveClient) result() error {
	cause := context.Cause(l.ctx)
	var coded *codedError
	var signal signalError
	switch {
	case errors.Is(cause, errQuit), l.stops && errors.As(cause, &signal):
		return nil
	case errors.As(cause, &coded):
		return coded
	case errors.Is(cause, errOutputClosed):
		return failure(cause, "was the reader of stdout closed?")
	}
	return stopped(l.ctx)
}
