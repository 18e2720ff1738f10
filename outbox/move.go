package outbox

import (
	"slices"
	"time"
)

// place enters an item into the indexes of its state.
func (o *owner) place(it *item) {
	l := o.lane(it.Lane())
	switch {
	case !it.State.Settled():
		o.items[it.ID] = it
		l.insert(it)
		o.watchExpiry(it)
	case it.State == Parked:
		o.parked[it.ID] = it
		if it.holds {
			l.holders = append(l.holders, it)
		}
	default:
		return
	}
	for _, id := range it.After {
		o.children[id] = append(o.children[id], it)
	}
	l.entries++
	l.bytes += int64(it.bytes)
	o.bytes += int64(it.bytes)
}

// unplace takes an item out of the indexes of its state.
func (o *owner) unplace(it *item) {
	l := o.lane(it.Lane())
	switch {
	case !it.State.Settled():
		delete(o.items, it.ID)
		l.remove(it)
		delete(o.expiring, it)
	case it.State == Parked:
		delete(o.parked, it.ID)
		l.holders = slices.DeleteFunc(l.holders, func(v *item) bool { return v == it })
	default:
		return
	}
	for _, id := range it.After {
		left := slices.DeleteFunc(o.children[id], func(v *item) bool { return v == it })
		if o.children[id] = left; len(left) == 0 {
			delete(o.children, id)
		}
	}
	l.entries--
	l.bytes -= int64(it.bytes)
	o.bytes -= int64(it.bytes)
}

// move applies an event to an item and puts the outcome into tx; it says false where the state refuses the event.
// Entries that go after one which will never be sent are cancelled with it.
func (o *owner) move(it *item, ev event, reason string, tx *Tx, edit func(*Entry)) bool {
	to, ok := next(it.State, ev)
	if planted == bugEditRaces && (ev == evEdit || ev == evCancel) && it.State == Sending {
		to, ok = map[event]State{evEdit: Sending, evCancel: Cancelled}[ev], true
	}
	if !ok {
		return false
	}
	was := *it
	if was.State.Settled() || to.Settled() {
		o.unplace(it)
		edit(&it.Entry)
		it.State, it.holds = to, false
		if to == Parked {
			o.hold(it, time.Now())
		}
		o.place(it)
	} else {
		edit(&it.Entry) // it keeps its place: numbers are given in the order of the lane
		it.State = to
		o.resize(it)
	}
	o.undo = append(o.undo, func() { o.restore(it, was) })
	tx.Put = append(tx.Put, it.clone())
	if was.State != to || reason != "" && ev == evEdit {
		o.moved = append(o.moved, Change{Entry: it.clone(), From: was.State, To: to, Reason: reason})
	}
	if to == Cancelled || to == Expired {
		o.cascade(it.ID, tx)
	}
	return true
}

// resize follows a change of an open item's content or state.
func (o *owner) resize(it *item) {
	n := it.size()
	o.lane(it.Lane()).bytes += int64(n - it.bytes)
	o.bytes += int64(n - it.bytes)
	it.bytes = n
	o.watchExpiry(it)
}

// restore puts an item back whose change couldn't be kept. If it was transmitted it is sent again, and the server says
// the same again.
func (o *owner) restore(it *item, was item) {
	if it.State.Settled() || was.State.Settled() {
		o.unplace(it)
		it.Entry, it.bytes, it.holds, it.holdUntil = was.Entry, was.bytes, was.holds, was.holdUntil
		o.place(it)
	} else {
		it.Entry = was.Entry
		o.resize(it)
	}
	if it.DeviceSeq != 0 && !it.State.Settled() {
		o.lane(it.Lane()).rewind = true
	}
}

// cascade cancels what goes after an entry that will never be sent.
func (o *owner) cascade(id string, tx *Tx) {
	for _, child := range slices.Clone(o.children[id]) {
		ev := evCancel
		if child.State == Parked {
			ev = evDiscard
		}
		o.move(child, ev, ReasonDependency, tx, func(e *Entry) { e.Err = "an entry that it goes after was given up: " + id })
	}
}

// waits says whether an item depends on something that hasn't come yet. An id that is neither open nor parked was sent:
// where it was given up, cascade took this one along.
func (o *owner) waits(it *item) bool {
	if planted == bugIgnoreDependency {
		return false
	}
	if len(it.Needs) > 0 {
		return true
	}
	return slices.ContainsFunc(it.After, func(id string) bool { return o.find(id) != nil })
}

// hold applies the channel's policy to an entry that is parked now.
func (o *owner) hold(it *item, now time.Time) {
	it.holds, it.holdUntil = false, time.Time{}
	if o.q.opts.OnParked == nil {
		return
	}
	switch p := o.q.opts.OnParked(it.Channel); {
	case p.For > 0:
		it.holds, it.holdUntil = true, now.Add(p.For)
	case p.Block:
		it.holds = true
	}
}
