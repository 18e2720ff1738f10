package inbox

import (
	"fmt"
	"time"
)

// fill fetches for one channel until nothing is missing.
func (i *Inbox) fill(ch *channel) {
	pages := newPages(i.opts)
	for failed := 0; ; {
		q, wait, done := i.fillStep(ch)
		if done {
			return
		}
		if wait != nil { // no network, or far ahead of a reader
			select {
			case <-i.ctx.Done():
				i.fillEnd(ch)
				return
			case <-wait:
			}
			continue
		}
		err := i.fillRound(ch, &pages, q)
		if err == nil {
			failed = 0
			continue
		}
		i.mu.Lock()
		ch.verify = ch.verify || ch.target <= ch.top // the question is still open
		i.mu.Unlock()
		failed++
		i.opts.Logger.Debug("fetch missing messages", "channel", ch.name, "after", q.after, "err", err)
		if i.pause(i.backoff(failed)) {
			failed = 0
		}
	}
}

// question is what was known when the server was asked; only what was known then can be refuted by its answer.
type question struct {
	name                     string
	after, target, processed uint64
	room                     int // how many messages are wanted at the most
}

// fillStep says what a filler does next: fetch after a number, wait, or end.
func (i *Inbox) fillStep(ch *channel) (q question, wait <-chan struct{}, done bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed || !ch.needsFetch():
		ch.filling = false
		return q, nil, true
	case !i.up:
		return q, i.upEdge, false
	}
	ahead := ch.ahead(i.reach())
	if ahead > i.low() {
		return q, ch.changed, false
	}
	ch.verify = false
	return question{ch.name, ch.top, ch.target, ch.processed, i.opts.Ahead - int(ahead)}, nil, false
}

// low is how near the slowest reader must have come before more is fetched: then there is room for many pages at once.
func (i *Inbox) low() uint64 { return uint64(i.opts.Ahead) / 2 }

// reach is how far behind a reader may be and still be waited for.
func (i *Inbox) reach() uint64 { return uint64(i.opts.Ahead) + uint64(i.opts.PageSize) }

func (i *Inbox) fillEnd(ch *channel) {
	i.mu.Lock()
	ch.filling = false
	i.mu.Unlock()
}

// pause waits for d, for the network to come back (then it says true), or for Close.
func (i *Inbox) pause(d time.Duration) bool {
	i.mu.Lock()
	edge := i.upEdge
	i.mu.Unlock()
	select {
	case <-i.ctx.Done():
	case <-edge:
		return true
	case <-time.After(d):
	}
	return false
}

// fillRound fetches what comes after top and takes it in.
func (i *Inbox) fillRound(ch *channel, p *pages, q question) error {
	msgs, last, err := i.round(i.ctx, p, q)
	if err != nil {
		return err
	}
	defer i.lockStore()()
	i.mu.Lock()
	lost := last < q.processed || last < q.after && ch.top == q.after
	i.mu.Unlock()
	if lost {
		if err := i.rewind(ch, last); err != nil {
			return err
		}
	}
	if len(msgs) == 0 {
		i.nothing(ch, q, last)
		return nil
	}
	if err := i.keep(ch, msgs); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	ch.target = max(ch.target, last)
	i.stirLocked(ch)
	return nil
}

// nothing takes the answer that there is nothing after top. If something was missing and nothing newer was heard of
// since the server was asked, then whoever told of it was wrong: it is forgotten instead of asked for again and again.
func (i *Inbox) nothing(ch *channel, q question, last uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ch.target <= ch.top || ch.target != q.target || ch.top != q.after {
		return
	}
	ch.target = max(ch.top, last)
	clear(ch.pending)
	ch.joined = min(ch.joined, ch.target)
	i.publishLocked(ch)
}

// rewind goes back to what the server still has. The store's lock is held.
func (i *Inbox) rewind(ch *channel, last uint64) error {
	if planted != bugForgetMarkOnly {
		if err := i.opts.Store.Forget(i.ctx, ch.name, last); err != nil {
			return fmt.Errorf("forget messages that the server lost: %w", err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opts.Logger.Error("server lost messages that were received", "channel", ch.name, "had", ch.top, "has", last)
	ch.rewind(last)
	ch.wasSynced = ch.synced()
	i.changes.Publish(Change{Channel: ch.name, Synced: ch.wasSynced, Top: ch.top, Err: ErrRewound})
	return nil
}
