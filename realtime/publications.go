package realtime

import (
	"time"

	"github.com/centrifugal/protocol"
)

// applyPublication handles a publication of a live subscription. One for a channel that isn't active came before the
// subscribe reply, whose position covers it.
func (o *owner) applyPublication(channel string, p *protocol.Publication) {
	if s := o.subs[channel]; s != nil {
		if s.active {
			o.advance(s, p, false)
		}
		return
	}
	o.applyServerPublication(channel, p)
}

// follow is what a publication means to a position.
type follow int

const (
	followNext      follow = iota // deliver, and move the position if it has an offset
	followDuplicate               // known: drop
	followGap                     // something is missing: recover again
)

// followOf compares a publication with a position. Publications without an offset, and those that a wildcard
// subscription gets from other channels, have no place in the stream.
func followOf(pos position, positioned bool, p *protocol.Publication) follow {
	switch {
	case p.Offset == 0 || p.Channel != "" || !positioned:
		return followNext
	case p.Epoch != "" && pos.epoch != "" && p.Epoch != pos.epoch:
		return followGap // another stream
	case p.Offset <= pos.offset:
		return followDuplicate
	case p.Offset > pos.offset+1:
		return followGap
	}
	return followNext
}

// advance applies one publication in order. The position moves before the handler can see it. If something is missing,
// or the queue is full, the subscription isn't active afterwards.
func (o *owner) advance(s *Subscription, p *protocol.Publication, recovered bool) {
	switch followOf(s.pos, s.known, p) {
	case followDuplicate:
	case followGap:
		o.count(func(s *Stats) { s.Gaps++ })
		o.resync(s)
	case followNext:
		if !o.deliver(s, p, recovered) {
			return
		}
		if p.Offset != 0 && p.Channel == "" && s.known {
			if s.pos.epoch == "" {
				s.pos.epoch = p.Epoch
			}
			s.pos.offset = p.Offset
		}
		if s.failures > 0 && time.Since(s.sinceActive) > resyncPause {
			s.failures = 0
		}
	}
}

// deliver queues a publication. If there is no room, the subscription is given up until the queue has drained, and
// then recovered from where it is now: the position didn't move.
func (o *owner) deliver(s *Subscription, p *protocol.Publication, recovered bool) bool {
	ok := o.c.disp.publication(s.item(Event{
		Kind: EventPublication, Data: p.Data, Offset: p.Offset, Epoch: s.pos.epoch, Recovered: recovered,
	}))
	if ok {
		return true
	}
	s.behind = true
	o.count(func(s *Stats) { s.Overflows++ })
	o.unsubscribe(s)
	return false
}

// queueDrained takes up again what fell behind.
func (o *owner) queueDrained() {
	for _, ch := range sortedKeys(o.subs) {
		if s := o.subs[ch]; s.behind {
			s.behind = false
			o.subscribe(s)
		}
	}
	again := false
	for _, s := range o.server {
		again = again || s.behind
		s.behind = false
	}
	if again && o.link != nil && o.link.up { // only a new connection recovers server-side subscriptions
		o.lost(cause{class: classLocal, reason: ReasonResync})
	}
}
