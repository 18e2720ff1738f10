package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

// sendOutTimeout is how long the end of input waits for what isn't sent, when a person, and no machine, is at it.
const sendOutTimeout = 10 * time.Second

// lineIn is one line of input, or the error that took its place.
type lineIn struct {
	text []byte
	err  error
}

// input carries out the lines of stdin until it ends, quit comes or the run ends.
func (c *chat) input(stdin io.Reader) {
	lines := make(chan lineIn)
	// Nobody waits for this goroutine: a read of stdin can't be broken off, and the program ends soon after.
	go func() {
		r := newLineReader(stdin)
		for {
			line, err := r.next()
			select {
			case lines <- lineIn{append([]byte(nil), line...), err}:
			case <-c.ctx.Done():
				return
			}
			if err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
		}
	}()
	for {
		select {
		case <-c.ctx.Done():
			return
		case l := <-lines:
			switch {
			case errors.Is(l.err, errLineTooLong):
				c.fail(op{}, "line_too_long", errLineTooLong)
			case l.err != nil:
				c.inputEnded(l.err)
				return
			case c.opts.json:
				c.machineLine(l.text)
			default:
				c.humanLine(l.text)
			}
		}
	}
}

func (c *chat) inputEnded(err error) {
	switch {
	case !errors.Is(err, io.EOF):
		c.end(failure(fmt.Errorf("read input: %w", err), ""))
	case c.opts.json:
		c.end(errQuit)
	default:
		c.end(c.sendOut())
	}
}

// sendOut waits until all is sent, but not for ever.
func (c *chat) sendOut() error {
	ctx, cancel := context.WithTimeout(c.ctx, sendOutTimeout)
	defer cancel()
	updates := c.client.Watch(ctx)
	for {
		q := c.client.State().Queue
		if q.Queued+q.Sending == 0 {
			return errQuit
		}
		if _, ok := <-updates; ok {
			continue
		}
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		return &codedError{exitTimeout, fmt.Errorf("%d messages were not sent", q.Queued+q.Sending), "the server wasn't reached in time"}
	}
}

// humanLine sends a line to the first channel.
func (c *chat) humanLine(line []byte) {
	switch {
	case len(strings.TrimSpace(string(line))) == 0:
	case !utf8.Valid(line):
		c.fail(op{Op: "send"}, "bad_line", errors.New("not sent: the line isn't UTF-8"))
	default:
		c.send(op{Op: "send", Channel: c.channels[0], Text: string(line)})
	}
}

// machineLine carries out one object.
func (c *chat) machineLine(line []byte) {
	o, bad := parseOp(line)
	if bad != nil {
		c.fail(o, bad.code, bad)
		return
	}
	switch o.Op {
	case "send", "upload":
		c.send(o)
	case "cancel":
		c.cancel(o)
	case "status":
		c.put(c.status())
	case "quit":
		c.end(errQuit)
	}
}

func (c *chat) send(o op) {
	if o.Account != "" && o.Account != accountOf(c.user, c.server) {
		c.fail(o, "other_account", fmt.Errorf("not sent: it is %s's, and this is %s", o.Account, accountOf(c.user, c.server)))
		return
	}
	if o.ID != "" {
		if e, seen := c.client.Entry(strings.ToLower(o.ID)); seen {
			c.answerAgain(e)
			return
		}
	}
	if err := c.home.claim(c.ctx, c.server, c.user); err != nil {
		c.sendFailed(o, err)
		return
	}
	c.order.begin()
	e, err := c.client.SendFiles(c.ctx, o.entry(), o.files()...)
	if err != nil {
		c.sendFailed(o, err)
	} else {
		c.put(queuedEvent{head: now("queued"), ID: e.ID, Channel: e.Channel, Durable: c.client.Durable()})
	}
	for _, outcome := range c.order.queued(e.ID) { // e is empty where it failed
		c.putOutcome(outcome)
	}
}

// answerAgain tells of an entry that was queued before what was told then. What is still open is told when it settles.
func (c *chat) answerAgain(e outbox.Entry) {
	c.put(queuedEvent{head: now("queued"), ID: e.ID, Channel: e.Channel, Durable: c.client.Durable()})
	if e.State.Settled() {
		c.putOutcome(outbox.Change{Entry: e, To: e.State, Reason: e.Err})
	}
}

// putOutcome tells how an entry settled.
func (c *chat) putOutcome(m outbox.Change) {
	e := m.Entry
	if m.To == outbox.Sent {
		c.put(sentEvent{head: now("sent"), ID: e.ID, Channel: e.Channel, Seq: e.Seq})
		return
	}
	c.put(settledEvent{head: now(m.To.String()), ID: e.ID, Channel: e.Channel, Reason: m.Reason})
}

func (c *chat) sendFailed(o op, err error) {
	code := "failed"
	var invalid *outbox.InvalidError
	var file *upload.InvalidError
	var pathErr *os.PathError
	switch {
	case c.ctx.Err() != nil:
		return
	case errors.As(err, &invalid):
		code = "invalid_" + invalid.Field
	case errors.As(err, &file):
		code = "invalid_" + file.Field
	case errors.Is(err, outbox.ErrFull), errors.Is(err, upload.ErrFull):
		code = "full"
	case errors.Is(err, outbox.ErrDisk), errors.Is(err, upload.ErrDisk):
		code = "disk"
	case errors.As(err, &pathErr):
		code = "file"
	}
	c.fail(o, code, err)
}

func (c *chat) cancel(o op) {
	err := c.client.Cancel(c.ctx, strings.ToLower(o.ID))
	if errors.Is(err, outbox.ErrNotFound) { // the id of an upload, or of nothing
		if uploadErr := c.client.CancelUpload(c.ctx, strings.ToLower(o.ID)); !errors.Is(uploadErr, upload.ErrNotFound) {
			err = uploadErr
		}
	}
	switch {
	case err == nil, c.ctx.Err() != nil:
	case errors.Is(err, outbox.ErrNotFound):
		c.fail(o, "not_found", err)
	case errors.Is(err, outbox.ErrNotQueued), errors.Is(err, upload.ErrSettled):
		c.fail(o, "not_queued", err)
	default:
		c.fail(o, "failed", err)
	}
}

func (c *chat) fail(o op, code string, err error) {
	c.put(errorEvent{head: now("error"), Code: code, Message: plainError(err), Op: o.Op, ID: o.ID, Channel: o.Channel})
}
