package inbox

import (
	"context"
	"fmt"
	"time"
)

const (
	// replayMost is how many messages may be shown again after an unclean stop, and so how many may be shown between
	// two notes of it in the store. The command line promises it.
	replayMost = 64
	// markDelay is how long a processed mark may wait for a transaction that goes to the disk anyway.
	markDelay = time.Second
	// closeTimeout bounds the last write of Close.
	closeTimeout = 5 * time.Second
)

// nextMark is what may be noted of the channel when everything up to top is received: the application is done with
// what it is done with, and may be shown the next few of what there is, without another note.
func (c *channel) nextMark(top uint64) Mark {
	done, most := c.processed, uint64(replayMost)
	switch planted {
	case bugProcessedWhenReceived:
		done = max(done, top)
	case bugReserveMore:
		most *= 2
	case bugReserveLate:
		return Mark{done, max(done, c.shown)}
	}
	if len(c.readers) == 0 {
		return Mark{done, max(done, c.mark.Shown)}
	}
	return Mark{done, max(done, c.mark.Shown, min(done+most, top))}
}

// reserve sees to it that the store knows that the message may have been shown, before it is. ok is false where the
// channel was rewound meanwhile.
func (i *Inbox) reserve(ch *channel, seq uint64, gen int) (ok bool, err error) {
	i.mu.Lock()
	enough := seq <= ch.mark.Shown || planted == bugReserveLate
	stale := gen != ch.gen
	i.mu.Unlock()
	if stale || enough {
		return !stale, nil
	}
	defer i.lockStore()()
	i.mu.Lock()
	if gen != ch.gen || seq <= ch.mark.Shown {
		defer i.mu.Unlock()
		return gen == ch.gen, nil
	}
	// A reader that left some out, to begin with what is new, has no use for them later.
	ch.processed = max(ch.processed, seq-1)
	mark := ch.nextMark(max(ch.top, seq))
	i.mu.Unlock()
	return true, i.commitMark(i.ctx, ch, mark, gen)
}

// commitMark writes a channel's mark alone. The store's lock is held.
func (i *Inbox) commitMark(ctx context.Context, ch *channel, mark Mark, gen int) error {
	if err := i.opts.Store.Commit(ctx, Tx{Marks: map[string]Mark{ch.name: mark}}); err != nil {
		return fmt.Errorf("keep processed mark: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if gen == ch.gen {
		ch.mark = mark
	}
	return nil
}

// begins notes that the application gets the message, and says whether it may have had it before. before is for
// takeBack.
func (i *Inbox) begins(ch *channel, r *reader, seq uint64) (again bool, before uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before = ch.shown
	ch.shown = max(ch.shown, seq)
	if planted == bugProcessedWhenShown {
		ch.processed = max(ch.processed, seq)
	}
	return r.from == Processed && ch.again.has(seq) && planted != bugReplayUnmarked, before
}

// takeBack undoes begins, unless somebody got another message meanwhile.
func (i *Inbox) takeBack(ch *channel, seq, before uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ch.shown == seq {
		ch.shown = before
	}
}

// ends moves the cursor and raises the processed mark, which is kept soon. After a rewind the number is another
// message's, and counts for nothing.
func (i *Inbox) ends(ch *channel, r *reader, seq uint64, gen int) {
	i.mu.Lock()
	if gen != ch.gen {
		i.mu.Unlock()
		return
	}
	before := ch.ahead(i.reach())
	r.cursor = seq
	if ch.filling && before > i.low() && ch.ahead(i.reach()) <= i.low() {
		ch.signal() // the filler waits for this
	}
	ch.processed = max(ch.processed, seq)
	late := i.flushed
	i.mu.Unlock()
	if late { // nobody else will keep it
		i.flush()
		return
	}
	select {
	case i.marked <- struct{}{}:
	default:
	}
}

// flush keeps the marks that moved. What can't be kept now is kept later, or shown again.
func (i *Inbox) flush() {
	defer i.lockStore()()
	i.mu.Lock()
	late := i.flushed
	i.mu.Unlock()
	ctx := i.ctx
	if late {
		bounded, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		ctx = bounded
	}
	if err := i.flushLocked(ctx, late); err != nil && i.ctx.Err() == nil {
		i.opts.Logger.Error("keep processed marks; messages may be shown again", "err", err)
	}
}

// flushLocked keeps the marks that moved, at the end to the letter: only what a body still runs with may have been
// shown and not processed. The store's lock is held.
func (i *Inbox) flushLocked(ctx context.Context, end bool) error {
	i.mu.Lock()
	marks := map[string]Mark{}
	for name, ch := range i.channels {
		mark := Mark{ch.processed, max(ch.processed, ch.mark.Shown)}
		if end {
			mark.Shown = max(ch.processed, ch.shown)
		}
		if mark != ch.mark {
			marks[name] = mark
		}
	}
	i.mu.Unlock()
	if len(marks) == 0 {
		return nil
	}
	if err := i.opts.Store.Commit(ctx, Tx{Marks: marks}); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, mark := range marks { // no rewind came between: it needs the store's lock
		i.channels[name].mark = mark
	}
	return nil
}

// flushAtClose keeps all marks, once.
func (i *Inbox) flushAtClose() error {
	defer i.lockStore()()
	i.mu.Lock()
	done := i.flushed
	i.flushed = true
	i.mu.Unlock()
	if done || planted == bugMarksLostAtClose {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := i.flushLocked(ctx, true); err != nil {
		return fmt.Errorf("keep processed marks; messages will be shown again: %w", err)
	}
	return nil
}
