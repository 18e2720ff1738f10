package main

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
)

// order keeps events that come from different goroutines in an order that a reader can rely on: an entry's outcome
// after its "queued", and a channel's "synced" after the last message that it promises and after the "state" of the
// connection that it came with.
type order struct {
	fromNow bool

	mu        sync.Mutex               // guards below; never held while an event is put
	announced map[string]bool          // entries whose "queued" was put and whose outcome wasn't
	sending   bool                     // a send is under way, so that an outcome may be that of an entry whose "queued" comes yet
	held      map[string]outbox.Change // outcomes that came meanwhile, of whatever entries weren't announced
	newest    map[string]uint64        // the last message shown of each channel
	promised  map[string]uint64        // the message after which a channel is synced
	connected bool                     // the last "state" that was put says so
	early     map[string]inbox.Change  // synced before the "state" of its connection
}

func newOrder(from inbox.From) *order {
	return &order{
		fromNow: from == inbox.Now, announced: map[string]bool{}, held: map[string]outbox.Change{},
		newest: map[string]uint64{}, promised: map[string]uint64{}, early: map[string]inbox.Change{},
	}
}

// begin notes that a send is under way. There is one at a time.
func (o *order) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sending = true
}

// queued notes that the "queued" of the entry that the send under way made was put, or with "" that it made none. It
// returns the outcomes that are due now, in the order of the queue: the entry's own, if it was faster, and those of entries
// of others.
func (o *order) queued(id string) (due []outbox.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.held[id]; !known && id != "" {
		o.announced[id] = true
	}
	due = slices.SortedFunc(maps.Values(o.held), func(a, b outbox.Change) int { return cmp.Compare(a.Entry.Order, b.Entry.Order) })
	o.sending = false
	clear(o.held)
	return due
}

// moved takes a change of an entry and says whether it is an outcome that is due now. Entries that nobody announced in this
// run are other processes', which handed them over, or were parked before and are retried: theirs is due as it comes.
func (o *order) moved(c outbox.Change) (outbox.Change, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := c.Entry.ID
	switch {
	case c.Reason == outbox.ReasonPresent, c.Reason == outbox.ReasonRetry: // from an earlier run or moment, which announced it
		o.announced[id] = true
		return c, false
	case !c.To.Settled():
		return c, false
	case !o.announced[id] && o.sending:
		o.held[id] = c
		return c, false
	}
	delete(o.announced, id)
	return c, true
}

// caughtUp takes a change of a channel and says whether "synced" is due now. What is done with up to done, in this run or
// an earlier one, isn't shown any more.
func (o *order) caughtUp(c inbox.Change, done uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.newest[c.Channel] = max(o.newest[c.Channel], done)
	return o.caughtUpLocked(c)
}

func (o *order) caughtUpLocked(c inbox.Change) bool {
	delete(o.promised, c.Channel)
	delete(o.early, c.Channel)
	switch {
	case !c.Synced:
		return false
	case !o.connected:
		o.early[c.Channel] = c
		return false
	}
	newest := o.newest[c.Channel]
	if newest >= c.Top || o.fromNow && newest == 0 { // from now on: what was there before is never shown
		return true
	}
	o.promised[c.Channel] = c.Top
	return false
}

// shown notes a message that was put and says whether "synced" is due now.
func (o *order) shown(channel string, seq uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.newest[channel] = seq
	top, promised := o.promised[channel]
	if !promised || seq < top {
		return false
	}
	delete(o.promised, channel)
	return true
}

// state notes a "state" that was put and returns the channels whose "synced" is due with it.
func (o *order) state(connected bool) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	early := o.early
	o.connected, o.early = connected, map[string]inbox.Change{}
	var due []string
	for name, c := range early {
		if connected && o.caughtUpLocked(c) {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	return due
}
