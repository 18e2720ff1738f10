package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

const (
	// outputQueue is how many events may wait for a reader that is slow; then who has more to tell waits too.
	outputQueue = 256
	// flushTimeout bounds the wait at the end for a reader that reads no more.
	flushTimeout = 2 * time.Second
)

// errOutputClosed says that nobody reads the results any more.
var errOutputClosed = errors.New("the output can't be written")

// output writes events, each line whole, from one goroutine.
type output struct {
	out, err io.Writer
	json     bool
	line     func(event) (line string, notice bool) // an event for people; event.plain unless set before the first one
	events   chan written
	done     chan struct{}
}

// written is an event and who waits until it is out, or nil.
type written struct {
	event
	ok chan<- bool // 1-buffered
}

// newOutput starts the writer. It calls fail at most once, when a result can't be written; later events are dropped.
// End it with finish.
func newOutput(out, stderr io.Writer, asJSON bool, fail func(error)) *output {
	o := &output{out: out, err: stderr, json: asJSON, line: event.plain, events: make(chan written, outputQueue), done: make(chan struct{})}
	go func() {
		defer close(o.done)
		broken := false
		for e := range o.events {
			if !broken {
				if err := o.write(e.event); err != nil {
					broken = true
					fail(fmt.Errorf("%w: %w", errOutputClosed, err))
				}
			}
			if e.ok != nil {
				e.ok <- !broken
			}
		}
	}()
	return o
}

// put hands an event to the writer. It waits while the queue is full, until ctx ends.
func (o *output) put(ctx context.Context, e event) { o.queue(ctx, written{event: e}) }

func (o *output) queue(ctx context.Context, e written) bool {
	select {
	case o.events <- e:
		return true
	default:
	}
	select {
	case o.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// show is put for an event that must not be lost: it returns when the event is written. Where ctx ended before its
// turn came the error is inbox.ErrNotShown; any other says that nobody knows whether it was read.
func (o *output) show(ctx context.Context, e event) error {
	ok := make(chan bool, 1)
	if ctx.Err() != nil || !o.queue(ctx, written{e, ok}) {
		return inbox.ErrNotShown
	}
	var late <-chan time.Time
	for {
		select {
		case out := <-ok:
			if !out {
				return errOutputClosed
			}
			return nil
		case <-late:
			return errOutputClosed
		case <-ctx.Done():
			ctx, late = context.WithoutCancel(ctx), time.After(flushTimeout)
		}
	}
}

// finish writes what waits and ends the writer. Nobody may put any more. A reader that has stopped reading is left
// behind after a while, with the writer's goroutine, since a write to a pipe can't be taken back.
func (o *output) finish() {
	close(o.events)
	select {
	case <-o.done:
	case <-time.After(flushTimeout):
	}
}

func (o *output) write(e event) error {
	if o.json {
		var b bytes.Buffer
		if err := printJSON(&b, e); err != nil {
			return err
		}
		_, err := o.out.Write(b.Bytes())
		return err
	}
	line, notice := o.line(e)
	switch {
	case line == "":
		return nil
	case notice:
		_, _ = io.WriteString(o.err, "chatsdk: "+printable(line)+"\n") // nobody misses a notice that can't be shown
		return nil
	}
	_, err := io.WriteString(o.out, printable(line)+"\n")
	return err
}
