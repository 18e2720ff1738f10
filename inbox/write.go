package inbox

import (
	"time"
)

// write moves contiguous messages into the store until Close.
func (i *Inbox) write() {
	for failed := 0; ; {
		select {
		case <-i.ctx.Done():
			return
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
			i.opts.Logger.Error("keep received messages", "channel", ch.name, "err", err)
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
	if len(run) == 0 {
		return nil
	}
	if err := i.opts.Store.Commit(i.ctx, Tx{Messages: run}); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.raiseLocked(ch, run[len(run)-1].Seq)
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
