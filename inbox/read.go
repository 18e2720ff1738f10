package inbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// reader is one loop over a channel. Its fields are guarded by Inbox.mu.
type reader struct {
	from   From
	placed bool   // cursor means something
	cursor uint64 // the last message that was shown
	pages  pages  // of what the store dropped; the reading goroutine's alone
}

// wants is the number after which the reader begins when the server's newest message is last.
func (r *reader) wants(processed, last uint64) uint64 {
	switch {
	case r.placed:
		return r.cursor
	case r.from == Start:
		return 0
	case r.from == Now:
		return last
	}
	return processed
}

// Read yields a channel's messages from the given place on, in order and each once, and goes on live until ctx ends.
// When the loop body for a message returns, it counts as processed, also if it ended the loop. The error, if any, is
// the last thing yielded: ctx's or ErrClosed. Fetch errors are retried.
func (i *Inbox) Read(ctx context.Context, name string, from From) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		err := i.read(ctx, name, from, func(m Message) (verdict, error) {
			if !yield(m, nil) {
				return processed, errBreak
			}
			return processed, nil
		})
		if !errors.Is(err, errBreak) {
			yield(Message{}, err)
		}
	}
}

// errBreak ends a read whose loop was left.
var errBreak = errors.New("inbox: loop left")

// ErrNotShown is returned by a function of Process that didn't even begin with a message.
var ErrNotShown = errors.New("inbox: not shown")

// Process is Read for whoever may have to say no: f is called for each message, which counts as processed when f
// returns nil. An error of f ends it and is returned; the message comes again in the next run, marked Replay unless the
// error matches ErrNotShown. Other errors are those of Read.
func (i *Inbox) Process(ctx context.Context, name string, from From, f func(Message) error) error {
	return i.read(ctx, name, from, func(m Message) (verdict, error) {
		err := f(m)
		switch {
		case err == nil:
			return processed, nil
		case errors.Is(err, ErrNotShown):
			return notShown, err
		}
		return shown, err
	})
}

// verdict is what became of a message that a function got.
type verdict int

const (
	processed verdict = iota
	shown             // but not processed
	notShown
)

// read calls f for each message until it returns an error, ctx ends or the inbox is closed, and returns why.
func (i *Inbox) read(ctx context.Context, name string, from From, f func(Message) (verdict, error)) error {
	r := &reader{from: from, pages: newPages(i.opts)}
	i.mu.Lock()
	ch := i.channelLocked(name)
	ch.readers[r] = struct{}{}
	i.placeLocked(ch, r)
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		delete(ch.readers, r)
		ch.signal() // the filler may have waited for this reader
		i.mu.Unlock()
	}()
	for failed := 0; ; {
		msgs, gen, err := i.next(ctx, ch, r)
		var ended error
		if err == nil {
			ended, err = i.show(ctx, ch, r, msgs, gen, f)
		}
		switch {
		case ended != nil:
			return ended
		case ctx.Err() != nil:
			return ctx.Err()
		case i.ctx.Err() != nil:
			return ErrClosed
		case err != nil:
			failed++
			i.opts.Logger.Debug("read messages", "channel", name, "err", err)
			i.waitFor(ctx, i.backoff(failed))
		default:
			failed = 0
		}
	}
}

// placeLocked gives the reader its cursor as soon as it can be known.
func (i *Inbox) placeLocked(ch *channel, r *reader) {
	if !r.placed && (ch.known || r.from != Now) {
		r.cursor, r.placed = r.wants(ch.processed, ch.top), true
	}
}

// next returns messages that follow the reader's cursor, from the store or from the server, and waits while there are
// none. gen is the channel's when it looked.
func (i *Inbox) next(ctx context.Context, ch *channel, r *reader) (msgs []Message, gen int, err error) {
	for {
		i.mu.Lock()
		i.placeLocked(ch, r)
		cursor, top, gen := r.cursor, ch.top, ch.gen
		behind := r.placed && cursor < top
		changed, edge := ch.changed, i.upEdge
		i.mu.Unlock()
		if behind {
			msgs, err := i.old(ctx, ch, r, cursor, top)
			if err != nil || len(msgs) > 0 {
				return msgs, gen, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, gen, ctx.Err()
		case <-i.ctx.Done():
			return nil, gen, ErrClosed
		case <-changed:
		case <-edge:
		}
	}
}

// old reads messages between cursor and top, which are in the store or were dropped by it. None means that they can't
// be had now.
func (i *Inbox) old(ctx context.Context, ch *channel, r *reader, cursor, top uint64) ([]Message, error) {
	msgs, err := i.opts.Store.Page(ctx, ch.name, cursor, i.opts.PageSize)
	if err != nil {
		return nil, fmt.Errorf("read kept messages: %w", err)
	}
	i.mu.Lock()
	up := i.up
	i.mu.Unlock()
	if len(msgs) > 0 && msgs[0].Seq == cursor+1 || !up {
		return contiguous(msgs, cursor, top), nil
	}
	msgs, last, err := i.round(ctx, &r.pages, question{name: ch.name, after: cursor, target: top, room: i.opts.Ahead})
	if err != nil {
		return nil, err
	}
	if last < top { // the server lost some: the filler finds out
		i.Refresh(ch.name)
	}
	return contiguous(msgs, cursor, top), nil
}

// contiguous returns the beginning of msgs that follows cursor without a gap, up to top: what is newer comes with top.
func contiguous(msgs []Message, cursor, top uint64) []Message {
	for k, m := range msgs {
		if m.Seq != cursor+1+uint64(k) || m.Seq > top {
			return msgs[:k]
		}
	}
	return msgs
}

// show calls f for messages and marks each as f says. ended is f's error; err is why the store can't go on.
func (i *Inbox) show(ctx context.Context, ch *channel, r *reader, msgs []Message, gen int, f func(Message) (verdict, error)) (ended, err error) {
	for _, m := range msgs {
		if ctx.Err() != nil || i.ctx.Err() != nil {
			return nil, nil // the caller sees why
		}
		if ok, err := i.reserve(ch, m.Seq, gen); !ok || err != nil {
			return nil, err
		}
		var before uint64
		m.Replay, before = i.begins(ch, r, m.Seq)
		v, err := f(m)
		switch v {
		case processed:
			i.ends(ch, r, m.Seq, gen)
		case notShown:
			i.takeBack(ch, m.Seq, before)
		case shown:
		}
		if err != nil {
			return err, nil
		}
	}
	return nil, nil
}

// waitFor waits for d, ctx or Close.
func (i *Inbox) waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-i.ctx.Done():
	case <-time.After(d):
	}
}
