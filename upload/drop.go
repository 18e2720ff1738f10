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

// dropper has the server drop the copies that nobody wants, one after the other, until none is left.
type dropper struct {
	q       *Queue
	account string
	ctx     context.Context
	stop    context.CancelFunc
	strange int // answers that no tus server gives
}

func newDropper(q *Queue, account string) *dropper {
	d := &dropper{q: q, account: account}
	d.ctx, d.stop = context.WithCancel(q.ctx)
	return d
}

func (d *dropper) cancel() { d.stop() }

func (d *dropper) main() {
	defer d.stop()
	for tries := 1; d.ctx.Err() == nil; tries++ {
		online, news := d.q.outlook()
		var left []Upload
		if err := d.q.report(func(t *txn) error { left = t.o.leftovers(); return nil }); err != nil || len(left) == 0 {
			return
		}
		failed := !online
		for _, u := range left {
			for _, l := range u.Leftovers {
				if failed || d.ctx.Err() != nil {
					break
				}
				failed = !d.drop(u, l)
			}
		}
		if failed {
			pause(d.ctx, d.q.delay(tries, dropFirst, dropLast), news)
		} else {
			tries = 0
		}
	}
}

// drop drops one copy; false if that has to be tried again.
func (d *dropper) drop(u Upload, l Leftover) bool {
	if l.URL == "" {
		r, err := d.q.createCopy(d.ctx, l.Size, nil, cmp.Or(l.Metadata, metadata("key", l.Key)))
		if err != nil {
			return false
		}
		switch v := judge(stepCreate, r, d.q.opts.MaxRetryAfter); v.kind {
		case kindOK:
			to, err := d.q.locate(r.url, r.header.Get("Location"))
			if err != nil {
				return d.forget(u.ID, l) // nothing that we could drop
			}
			if !d.change(u.ID, l, func(u *Upload, i int) { u.Leftovers[i].URL = to }) {
				return false
			}
			l.URL = to
		case kindLost, kindFatal:
			return d.forget(u.ID, l)
		case kindStop, kindKicked, kindNetwork, kindStrange, kindServer, kindLocked, kindAuth, kindConflict, kindSmaller,
			kindChecksum, kindChanged:
			return false
		}
	}
	r, err := d.q.do(d.ctx, call{method: http.MethodDelete, url: l.URL})
	if err != nil {
		return false
	}
	switch v := judge(stepDrop, r, d.q.opts.MaxRetryAfter); v.kind {
	case kindOK, kindLost, kindFatal:
		return d.forget(u.ID, l)
	case kindStrange:
		d.strange++
		return d.strange > strangeDrops && d.forget(u.ID, l)
	case kindStop, kindKicked, kindNetwork, kindServer, kindLocked, kindAuth, kindConflict, kindSmaller, kindChecksum,
		kindChanged:
	}
	return false
}

// forget writes down that a copy is gone.
func (d *dropper) forget(id string, l Leftover) bool {
	return d.change(id, l, func(u *Upload, i int) { u.Leftovers = slices.Delete(u.Leftovers, i, i+1) })
}

// change changes a leftover where it still is one.
func (d *dropper) change(id string, l Leftover, f func(u *Upload, i int)) bool {
	return d.q.report(func(t *txn) error {
		row := t.row(id)
		if row == nil {
			return nil
		}
		i := slices.Index(row.Leftovers, l)
		if i < 0 {
			return nil
		}
		u := t.edit(id, true)
		f(u, i)
		if len(u.Leftovers) > 0 {
			return nil
		}
		t.moved = append(t.moved, Change{Upload: *u, From: u.State, To: u.State, Reason: ReasonDropped})
		if u.Forget {
			t.drop(id)
		}
		return nil
	}) == nil
}
