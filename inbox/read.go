package inbox

import (
	"context"
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
			switch {
			case ctx.Err() != nil:
				yield(Message{}, ctx.Err())
				return
			case i.ctx.Err() != nil:
				yield(Message{}, ErrClosed)
				return
			case err != nil:
				failed++
				i.opts.Logger.Debug("read messages", "channel", name, "err", err)
				i.waitFor(ctx, i.backoff(failed))
				continue
			}
			more, err := i.show(ctx, ch, r, msgs, gen, yield)
			switch {
			case !more:
				return
			case err != nil:
				failed++
				i.opts.Logger.Error("show messages", "channel", name, "err", err)
				i.waitFor(ctx, i.backoff(failed))
			default:
				failed = 0
			}
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

// show yields messages and marks each as processed when the body is done with it. more is false when the loop is over.
func (i *Inbox) show(ctx context.Context, ch *channel, r *reader, msgs []Message, gen int, yield func(Message, error) bool) (more bool, err error) {
	for _, m := range msgs {
		if ctx.Err() != nil || i.ctx.Err() != nil {
			return true, nil // the caller sees why
		}
		if ok, err := i.reserve(ch, m.Seq, gen); !ok || err != nil {
			return true, err
		}
		m.Replay = i.begins(ch, r, m.Seq)
		more := yield(m, nil)
		i.ends(ch, r, m.Seq, gen)
		if !more {
			return false, nil
		}
	}
	return true, nil
}

// waitFor waits for d, ctx or Close.
func (i *Inbox) waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-i.ctx.Done():
	case <-time.After(d):
	}
}
