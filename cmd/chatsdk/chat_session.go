package main

import (
	"context"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

const (
	// firstNotice is when a sign-in that doesn't get through is told for the first time: after the slowest one that
	// is still a success. The pauses between further notices double up to lastNotice.
	firstNotice = 10 * time.Second
	lastNotice  = time.Minute
)

// signIn signs in and connects. It tries for as long as the run lasts, unless the server says no.
func (c *chat) signIn(password string) {
	for patience := firstNotice; ; patience = min(2*patience, lastNotice) {
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		err := c.client.SignIn(ctx, c.opts.user, password)
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
			if c.order.caughtUp(*u.Channel) {
				c.put(syncedEvent{head: now("synced"), Channel: u.Channel.Channel})
			}
		case u.Session != nil:
			c.sessionMoved(*u.Session)
		}
	}
}

func (c *chat) connectionMoved(m realtime.Change) {
	e := stateEvent{
		head: now("state"), From: m.From.String(), To: m.To.String(), Reason: string(m.Reason),
		Attempt: m.Attempt, RetryInMS: m.RetryIn.Milliseconds(),
	}
	if m.Err != nil {
		e.Error = plainError(m.Err)
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
	if m.State == token.ReauthRequired && !c.opts.json {
		c.end(&codedError{exitSignedOut, token.ErrSignedOut, "start again to sign in"})
	}
}

// read shows a channel's messages.
func (c *chat) read(name string) {
	for m, err := range c.client.Messages(c.ctx, name) {
		if err != nil {
			c.readEnded(name, err)
			return
		}
		c.put(messageEvent{
			head: now("message"), Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text,
			Time: stamp(m.Time), Replay: m.Replay,
		})
		if c.order.shown(name, m.Seq) {
			c.put(syncedEvent{head: now("synced"), Channel: name})
		}
	}
}

func (c *chat) readEnded(name string, err error) {
	if c.ctx.Err() != nil {
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
