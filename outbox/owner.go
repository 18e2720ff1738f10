package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// owner is the state of the one goroutine that owns the queue.
type owner struct {
	q       *Queue
	lanes   map[string]*lane
	turn    []*lane // lanes in the order of their turns
	order   uint64
	flights int
	landed  chan flight      // results; as many places as the window has
	notYet  time.Time        // the server asked everybody to wait
	items   map[string]*item // the open ones by id
	bytes   int64
	moved   []Change // to publish when the transaction is kept
	undo    []func() // what a failed transaction takes back
	fails   int      // failed commits in a row

	up     context.Context // ends when the queue stops being ready
	down   context.CancelFunc
	isUp   bool
	timer  *time.Timer
	gen    int       // counts the times that up was made
	storeT time.Time // after a failed commit: nothing before
}

func newOwner(q *Queue) owner {
	return owner{q: q, items: map[string]*item{}, lanes: map[string]*lane{}, landed: make(chan flight, q.opts.Window)}
}

// load takes over what a former run left. What was under way then is sent again with its number. Queue.mu is held.
func (o *owner) load(s Saved) {
	o.order = s.Order
	for _, e := range s.Entries {
		e.Attempt = 0 // counts for this process
		it := &item{Entry: e, bytes: e.size()}
		o.items[e.ID] = it
		o.bytes += int64(it.bytes)
		o.q.open[e.ID] = it.clone()
		l := o.lane(e.Channel)
		l.items = append(l.items, it)
		l.last = max(l.last, e.DeviceSeq)
		l.careful = l.careful || e.DeviceSeq != 0
		o.order = max(o.order, e.Order)
	}
	o.q.bytes = o.bytes
	for _, ch := range slices.Sorted(maps.Keys(s.DeviceSeqs)) {
		l := o.lane(ch)
		l.last, l.careful = max(l.last, s.DeviceSeqs[ch]), true // the numbers may have been in doubt when the run ended
	}
}

func (o *owner) lane(name string) *lane {
	l := o.lanes[name]
	if l == nil {
		l = &lane{name: name}
		o.lanes[name] = l
		o.turn = append(o.turn, l)
	}
	return l
}

func (o *owner) find(id string) *item { return o.items[id] }

// run is the owner's loop.
func (o *owner) run() {
	o.timer = time.NewTimer(time.Hour)
	defer o.timer.Stop()
	defer o.setUp(false)
	defer func() { // what is under way has been told to give up by the end of ctx
		for ; o.flights > 0; o.flights-- {
			<-o.landed
		}
	}()
	for {
		o.pump()
		select {
		case <-o.q.ctx.Done():
			return
		case <-o.q.wake:
			o.takeRequests()
		case f := <-o.landed:
			o.land(f)
		case <-o.timer.C:
		}
	}
}

// takeRequests does all that wait in one transaction, so that callers share its cost.
func (o *owner) takeRequests() {
	q := o.q
	q.mu.Lock()
	requests, ready := q.requests, q.ready
	q.requests = nil
	q.mu.Unlock()
	o.setUp(ready)
	if len(requests) == 0 {
		return
	}
	var tx Tx
	outcomes := make([]error, len(requests))
	for i, r := range requests {
		outcomes[i] = r.apply(&tx)
	}
	err := o.commit(tx)
	if err != nil && q.ctx.Err() != nil {
		err = errors.Join(ErrClosed, err)
	}
	for i, r := range requests {
		if outcomes[i] == nil {
			outcomes[i] = err
		}
		r.finish(outcomes[i])
	}
}

// setUp starts or gives up sending.
func (o *owner) setUp(up bool) {
	if up == o.isUp {
		return
	}
	o.isUp = up
	if !up {
		o.down()
		return
	}
	o.gen++
	o.up, o.down = context.WithCancel(o.q.ctx)
	for _, l := range o.lanes {
		l.failed, l.notYet = 0, time.Time{} // a new connection is a new chance
	}
}

// commit keeps tx and tells the watchers, or takes back what was done for it.
func (o *owner) commit(tx Tx) error {
	moved, undo := o.moved, o.undo
	o.moved, o.undo = nil, nil
	if len(tx.Put) == 0 && len(tx.DeviceSeqs) == 0 {
		return nil
	}
	err := o.q.opts.Store.Commit(o.q.ctx, tx)
	if err != nil {
		o.fails++
		o.storeT = time.Now().Add(o.q.opts.backoff(o.fails))
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
		o.q.opts.Logger.Error("keep queue", "err", err)
		return err
	}
	o.fails = 0
	o.show(tx.Put, moved)
	return nil
}

// show lets readers see what was kept, in one step: an entry of Watch's beginning is never ahead of the changes that
// follow.
func (o *owner) show(kept []Entry, moved []Change) {
	q := o.q
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range kept {
		if e.State.Settled() {
			delete(q.open, e.ID)
		} else {
			q.open[e.ID] = e.clone()
		}
	}
	q.bytes = o.bytes
	q.watchers.publish(moved)
}

// enqueue makes a new open entry, or finds the one with its id.
func (o *owner) enqueue(ctx context.Context, e Entry, out *Entry, tx *Tx) error {
	q := o.q
	if it := o.find(e.ID); it != nil {
		*out = it.clone()
		return nil
	}
	old, ok, err := q.opts.Store.Get(q.ctx, e.ID)
	switch {
	case err != nil:
		return fmt.Errorf("look up entry: %w", err)
	case ok && old.State.Settled():
		*out = old
		return nil
	case ok:
		e = old // kept by a commit that was reported as failed; now it is queued indeed
	case ctx.Err() != nil:
		return ctx.Err() // the caller is gone, and nothing was done yet
	}
	it := &item{Entry: e, bytes: e.size()}
	if len(o.items) >= q.opts.MaxEntries || o.bytes+int64(it.bytes) > q.opts.MaxBytes {
		return &FullError{Entries: len(o.items), MaxEntries: q.opts.MaxEntries, Bytes: o.bytes, MaxBytes: q.opts.MaxBytes}
	}
	o.order++
	it.Order, it.CreatedAt = o.order, time.Now()
	l := o.lane(e.Channel)
	o.items[e.ID] = it
	o.bytes += int64(it.bytes)
	l.items = append(l.items, it)
	o.undo = append(o.undo, func() { o.drop(l, it) })
	tx.Put = append(tx.Put, it.clone())
	*out = it.clone()
	o.moved = append(o.moved, Change{Entry: it.clone(), From: Queued, To: Queued, Reason: ReasonEnqueued})
	return nil
}

// drop takes an item out of the open ones.
func (o *owner) drop(l *lane, it *item) {
	l.remove(it)
	delete(o.items, it.ID)
	o.bytes -= int64(it.bytes)
}

// move applies an event to an item and puts the outcome into tx; it says false where the state refuses the event.
func (o *owner) move(it *item, ev event, reason string, tx *Tx, edit func(*Entry)) bool {
	to, ok := next(it.State, ev)
	if !ok {
		return false
	}
	from, before := it.State, it.Entry
	edit(&it.Entry)
	it.State = to
	l := o.lane(it.Channel)
	if to.Settled() {
		o.drop(l, it)
		o.undo = append(o.undo, func() { o.restore(l, it, before) })
	} else {
		o.undo = append(o.undo, func() { it.Entry = before })
	}
	tx.Put = append(tx.Put, it.clone())
	if from != to {
		o.moved = append(o.moved, Change{Entry: it.clone(), From: from, To: to, Reason: reason})
	}
	return true
}

// restore puts an item back whose settling couldn't be kept: it is sent again, and the server says the same again.
func (o *owner) restore(l *lane, it *item, before Entry) {
	it.Entry = before
	o.items[it.ID] = it
	o.bytes += int64(it.bytes)
	at := 0
	for at < len(l.items) && l.items[at].Order < it.Order {
		at++
	}
	l.items = append(l.items[:at], append([]*item{it}, l.items[at:]...)...)
	l.rewind = true
}

// settle counts on from what the server took, if that is more than we know of.
func (o *owner) settle(channel string, last uint64, tx *Tx) {
	l := o.lane(channel)
	if last <= l.last {
		return
	}
	l.last = last
	if tx.DeviceSeqs == nil {
		tx.DeviceSeqs = map[string]uint64{}
	}
	maps.Copy(tx.DeviceSeqs, map[string]uint64{channel: last})
}
