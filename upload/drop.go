package upload

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"
)

const (
	dropFirst    = time.Second // between tries to drop something
	dropLast     = time.Minute
	strangeDrops = 10 // answers that no tus server gives are borne, before one counts as a drop
)

// dropResult is what came of dropping a copy.
type dropResult int

const (
	dropDone  dropResult = iota
	dropLater            // this one has to be tried again
	dropNone             // so have all
)

// unwanted is a leftover with its upload.
type unwanted struct {
	id string
	Leftover
}

// dropper has the server drop the copies that nobody wants, one after the other, until none is left. One that can't be
// dropped holds up no other: those that failed least often go first.
type dropper struct {
	q       *Queue
	account string
	ctx     context.Context
	stop    context.CancelFunc
	failed  map[unwanted]int
	strange map[unwanted]int // answers that no tus server gives
}

func newDropper(q *Queue, account string) *dropper {
	d := &dropper{q: q, account: account, failed: map[unwanted]int{}, strange: map[unwanted]int{}}
	d.ctx, d.stop = context.WithCancel(q.ctx)
	return d
}

func (d *dropper) cancel() { d.stop() }

func (d *dropper) main() {
	defer d.stop()
	for tries := 1; d.ctx.Err() == nil; tries++ {
		online, news := d.q.outlook()
		left, err := d.left()
		if err != nil || len(left) == 0 {
			return
		}
		failed := !online
		if online {
			failed = d.round(left)
		}
		if failed {
			pause(d.ctx, d.q.delay(tries, dropFirst, dropLast), news)
		} else {
			tries = 0
		}
	}
}

// left returns the copies to drop, in the order of their uploads, but those that failed behind the others.
func (d *dropper) left() ([]unwanted, error) {
	var left []unwanted
	err := d.q.report(func(t *txn) error {
		for _, u := range t.o.leftovers() {
			for _, l := range u.Leftovers {
				left = append(left, unwanted{u.ID, l})
			}
		}
		return nil
	})
	if planted != bugDropInLine {
		slices.SortStableFunc(left, func(a, b unwanted) int { return cmp.Compare(d.failed[a], d.failed[b]) })
	}
	return left, err
}

// round tries to drop each, unless one shows that none can be dropped now; true if some are left.
func (d *dropper) round(left []unwanted) (failed bool) {
	for _, l := range left {
		if d.ctx.Err() != nil {
			return true
		}
		switch d.drop(l) {
		case dropDone:
			continue
		case dropNone:
			d.failed[l]++
			return true
		case dropLater:
		}
		failed = true
		if d.failed[l]++; planted == bugDropInLine {
			return true
		}
	}
	return failed
}

// drop drops one copy.
func (d *dropper) drop(l unwanted) dropResult {
	if l.URL == "" {
		r, err := d.q.createCopy(d.ctx, l.Size, nil, cmp.Or(l.Metadata, metadata("key", l.Key)))
		if err != nil {
			return dropNone
		}
		switch v := judge(stepCreate, r, d.q.opts.MaxRetryAfter); v.kind {
		case kindOK:
			to, err := d.q.locate(r.url, r.header.Get("Location"))
			if err != nil {
				return d.forget(l) // nothing that we could drop
			}
			if !d.change(l, func(u *Upload, i int) { u.Leftovers[i].URL = to }) {
				return dropNone
			}
			l.URL = to
		case kindLost, kindFatal:
			return d.forget(l)
		case kindAuth:
			return refusedToken(v)
		case kindStop, kindKicked, kindNetwork, kindStrange, kindServer, kindLocked, kindConflict, kindSmaller, kindChecksum,
			kindChanged:
			return dropLater
		}
	}
	r, err := d.q.do(d.ctx, call{method: http.MethodDelete, url: l.URL})
	if err != nil {
		return dropNone
	}
	switch v := judge(stepDrop, r, d.q.opts.MaxRetryAfter); v.kind {
	case kindOK, kindLost, kindFatal:
		return d.forget(l)
	case kindAuth:
		return refusedToken(v)
	case kindStrange:
		if d.strange[l]++; v.status != http.StatusForbidden && d.strange[l] > strangeDrops {
			return d.forget(l)
		}
	case kindStop, kindKicked, kindNetwork, kindServer, kindLocked, kindConflict, kindSmaller, kindChecksum, kindChanged:
	}
	return dropLater
}

// refusedToken is the result where the server refuses the token, for all, or the right to this one copy.
func refusedToken(v verdict) dropResult {
	if v.status == http.StatusForbidden {
		return dropLater
	}
	return dropNone
}

// forget writes down that a copy is gone.
func (d *dropper) forget(l unwanted) dropResult {
	if d.change(l, func(u *Upload, i int) { u.Leftovers = slices.Delete(u.Leftovers, i, i+1) }) {
		return dropDone
	}
	return dropNone
}

// change changes a leftover where it still is one.
func (d *dropper) change(l unwanted, f func(u *Upload, i int)) bool {
	return d.q.report(func(t *txn) error {
		row := t.row(l.id)
		if row == nil {
			return nil
		}
		i := slices.Index(row.Leftovers, l.Leftover)
		if i < 0 {
			return nil
		}
		u := t.edit(l.id, true)
		f(u, i)
		if len(u.Leftovers) > 0 {
			return nil
		}
		t.moved = append(t.moved, Change{Upload: *u, From: u.State, To: u.State, Reason: ReasonDropped})
		if u.Forget {
			t.drop(l.id)
		}
		return nil
	}) == nil
}
