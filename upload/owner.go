package upload

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// owner is the state of the one goroutine that owns the queue: it decides who goes, and writes to the store.
type owner struct {
	q       *Queue
	rows    map[string]*Upload // none is changed once it is here
	runs    map[string]*run    // uploads under way
	turns   turns
	drops   *dropper // or nil
	order   uint64
	account string
	landed  chan *run     // runs that are over
	dropped chan struct{} // the dropper is over
	drained []request     // finished when no other account's run is left
}

// request is something that the owner does; done is told how it went, or is nil where nobody waits.
type request struct {
	apply func(t *txn) error // changes nothing where it returns an error
	drain bool               // it isn't done before other accounts' runs are over
	done  chan error         // 1-buffered
}

func (r request) finish(err error) {
	if r.done != nil {
		r.done <- err
	}
}

func newOwner(q *Queue) owner {
	return owner{
		q: q, rows: map[string]*Upload{}, runs: map[string]*run{}, turns: turns{of: map[string]*turn{}},
		landed: make(chan *run, q.opts.Concurrent), dropped: make(chan struct{}, 1),
	}
}

// load takes over what a former run left. Queue.mu is held.
func (o *owner) load(s Saved) {
	o.order, o.account = s.Order, s.Account
	for _, u := range s.Uploads {
		u.Progress = Progress{Total: u.Source.Size, Acked: u.Offset, Sent: u.Offset, ResumedFrom: -1, Left: -1}
		o.order = max(o.order, u.Order)
		if u.State == Queued && u.Account != o.account {
			u.State = WaitingAuth
		}
		o.rows[u.ID] = &u
		o.q.shown[u.ID] = u
	}
	o.q.account = o.account
}

// run is the owner's loop. It goes on until what is under way is over, since that may have something to write down.
func (o *owner) run() {
	done := o.q.ctx.Done()
	for {
		if done != nil {
			o.pump()
		} else if len(o.runs) == 0 && o.drops == nil {
			break
		}
		select {
		case <-done:
			done = nil
			for _, r := range o.runs {
				r.cancel(ErrClosed)
			}
			if o.drops != nil {
				o.drops.cancel()
			}
		case <-o.q.wake:
		case <-o.turns.look:
		case r := <-o.landed:
			if o.runs[r.id] == r {
				delete(o.runs, r.id)
			}
		case <-o.dropped:
			o.drops = nil
		}
		o.takeRequests()
	}
	for _, r := range o.drained {
		r.finish(ErrClosed)
	}
}

// takeRequests does all that wait in one transaction, so that callers share its cost.
func (o *owner) takeRequests() {
	requests := o.q.takeRequests()
	t := &txn{o: o, staged: map[string]*staged{}}
	errs := make([]error, len(requests))
	for i, r := range requests {
		errs[i] = r.apply(t)
	}
	failed := o.commit(t)
	now := time.Now()
	for _, c := range t.moved {
		if o.runs[c.Upload.ID] != nil || c.To.Settled() || c.Reason == ReasonRemoved {
			o.turns.note(c, now)
		}
	}
	for i, r := range requests {
		switch {
		case errs[i] != nil || failed != nil:
			r.finish(cmp.Or(errs[i], failed))
		case r.drain:
			o.drained = append(o.drained, r)
		default:
			r.finish(nil)
		}
	}
	o.settleRuns()
}

// commit writes a transaction and shows it. Where the store can't write, only what need not be kept is so.
func (o *owner) commit(t *txn) error {
	tx := t.kept()
	var err error
	if !tx.empty() {
		err = o.q.opts.Store.Commit(context.WithoutCancel(o.q.ctx), tx)
		o.q.storeWrote(err)
	}
	if err != nil {
		o.q.opts.Logger.Error("keep uploads", "err", err)
		t.moved = slices.DeleteFunc(t.moved, func(c Change) bool {
			s := t.staged[c.Upload.ID]
			return s == nil || s.keep
		})
		t.remove, t.account = nil, ""
	}
	for _, id := range t.order {
		if s := t.staged[id]; err == nil || !s.keep {
			u := s.Upload
			o.rows[id] = &u
			o.order = max(o.order, u.Order)
		}
	}
	for _, id := range t.remove {
		delete(o.rows, id)
	}
	if t.account != "" {
		o.account = t.account
	}
	o.q.show(t, err == nil, o.account)
	return err
}

// settleRuns stops what is no longer wanted, and tells those who waited for that.
func (o *owner) settleRuns() {
	others := false
	for id, r := range o.runs {
		u := o.rows[id]
		switch {
		case u == nil || u.State.Settled() || u.State == Paused:
			r.cancel(errNotWanted)
		case u.Account != o.account:
			if planted == bugOtherAccount {
				continue
			}
			r.cancel(errNotWanted)
			others = true
		}
	}
	if o.drops != nil && o.drops.account != o.account {
		o.drops.cancel()
		others = true
	}
	if !others {
		for _, r := range o.drained {
			r.finish(nil)
		}
		o.drained = nil
	}
}

// pump starts what may start.
func (o *owner) pump() {
	if o.turns.look = nil; len(o.runs) < o.q.opts.Concurrent || len(o.stuck()) > 0 {
		now := time.Now()
		waiting, next := o.waiting(now)
		for len(waiting) > 0 && len(o.runs) < o.q.opts.Concurrent {
			o.start(waiting[0])
			waiting = waiting[1:]
		}
		if len(waiting) > 0 {
			next = earlier(next, o.yield(len(waiting), now))
		}
		if !next.IsZero() {
			o.turns.look = time.After(next.Sub(now))
		}
	}
	if o.drops == nil && len(o.leftovers()) > 0 {
		d := newDropper(o.q, o.account)
		o.drops = d
		o.q.wg.Go(func() {
			d.main()
			o.dropped <- struct{}{}
			o.q.poke()
		})
	}
}

// start lets an upload go.
func (o *owner) start(u *Upload) {
	r := newRun(o.q, u.clone())
	o.runs[u.ID] = r
	o.q.wg.Go(func() {
		r.main()
		o.landed <- r
	})
}

// waiting returns the uploads whose turn may come, in order, and when that of another one may.
func (o *owner) waiting(now time.Time) (out []*Upload, next time.Time) {
	for id, u := range o.rows {
		mine := u.Account == o.account || planted == bugOtherAccount
		if !mine || o.runs[id] != nil || u.State.Settled() || u.State == Paused {
			continue
		}
		if at, ok := o.turns.mayGo(id, now); !ok {
			next = earlier(next, at)
			continue
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b *Upload) int { return o.turns.compare(a, b, now) })
	return out, next
}

// leftovers returns the uploads of the present account with copies to be dropped, in order. While an upload is under way
// it may still learn where its copy is.
func (o *owner) leftovers() []Upload {
	var out []Upload
	for id, u := range o.rows {
		if len(u.Leftovers) > 0 && u.Account == o.account && (o.runs[id] == nil || u.Leftovers[0].URL != "") {
			out = append(out, u.clone())
		}
	}
	sortByOrder(out)
	return out
}
