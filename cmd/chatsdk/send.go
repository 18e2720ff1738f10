package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// sendOptions are the flags of send.
type sendOptions struct {
	sessionOptions

	id   string
	wait time.Duration
}

func newSend() *cobra.Command {
	var o sendOptions
	c := &cobra.Command{
		Use: "send CHANNEL TEXT", Short: "Send one message", Args: cobra.ExactArgs(2),
		Long: `Send one message. It is on disk, in the profile, before anything is sent: "queued" says so. If it isn't sent within --wait,
it stays queued (exit 6), and the next program that signs in with the profile sends it. The text - is standard input.

While another program has the profile open, the message is handed over to that one, which sends it.`,
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.id, "id", "", "the message's id, a UUID; the same one again sends nothing twice")
	f.DurationVar(&o.wait, "wait", 10*time.Second, "how long to wait until it is sent; 0 only queues it")
	c.RunE = action(func(cmd *cobra.Command, args []string) error { return runSend(cmd, o, args) })
	return c
}

func (o sendOptions) check(channel string) error {
	if err := o.sessionOptions.check(); err != nil {
		return err
	}
	if !channelName.MatchString(channel) {
		return usage(fmt.Errorf("%q is no channel", channel), channelHint)
	}
	return nil
}

func runSend(cmd *cobra.Command, o sendOptions, args []string) (err error) {
	if err := o.check(args[0]); err != nil {
		return err
	}
	e, err := entryToSend(cmd.InOrStdin(), o, args)
	if err != nil {
		return err
	}
	password, err := o.password()
	if err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	h, err := openHome(o.profile)
	var locked *profile.LockedError
	if errors.As(err, &locked) {
		if e, err = o.handOver(cmd.Context(), locked, e); err != nil {
			return err
		}
		h, err = openHome(o.profile) // that program may have ended meanwhile, and taken nothing any more
		if errors.Is(err, profile.ErrLocked) {
			return o.tell(cmd.OutOrStdout(), e, "queued", "handed over to the program that has the profile open", true)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	client, err := chatsdk.Open(cmd.Context(), chatsdk.Options{Server: o.server, Store: h, Logger: log})
	if err != nil {
		return config(err, "see --server")
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return o.send(cmd, h, client, e, password)
}

// entryToSend is the message of a command line.
func entryToSend(stdin io.Reader, o sendOptions, args []string) (outbox.Entry, error) {
	text := args[1]
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(stdin, maxLine+1))
		if err != nil {
			return outbox.Entry{}, failure(fmt.Errorf("read input: %w", err), "")
		}
		text = strings.TrimSuffix(string(b), "\n")
	}
	if !utf8.ValidString(text) {
		return outbox.Entry{}, usage(errors.New("the text isn't UTF-8"), "")
	}
	e, err := outbox.Check(outbox.Entry{ID: o.id, Channel: args[0], Text: text})
	if err != nil {
		return e, usage(err, "")
	}
	return e, nil
}

// handOver leaves the message to the process that holds the profile, unless that one would send it as another user or to
// another server.
func (o sendOptions) handOver(ctx context.Context, locked *profile.LockedError, e outbox.Entry) (outbox.Entry, error) {
	server, err := serverName(ctx, o.server)
	if err != nil {
		return e, config(err, "see --server")
	}
	if locked.Server != "" && (locked.Server != server || o.user != "" && o.user != locked.User) {
		return e, config(&profile.OwnerError{Dir: locked.Dir, Server: locked.Server, User: locked.User}, "")
	}
	switch {
	case locked.User != "":
		e.Account = accountOf(locked.User, locked.Server)
	case o.user != "": // nobody's profile yet: whoever gets it mustn't send this for somebody else
		e.Account = accountOf(o.user, server)
	}
	if e, err = profile.HandOver(o.profile, outbox.HandSend, e); err != nil {
		return e, config(err, "see --profile")
	}
	return e, nil
}

// accountOf names a user of a server as a client's queue does.
func accountOf(user, server string) string { return user + "@" + server }

// serverName is how a server's address is written in a profile.
func serverName(ctx context.Context, address string) (string, error) {
	c, err := chatsdk.Open(ctx, chatsdk.Options{Server: address, Store: chatsdk.InMemory()})
	if err != nil {
		return "", err
	}
	return c.State().Server, c.Close()
}

// sendEvent is a line of send --json.
type sendEvent struct {
	Schema     int    `json:"schema"`
	Event      string `json:"event"`
	ID         string `json:"id"`
	Channel    string `json:"channel"`
	Seq        uint64 `json:"seq,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Durable    bool   `json:"durable,omitempty"`
	HandedOver bool   `json:"handedOver,omitempty"`
}

func (o sendOptions) tell(out io.Writer, e outbox.Entry, event, note string, handedOver bool) error {
	if o.json {
		v := sendEvent{Schema: schema, Event: event, ID: e.ID, Channel: e.Channel, Seq: e.Seq, Durable: event == "queued", HandedOver: handedOver}
		if event != "queued" && e.State != outbox.Sent {
			v.Reason = e.Err
		}
		return printJSON(out, v)
	}
	line := event + " " + e.ID
	if note != "" {
		line += " (" + printable(note) + ")"
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

// send queues the message, and waits until it is sent.
func (o sendOptions) send(cmd *cobra.Command, h *home, client *chatsdk.Client, e outbox.Entry, password string) error {
	server := client.State().Server
	user, err := h.userFor(cmd.Context(), server, o.user)
	if err != nil {
		return err
	}
	if err := h.claim(cmd.Context(), server, user); err != nil {
		return err
	}
	e, err = client.SendEntry(cmd.Context(), e)
	switch {
	case errors.Is(err, outbox.ErrDisk):
		return config(err, "see --profile")
	case err != nil:
		return err
	}
	if err := o.tell(cmd.OutOrStdout(), e, "queued", "", false); err != nil || o.wait <= 0 {
		return err
	}
	_, _, signedIn := client.Session()
	if !signedIn && password == "" {
		return &codedError{exitSignedOut, errors.New("not signed in; the message stays queued"), "give --user and --password-file"}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.wait)
	defer cancel()
	if !signedIn {
		if err := client.SignIn(ctx, user, password); err != nil {
			return o.signInFailed(cmd.Context(), ctx, err)
		}
	}
	client.Connect()
	return o.waitFor(ctx, cmd, client, e.ID)
}

// late is the end of --wait.
func (o sendOptions) late(why error) error {
	return &codedError{exitTimeout, fmt.Errorf("not sent within %v; it stays queued: %w", o.wait, why), "the server wasn't reached in time"}
}

func (o sendOptions) signInFailed(run, ctx context.Context, err error) error {
	var refused *chatsdk.ServerError
	switch {
	case run.Err() != nil:
		return stopped(run)
	case ctx.Err() != nil:
		return o.late(lastOf(err))
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		return &codedError{exitSignedOut, fmt.Errorf("%w; the message stays queued", err), "check --user and --password-file"}
	}
	return err
}

// waitFor waits until the message is settled.
func (o sendOptions) waitFor(ctx context.Context, cmd *cobra.Command, client *chatsdk.Client, id string) error {
	updates := client.Watch(ctx)
	for {
		e, ok := client.Entry(id)
		switch {
		case ok && e.State == outbox.Sent:
			return o.tell(cmd.OutOrStdout(), e, "sent", fmt.Sprintf("number %d in %s", e.Seq, e.Channel), false)
		case ok && e.State.Settled():
			if err := o.tell(cmd.OutOrStdout(), e, e.State.String(), e.Err, false); err != nil {
				return err
			}
			return failure(fmt.Errorf("the message is %s: %s", e.State, e.Err), "see chatsdk outbox show "+id)
		}
		if _, ok := <-updates; ok {
			continue
		}
		if cmd.Context().Err() != nil {
			return stopped(cmd.Context())
		}
		return o.late(errors.New("see chatsdk outbox ls"))
	}
}
