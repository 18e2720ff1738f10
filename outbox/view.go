package outbox

import (
	"context"
	"slices"
	"time"
)

// view is what the owner shows of itself: what holds entries back.
type view struct {
	account  string
	paused   bool
	up       bool
	gate     Blocked   // holds everything back until gateT: BlockedDisk, BlockedRate or ""
	gateT    time.Time //
	storeErr error
	lanes    map[Lane]laneView // those with something open
}

// laneView is what holds a lane back.
type laneView struct {
	first  string // id of its first open entry
	held   bool   // it stands still for a refused entry
	notYet time.Time
}

// publishView shows where things are now.
func (o *owner) publishView(now time.Time) {
	v := view{account: o.account, paused: o.paused, up: o.isUp, storeErr: o.storeErr, lanes: make(map[Lane]laneView, len(o.turn))}
	switch next := o.bucket.next(now); {
	case now.Before(o.storeT):
		v.gate, v.gateT = BlockedDisk, o.storeT
	case now.Before(o.notYet):
		v.gate, v.gateT = BlockedRate, o.notYet
	case !next.IsZero():
		v.gate, v.gateT = BlockedRate, next
	}
	for _, l := range o.turn {
		if len(l.items) > 0 {
			v.lanes[l.Lane] = laneView{first: l.items[0].ID, held: l.held(now), notYet: l.notYet}
		}
	}
	o.q.mu.Lock()
	was := o.q.view.storeErr
	o.q.view = v
	o.q.mu.Unlock()
	if (was == nil) != (v.storeErr == nil) {
		o.q.stores.Publish(StoreChange{v.storeErr})
	}
}

// blockedLocked says what a queued entry waits for: what the user can do something about comes first.
func (q *Queue) blockedLocked(e *Entry, now time.Time) Blocked {
	v := &q.view
	l := v.lanes[e.Lane()]
	switch {
	case e.State != Queued:
		return ""
	case e.Account != v.account || q.signedOut:
		return BlockedAuth
	case len(e.Needs) > 0 || slices.ContainsFunc(e.After, q.unsentLocked):
		return BlockedDependency
	case v.paused:
		return BlockedPaused
	case !v.up:
		return BlockedNetwork
	case v.gate != "" && now.Before(v.gateT):
		return v.gate
	case l.held || l.first != e.ID:
		return BlockedEarlier
	case now.Before(l.notYet):
		return BlockedNetwork // the last attempt failed
	}
	return ""
}

// unsentLocked says whether an entry that another goes after is still to be sent.
func (q *Queue) unsentLocked(id string) bool {
	_, open := q.open[id]
	_, parked := q.parked[id]
	return open || parked
}

// Snapshot is the queue's state at one moment.
type Snapshot struct {
	Ready   bool
	Paused  bool
	Account string          // whose entries are sent; "" if nobody is known yet
	Queued  int             // never transmitted
	Sending int             // transmitted, outcome not known
	Parked  int             // refused for good, waiting for the user
	Aside   int             // what the store can't read, and what was handed over and refused; see Queue.SetAside
	Bytes   int64           // of all these, as JSON
	Oldest  time.Time       // when the oldest open entry was queued; zero if none is
	NextTry time.Time       // when something that waits for a time goes on; zero if nothing does
	Blocked map[Blocked]int // queued entries by what they wait for
	Err     error           // why the store can't write, or nil
}

// State returns a snapshot. It looks at every open entry: about 0.1 µs for each.
func (q *Queue) State() Snapshot {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	v := &q.view
	s := Snapshot{
		Ready: q.ready, Paused: v.paused, Account: v.account, Parked: len(q.parked), Aside: q.aside, Bytes: q.bytes,
		Blocked: map[Blocked]int{}, Err: v.storeErr,
	}
	for _, e := range q.open {
		if s.Oldest.IsZero() || e.CreatedAt.Before(s.Oldest) {
			s.Oldest = e.CreatedAt
		}
		if e.State == Sending {
			s.Sending++
			continue
		}
		s.Queued++
		if b := q.blockedLocked(e, now); b != "" {
			s.Blocked[b]++
		}
	}
	if len(q.open) > 0 && now.Before(v.gateT) {
		s.NextTry = v.gateT
	}
	for _, l := range v.lanes {
		if s.NextTry.IsZero() && now.Before(l.notYet) || now.Before(l.notYet) && l.notYet.Before(s.NextTry) && v.gate == "" {
			s.NextTry = l.notYet
		}
	}
	return s
}

// Entries returns the open and the parked entries in order, each with what it waits for.
func (q *Queue) Entries() []Entry {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Entry, 0, len(q.open)+len(q.parked))
	for _, kept := range q.open {
		e := kept.clone()
		e.Blocked = q.blockedLocked(&e, now)
		out = append(out, e)
	}
	for _, e := range q.parked {
		out = append(out, e.clone())
	}
	sortByOrder(out)
	return out
}

// SetAside returns what the store can't read as entries, and what was handed over and can't be done.
func (q *Queue) SetAside(ctx context.Context) ([]Aside, error) { return q.opts.Store.SetAside(ctx) }

// Len is the number of open entries.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open)
}

// Get finds an entry in any state that the store still knows, as it was last kept.
func (q *Queue) Get(id string) (Entry, bool) {
	id = lower(id)
	q.mu.Lock()
	e, ok := q.parked[id]
	if kept := q.open[id]; kept != nil {
		e, ok = *kept, true
	}
	if !ok {
		e, ok = q.unsaved[id]
	}
	if ok {
		e = e.clone()
		e.Blocked = q.blockedLocked(&e, time.Now())
	}
	q.mu.Unlock()
	if ok {
		return e, true
	}
	e, ok, err := q.opts.Store.Get(q.ctx, id)
	return e, ok && err == nil
}

// unsavedEntry finds an outcome that the store doesn't know yet.
func (q *Queue) unsavedEntry(id string) (Entry, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, ok := q.unsaved[id]
	return e.clone(), ok
}

// StoreChange says that the store can't write any more, or can again.
type StoreChange struct {
	Err error // as Snapshot.Err
}

// WatchStore returns a channel that gets at once whether the store can write, and then each change of that, until ctx
// ends or Close. That it can again is known once something was written: the queue tries each second, from when it has an
// account. A slow reader may find changes merged into the newest.
func (q *Queue) WatchStore(ctx context.Context) <-chan StoreChange { return q.stores.Watch(ctx) }

// Watch returns a channel that gets the open entries at once, in order, and then every change, also of entries that were
// parked before (Entries has those). None is dropped. It is closed when ctx ends or by Close.
func (q *Queue) Watch(ctx context.Context) <-chan Change {
	q.mu.Lock()
	defer q.mu.Unlock()
	var entries []Entry
	for _, e := range q.open {
		entries = append(entries, *e)
	}
	sortByOrder(entries)
	present := make([]Change, len(entries))
	for i, e := range entries {
		present[i] = Change{Entry: e, From: e.State, To: e.State, Reason: ReasonPresent}
	}
	return q.watchers.add(ctx, present)
}
