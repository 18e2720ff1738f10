package inbox

import (
	"fmt"
	"time"
)

// write moves contiguous messages into the store, and marks that no such transaction took along, until Close.
func (i *Inbox) write() {
	var flush <-chan time.Time // ends the wait of a mark, or nil if none waits
	for failed := 0; ; {
		select {
		case <-i.ctx.Done():
			return
		case <-i.marked:
			if flush == nil {
				flush = time.After(markDelay)
			}
			continue
		case <-flush:
			flush = nil
			i.flush()
			continue
		case <-i.wake:
		}
		if i.writeAll() {
			failed = 0
			continue
		}
		// The store can't write (disk full, say). What waits stays in memory and is tried again.
		failed++
		select {
		case <-i.ctx.Done():
			return
		case <-time.After(i.backoff(failed)):
		}
		i.mu.Lock()
		for _, ch := range i.channels {
			i.stirLocked(ch)
		}
		i.mu.Unlock()
	}
}

// writeAll writes every dirty channel; it says false if one couldn't be written.
func (i *Inbox) writeAll() bool {
	ok := true
	for _, ch := range i.takeDirty() {
		if err := i.writeRun(ch); err != nil {
			i.opts.Logger.Error("store received messages", "channel", ch.name, "err", err)
			ok = false
		}
	}
	return ok
}

// writeRun writes what follows top without a gap.
func (i *Inbox) writeRun(ch *channel) error {
	defer i.lockStore()()
	i.mu.Lock()
	run := ch.run()
	i.mu.Unlock()
	return i.keep(ch, run)
}

// keep writes messages that follow top, with the channel's mark, which costs nothing more. The store's lock is held.
func (i *Inbox) keep(ch *channel, msgs []Message) error {
	if len(msgs) == 0 {
		return nil
	}
	last := msgs[len(msgs)-1].Seq
	i.mu.Lock()
	mark := ch.nextMark(last)
	tx := Tx{Messages: msgs}
	if mark != ch.mark {
		tx.Marks = map[string]Mark{ch.name: mark}
	}
	i.mu.Unlock()
	if err := i.opts.Store.Commit(i.ctx, tx); err != nil {
		return fmt.Errorf("keep received messages: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	ch.mark = mark
	i.raiseLocked(ch, last)
	i.stirLocked(ch)
	return nil
}

// raiseLocked notes that everything up to seq is kept.
func (i *Inbox) raiseLocked(ch *channel, seq uint64) {
	if seq <= ch.top {
		return
	}
	ch.top = seq
	ch.drop()
	i.publishLocked(ch)
	ch.signal()
}

func (i *Inbox) takeDirty() []*channel {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []*channel
	for _, ch := range i.channels {
		if ch.dirty {
			ch.dirty = false
			out = append(out, ch)
		}
	}
	return out
}
