package outbox

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"
)

// owner is the state of the one goroutine that owns the queue.
type owner struct {
	q        *Queue
	lanes    map[Lane]*lane
	turn     []*lane // lanes in the order of their turns
	order    uint64
	account  string // whose entries may be sent
	paused   bool
	flights  int
	window   int                // most of them
	landed   chan flight        // results; as many places as the window has
	notYet   time.Time          // the server asked everybody to wait
	bucket   bucket             // the pace
	items    map[string]*item   // the open ones by id
	parked   map[string]*item   // the parked ones by id
	children map[string][]*item // open and parked ones by the ids that they go after
	expiring map[*item]struct{} // queued ones that have a deadline
	expiryT  time.Time          // when to look at them
	clock    clock              // tells when somebody sets this machine's clock
	bytes    int64              // of open and parked ones
	moved    []Change           // to publish when the transaction is kept
	undo     []func()           // what a failed transaction takes back
	unsaved  Tx                 // what the next commit writes too: outcomes that the store couldn't take, and see takeBack
	fails    int                // failed commits in a row
	storeT   time.Time          // after a failed commit: nothing before
	storeErr error              // the failure, until a commit succeeds
	drained  []request          // finished when nothing is under way
	inlet    Inlet              // or nil
	inletT   time.Time          // when to ask it again
	waiting  int                // what it has that there was no room for
	callers  int                // who were told of the last commit, or waited for the next one then

	up     context.Context // ends when the queue stops being ready
	down   context.CancelFunc
	isUp   bool
	losses int // Queue.losses that were acted on
	timer  *time.Timer
	gen    int // counts the times that up was made
}

func newOwner(q *Queue) owner {
	inlet, _ := q.opts.Store.(Inlet)
	return owner{
		q: q, lanes: map[Lane]*lane{}, items: map[string]*item{}, parked: map[string]*item{}, children: map[string][]*item{},
		expiring: map[*item]struct{}{}, landed: make(chan flight, q.opts.Window), inlet: inlet,
		window: q.opts.Window, bucket: bucket{pace: q.opts.Pace}, clock: clock{wall: q.opts.wall},
	}
}

// loadItems is how many items are made at a time: one by one is slow, and all at once would stay in memory for as long
// as the last one does.
const loadItems = 64

// How long the owner looks out for the next of those who come together: as long as it takes a caller to be woken and to
// ask again. Both bounds are a fraction of what a commit costs that they miss; the number is for where time stands still,
// in tests, and the time for where others are busy. gatherMost bounds it where they come one after the other.
const (
	gatherYields = 200
	gatherTime   = 200 * time.Microsecond
	gatherMost   = 5 * gatherTime
)

// load takes over what a former run left. What was under way then is sent again with its number. Queue.mu is held.
func (o *owner) load(s Saved) {
	now := time.Now()
	o.clock.start(now)
	o.order, o.account = s.Order, s.Account
	if planted == bugSameNumber {
		s.Counts = nil
	}
	for id, c := range s.Counts {
		l := o.lane(id)
		l.count, l.doubt = c, true // until the server's word: the run may have ended before it heard of the last ones
	}
	o.items = make(map[string]*item, len(s.Entries))
	o.q.open = make(map[string]*Entry, len(s.Entries))
	var items []item
	for i := range s.Entries {
		e := &s.Entries[i]
		e.Attempt = 0 // counts for this process
		if len(items) == 0 {
			items = make([]item, min(loadItems, len(s.Entries)-i))
		}
		it := &items[0]
		items = items[1:]
		it.Entry, it.bytes = *e, e.size()
		l := o.lane(e.Lane())
		l.count.Last = max(l.count.Last, e.DeviceSeq)
		l.doubt = l.doubt || e.DeviceSeq != 0
		o.order = max(o.order, e.Order)
		it.deadline = o.clock.deadline(now, &it.Entry)
		if e.State == Parked {
			o.hold(it, now)
			o.q.parked[e.ID] = *e
		} else {
			o.q.open[e.ID] = e
		}
		o.place(it)
	}
	o.q.bytes = o.bytes
	o.q.view.account = o.account
}

func (o *owner) lane(id Lane) *lane {
	l := o.lanes[id]
	if l == nil {
		l = &lane{Lane: id}
		o.lanes[id] = l
		o.turn = append(o.turn, l)
	}
	return l
}

// find returns an open or a parked item.
func (o *owner) find(id string) *item {
	if it := o.items[id]; it != nil {
		return it
	}
	return o.parked[id]
}

// run is the owner's loop.
func (o *owner) run() {
	o.timer = time.NewTimer(time.Hour)
	defer o.timer.Stop()
	defer o.setUp(false)
	defer func() { // what is under way has been told to give up by the end of ctx
		for ; o.flights > 0; o.flights-- {
			<-o.landed
		}
		o.finishDrained(ErrClosed)
	}()
	for {
		o.pump()
		select {
		case <-o.q.ctx.Done():
			return
		case <-o.q.wake:
			gather(o.callers, o.q.pending)
			o.takeRequests()
		case f := <-o.landed:
			o.land(f)
		case <-o.timer.C:
		}
	}
}

// gather lets those come who were just told of a commit: most of them have another request, and share this one. Whoever
// calls alone waits for nobody, but once for those who called before. It returns how often it looked for them.
func gather(callers int, pending func() int) (looks int) {
	began := time.Now()
	most, last := 0, began
	for idle := 0; idle < gatherYields; idle++ {
		runtime.Gosched()
		looks++
		n := pending()
		if n >= callers || time.Since(last) > gatherTime || time.Since(began) > gatherMost {
			break
		}
		if n > most {
			most, last, idle = n, time.Now(), 0
		}
	}
	return looks
}

// takeRequests does all that wait in one transaction, so that callers share its cost.
func (o *owner) takeRequests() {
	q := o.q
	q.mu.Lock()
	requests, ready, losses := q.requests, q.ready, q.losses
	o.window = q.opts.Window
	if q.window > 0 {
		o.window = min(q.window, o.window)
	}
	q.requests = nil
	q.mu.Unlock()
	if losses != o.losses && planted != bugQuickReady {
		o.losses = losses
		o.setUp(false) // also where there is another connection by now
	}
	o.setUp(ready)
	if len(requests) == 0 {
		o.callers = 0
		return
	}
	tx := Tx{Put: make([]Entry, 0, len(requests))}
	o.moved = slices.Grow(o.moved, len(requests))
	outcomes := make([]error, len(requests))
	for i, r := range requests {
		outcomes[i] = r.apply(&tx)
	}
	err := o.commit(tx)
	if err != nil && q.ctx.Err() != nil {
		err = errors.Join(ErrClosed, err)
	}
	o.publishView(time.Now()) // whose request is done sees what it did
	o.callers = len(requests) + q.pending()
	for i, r := range requests {
		if outcomes[i] == nil {
			outcomes[i] = err
		}
		if r.drain && outcomes[i] == nil && o.flights > 0 {
			o.drained = append(o.drained, r)
			continue
		}
		r.finish(outcomes[i])
	}
}

func (o *owner) finishDrained(err error) {
	for _, r := range o.drained {
		r.finish(err)
	}
	o.drained = nil
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
	if tx.empty() {
		return nil
	}
	if err := o.write(tx); err != nil {
		for _, f := range slices.Backward(undo) {
			f()
		}
		o.takeBack(tx)
		return err
	}
	o.show(tx.Put, moved)
	return nil
}

// commitOutcome is commit for what the server has decided: it is so, whether the store can take it now or later. Until
// it can, a crash only means that the server is asked again.
func (o *owner) commitOutcome(tx Tx) {
	moved := o.moved
	o.moved, o.undo = nil, nil
	if tx.empty() {
		return
	}
	if planted == bugForgetAck {
		o.show(tx.Put, moved)
		return
	}
	if err := o.write(tx); err != nil {
		o.later(tx)
		o.showUnsaved(tx.Put)
	}
	o.show(tx.Put, moved)
}

// takeBack has the next commit write how things are where a failed one may have been kept all the same. Otherwise the
// store would hold an order that there never was: a later entry transmitted, an earlier one queued.
func (o *owner) takeBack(tx Tx) {
	var now Tx
	for _, e := range tx.Put {
		if it := o.find(e.ID); it != nil {
			now.Put = append(now.Put, it.clone())
		}
	}
	for id := range tx.Counts {
		now.count(id, o.lane(id).count)
	}
	if tx.Account != "" {
		now.Account = o.account
	}
	o.later(now)
}

// later adds to what the next commit writes.
func (o *owner) later(tx Tx) {
	o.unsaved.Put = slices.DeleteFunc(o.unsaved.Put, func(old Entry) bool {
		return slices.ContainsFunc(tx.Put, func(e Entry) bool { return e.ID == old.ID })
	})
	o.unsaved = joined(o.unsaved, tx)
}

// joined is one transaction that does both.
func joined(a, b Tx) Tx {
	out := Tx{Put: slices.Concat(a.Put, b.Put), Taken: slices.Concat(a.Taken, b.Taken), Refused: slices.Concat(a.Refused, b.Refused), Account: a.Account}
	if b.Account != "" {
		out.Account = b.Account
	}
	for _, t := range []Tx{a, b} {
		for l, c := range t.Counts {
			out.count(l, c)
		}
	}
	return out
}

// write commits tx, and with it what waits to be saved.
func (o *owner) write(tx Tx) error {
	if !o.unsaved.empty() {
		tx = joined(o.unsaved, tx)
	}
	err := o.q.opts.Store.Commit(o.q.ctx, tx)
	if err != nil {
		o.fails++
		o.storeT = time.Now().Add(o.q.opts.backoff(o.fails))
		if o.storeErr == nil || o.storeErr.Error() != err.Error() {
			o.q.opts.Logger.Error("keep queue", "err", err) // once, and not with each try
		}
		o.storeErr = err
		return err
	}
	o.fails, o.storeErr = 0, nil
	if !o.unsaved.empty() {
		o.unsaved = Tx{}
		o.q.mu.Lock()
		clear(o.q.unsaved)
		o.q.mu.Unlock()
	}
	return nil
}

// show lets readers see what was kept, in one step: an entry of Watch's beginning is never ahead of the changes that
// follow.
func (o *owner) show(kept []Entry, moved []Change) {
	q := o.q
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range kept {
		e := &kept[i]
		if e.State != Parked {
			delete(q.parked, e.ID)
		}
		if e.State.Settled() {
			delete(q.open, e.ID)
		}
		switch {
		case !e.State.Settled():
			shown := e.clone()
			q.open[e.ID] = &shown
		case e.State == Parked:
			q.parked[e.ID] = e.clone()
		}
	}
	q.bytes = o.bytes
	q.watchers.publish(moved)
}

// showUnsaved lets Get find what the store doesn't know yet.
func (o *owner) showUnsaved(entries []Entry) {
	o.q.mu.Lock()
	defer o.q.mu.Unlock()
	for _, e := range entries {
		o.q.unsaved[e.ID] = e.clone()
	}
}
