package main

import (
	"context"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// firstNotice is when a sign-in that doesn't get through is told for the first time: after the slowest one that
	// is still a success. The pauses between further notices double up to lastNotice.
	firstNotice = 10 * time.Second
	lastNotice  = time.Minute
)

// identify finds out who the run is for, and whether there is a way in.
func (c *chat) identify() (err error) {
	if c.user, err = c.home.userFor(c.ctx, c.server, c.opts.user); err != nil {
		return err
	}
	_, _, in := c.client.Session()
	c.kept.Store(in)
	switch {
	case in:
	case c.opts.passwordFile == "":
		return &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
	default:
		_, err = readPassword(c.opts.passwordFile) // now, while a person looks
	}
	return err
}

// begin connects with the session that is kept, or signs in.
func (c *chat) begin() {
	if !c.kept.Load() {
		c.signIn()
		return
	}
	c.client.Connect()
}

// signIn signs in with the password and connects. It tries for as long as the run lasts, unless the server says no.
func (c *chat) signIn() {
	password, err := readPassword(c.opts.passwordFile)
	if err != nil {
		c.end(err)
		return
	}
	for patience := firstNotice; ; patience = min(2*patience, lastNotice) {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		err := c.client.SignIn(ctx, c.user, password)
		late := ctx.Err() != nil
		cancel()
		var refused *chatsdk.ServerError
		switch {
		case err == nil:
			c.client.Connect()
			return
		case c.ctx.Err() != nil:
			return
		case late:
			c.put(errorEvent{
				head: now("error"), Code: "network", Op: "signin",
				Message: "can't sign in yet, trying on: " + plainError(lastOf(err)),
			})
		case errors.As(err, &refused):
			c.put(errorEvent{head: now("error"), Code: refused.Code, Op: "signin", Message: plainError(err)})
			if refused.Status == 401 || refused.Status == 403 {
				c.end(&codedError{exitSignedOut, err, "check --user and --password-file"})
			} else {
				c.end(failure(err, "check --server"))
			}
			return
		default:
			c.end(failure(err, ""))
			return
		}
	}
}

// lastOf leaves the end of our own patience out of an error, where it has another cause.
func lastOf(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	for _, e := range joined.Unwrap() {
		if e != nil && !errors.Is(e, context.DeadlineExceeded) {
			return e
		}
	}
	return err
}

// follow tells what the client's parts tell.
func (c *chat) follow(updates <-chan chatsdk.Update) {
	for u := range updates {
		switch {
		case u.Connection != nil:
			c.connectionMoved(*u.Connection)
		case u.Entry != nil:
			if e, ready := c.order.moved(*u.Entry); ready {
				c.putOutcome(e)
			}
		case u.Channel != nil:
			if u.Channel.Err != nil {
				c.put(errorEvent{head: now("error"), Code: "rewound", Message: plainError(u.Channel.Err), Channel: u.Channel.Channel})
			}
			if c.order.caughtUp(*u.Channel, c.doneWith(u.Channel.Channel)) {
				c.put(syncedEvent{head: now("synced"), Channel: u.Channel.Channel})
			}
		case u.Session != nil:
			c.sessionMoved(*u.Session)
		case u.Store != nil:
			c.put(diskOf(*u.Store))
		case u.Quality != nil:
			c.put(qualityEvent{now("quality"), qualityOf(u.Quality.Report)})
		}
	}
}

func diskOf(s outbox.StoreChange) diskEvent {
	e := diskEvent{head: now("disk"), OK: s.Err == nil}
	if s.Err != nil {
		e.Message = plainError(s.Err)
	}
	return e
}

// followUploads tells what becomes of files. Progress is told as the client tells it, ten times a second at most.
func (c *chat) followUploads(changes <-chan upload.Change) {
	for u := range changes {
		c.put(uploadEvent{head: now("upload"), uploadJSON: uploadOf(u.Upload)})
	}
}

// doneWith is the seq up to which nothing of a channel is shown any more in this run.
func (c *chat) doneWith(channel string) uint64 {
	if c.opts.from != inbox.Processed.String() {
		return 0
	}
	return c.client.State().Channels[channel].Processed
}

func (c *chat) connectionMoved(m realtime.Change) {
	e := stateEvent{
		head: now("state"), From: m.From.String(), To: m.To.String(), Reason: string(m.Reason),
		Attempt: m.Attempt, RetryInMS: m.RetryIn.Milliseconds(),
	}
	if m.Err != nil {
		e.Error = plainError(m.Err)
	}
	if m.To == realtime.Connected {
		c.kept.Store(false)
	}
	c.put(e)
	for _, name := range c.order.state(m.To == realtime.Connected) {
		c.put(syncedEvent{head: now("synced"), Channel: name})
	}
	if m.To == realtime.Failed && !c.opts.json {
		c.end(failure(errors.Join(errors.New("the connection ended for good: "+string(m.Reason)), m.Err), ""))
	}
}

func (c *chat) sessionMoved(m token.Change) {
	c.put(tokenEvent{head: now("token"), State: m.State.String(), Reason: m.Reason})
	if m.State != token.ReauthRequired {
		return
	}
	if c.kept.Swap(false) && c.opts.passwordFile != "" { // it died while nobody was here: as good as none
		c.wg.Go(c.signIn)
		return
	}
	if !c.opts.json {
		why := token.ErrSignedOut
		if errors.Is(m.Err, token.ErrDamaged) {
			why = m.Err
		}
		c.end(&codedError{exitSignedOut, why, "start again to sign in"})
	}
}

// read shows a channel's messages. One is done with when its line is written, and not before: what waits here when the
// program is killed has to come again.
func (c *chat) read(name string) {
	err := c.client.Process(c.ctx, name, func(m chatsdk.Message) error {
		err := c.out.show(c.ctx, messageEvent{
			head: now("message"), Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text,
			Time: stamp(m.Time), Replay: m.Replay, Attachments: m.Attachments,
		})
		if err == nil && c.order.shown(name, m.Seq) {
			c.put(syncedEvent{head: now("synced"), Channel: name})
		}
		return err
	})
	c.readEnded(name, err)
}

func (c *chat) readEnded(name string, err error) {
	if c.ctx.Err() != nil || errors.Is(err, errOutputClosed) {
		return
	}
	code := "failed"
	var refused *chatsdk.ChannelError
	if errors.As(err, &refused) && refused.Code == 103 {
		code = "forbidden"
	}
	c.put(errorEvent{head: now("error"), Code: code, Message: plainError(err), Channel: name})
	if !c.opts.json {
		c.end(failure(err, ""))
	}
}
