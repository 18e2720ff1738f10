package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
)

// chatOptions are the flags of chat.
type chatOptions struct {
	server, profile, user, passwordFile, from string
	json                                      bool
}

func newChat() *cobra.Command {
	var o chatOptions
	c := &cobra.Command{
		Use: "chat CHANNEL...", Short: "Chat, by hand or by machine", Args: cobra.MinimumNArgs(1),
		Long: `Chat. Each line of input is a message to the first channel; the messages of all channels are shown. The end of input
waits up to 10 s for what is still to be sent.

With --json this is the machine interface: one JSON object a line each way. Ops are send, upload, cancel, status and quit;
the end of input is quit, which stops at once.

With --profile the session, what is queued and what was received are kept in a folder: a message is "queued" with
"durable":true when it is on disk, the next run sends what is still queued and goes on after the last message that was
taken, and a password is needed only while nobody is signed in. A profile is for one user of one server. Without
--profile all is in memory and ends with the run.

Started without a network it takes messages all the same and keeps trying.`,
	}
	f := c.Flags()
	f.StringVar(&o.server, "server", "", "the server's address, such as http://127.0.0.1:8080 (needed)")
	f.StringVar(&o.profile, profileFlag, "", profileUsage)
	f.StringVar(&o.user, "user", "", "who to sign in as; a profile knows who it is for")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; a trailing newline doesn't count")
	f.StringVar(&o.from, "from", "processed", "where to begin: processed, start or now")
	f.BoolVar(&o.json, "json", false, "machine interface: one JSON object a line")
	addLogFlag(c, "error")
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return runChat(cmd, o, args) })
	return c
}

// check looks at everything that can be wrong before anything happens.
func (o chatOptions) check(channels []string) (inbox.From, error) {
	switch {
	case o.server == "":
		return 0, usage(errors.New("--server is needed"), "give the server's address, such as --server http://127.0.0.1:8080")
	case o.user == "" && o.passwordFile == "" && o.profile == "":
		return 0, &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
	case o.user == "" && o.passwordFile != "", o.passwordFile == "" && o.profile == "":
		return 0, usage(errors.New("--user and --password-file go together"), "give both")
	}
	for i, name := range channels {
		if !channelName.MatchString(name) {
			return 0, usage(fmt.Errorf("%q is no channel", name), channelHint)
		}
		if slices.Contains(channels[:i], name) {
			return 0, usage(fmt.Errorf("channel %s is named twice", name), "")
		}
	}
	for _, from := range []inbox.From{inbox.Processed, inbox.Start, inbox.Now} {
		if o.from == from.String() {
			return from, nil
		}
	}
	return 0, usage(fmt.Errorf("--from %q", o.from), "use processed, start or now")
}

// chat is one run of the command.
type chat struct {
	opts     chatOptions
	channels []string
	home     *home
	client   *chatsdk.Client
	server   string // as the client understood it
	user     string
	kept     atomic.Bool // the session is of an earlier run, and nothing has shown yet that it still lives
	out      *output
	ctx      context.Context // ends with the run; its cause says why
	end      context.CancelCauseFunc
	wg       sync.WaitGroup // everything but the reader of the input
	order    *order
}

// errQuit is the cause of an end that was asked for.
var errQuit = errors.New("quit")

func runChat(cmd *cobra.Command, o chatOptions, channels []string) error {
	from, err := o.check(channels)
	if err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	// A closed stdout then is an error of the write, after which the program ends in order.
	signal.Ignore(syscall.SIGPIPE)
	h, err := openHome(o.profile)
	if err != nil {
		return err
	}
	client, err := chatsdk.Open(cmd.Context(), chatsdk.Options{Server: o.server, Store: h, From: from, Logger: log})
	if err != nil {
		return errors.Join(config(err, "see --server"), h.close())
	}
	ctx, end := context.WithCancelCause(cmd.Context())
	c := &chat{
		opts: o, channels: channels, home: h, client: client, server: client.State().Server, ctx: ctx, end: end,
		order: newOrder(from), out: newOutput(cmd.OutOrStdout(), cmd.ErrOrStderr(), o.json, end),
	}
	if err = c.identify(); err == nil {
		c.run(cmd.InOrStdin())
		end(nil)
		c.wg.Wait()
		err = c.result()
	}
	end(nil)
	err = errors.Join(err, client.Close(), h.close())
	c.out.finish()
	return err
}

// run starts everything and returns when the run is to end.
func (c *chat) run(stdin io.Reader) {
	hello := helloEvent{
		head: now("hello"), Schema: schema, Version: version(), Server: c.server, User: c.user,
		Device: c.client.State().Device, Channels: c.channels, From: c.opts.from, Durable: c.client.Durable(),
	}
	c.put(hello)
	updates := c.client.Watch(c.ctx)
	c.wg.Go(func() { c.follow(updates) })
	uploads := c.client.WatchUploads(c.ctx)
	c.wg.Go(func() { c.followUploads(uploads) })
	for _, name := range c.channels {
		c.wg.Go(func() { c.read(name) })
	}
	c.wg.Go(c.begin)
	c.input(stdin)
}

func (c *chat) put(e event) { c.out.put(c.ctx, e) }

// result is the error that the run ends with.
func (c *chat) result() error {
	cause := context.Cause(c.ctx)
	var coded *codedError
	switch {
	case errors.Is(cause, errQuit):
		return nil
	case errors.As(cause, &coded):
		return coded
	case errors.Is(cause, errOutputClosed):
		return failure(cause, "was the reader of stdout closed?")
	}
	return stopped(c.ctx)
}
