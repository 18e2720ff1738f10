package realtime

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/centrifugal/protocol"
)

// position is a place in a channel's stream. It moves when a publication enters the dispatch queue.
type position struct {
	offset uint64
	epoch  string
}

// voidEpoch belongs to no stream: recovering from it is answered with recovered=false and the present position, which
// is what a client wants whose state the server declared void.
const voidEpoch = "_"

// subscriber is the owner's part of a Subscription, except for removed and onEvent.
type subscriber struct {
	onEvent func(Event)
	removed atomic.Bool // nothing is to be delivered any more

	active      bool   // the server has it, on the present link
	inflight    uint32 // id of the subscribe command that counts, on the present link
	pos         position
	known       bool // pos can be recovered from
	behind      bool // waits for the dispatch queue to drain
	failures    int
	retryAt     time.Time // zero: no pause under way
	lastResync  time.Time
	askedAnew   bool // 105 was answered with unsubscribe and subscribe once
	sinceActive time.Time
}

const (
	// resyncPause is the shortest time between two recoveries of a subscription after gaps, the second excepted.
	resyncPause = time.Second
	// subRetryBase and subRetryCap bound the pause after a subscription's temporary error.
	subRetryBase = 200 * time.Millisecond
	subRetryCap  = 20 * time.Second
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (o *owner) addSub(s *Subscription) {
	if s.removed.Load() {
		return
	}
	o.subs[s.channel] = s
	o.subscribe(s)
}

// removeSub ends a subscription that the application gave up. A later one to the same channel is another object.
func (o *owner) removeSub(s *Subscription) {
	if o.subs[s.channel] != s {
		return
	}
	delete(o.subs, s.channel)
	o.unsubscribe(s)
}

// subscribe sends the command, if there is a link to send it on.
func (o *owner) subscribe(s *Subscription) {
	s.retryAt = time.Time{}
	if o.link == nil || s.behind {
		return // begin, or queueDrained, will
	}
	now := o.stamp()
	if cmds := o.encodeSubscribe(nil, s); len(cmds) > 0 && !o.transmit(now, cmds) {
		o.retrySub(s)
	}
}

func (o *owner) encodeSubscribe(cmds [][]byte, s *Subscription) [][]byte {
	r := &protocol.SubscribeRequest{Channel: s.channel, Positioned: true, Recoverable: true}
	if s.known {
		r.Recover, r.Offset, r.Epoch = true, s.pos.offset, s.pos.epoch
	}
	out := o.encode(cmds, &command{kind: cmdSubscribe, sub: s}, &protocol.Command{Subscribe: r})
	if len(out) > len(cmds) {
		s.inflight = o.link.lastID
		s.active = false
	}
	return out
}

// unsubscribe tells the server, if it has the subscription or is about to.
func (o *owner) unsubscribe(s *Subscription) {
	had := s.active || s.inflight != 0
	s.active, s.inflight = false, 0
	if o.link == nil || !had {
		return
	}
	now := o.stamp()
	cmds := o.encode(nil, &command{kind: cmdUnsubscribe},
		&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: s.channel}})
	if len(cmds) > 0 && !o.transmit(now, cmds) {
		o.linkEnded(cause{class: classLocal, reason: ReasonResync, err: ErrBusy})
	}
}

// resync sets a subscription up again from its last good position: the server's stream and ours have parted.
func (o *owner) resync(s *Subscription) {
	now := time.Now()
	soon := now.Sub(s.lastResync) < resyncPause
	s.lastResync = now
	o.unsubscribe(s)
	if soon {
		o.retrySub(s)
		return
	}
	o.subscribe(s)
}

// retrySub plans another try with growing, jittered pauses.
func (o *owner) retrySub(s *Subscription) {
	s.failures++
	d := min(subRetryBase<<min(s.failures, 10), subRetryCap)
	s.retryAt = time.Now().Add(d/2 + time.Duration(o.o.Rand.Int64N(int64(d/2)+1)))
	o.timers[tSubs] = soonest(o.timers[tSubs], s.retryAt)
}

func (o *owner) retrySubs(now time.Time) {
	for _, ch := range sortedKeys(o.subs) {
		switch s := o.subs[ch]; {
		case s.retryAt.IsZero():
		case now.Before(s.retryAt):
			o.timers[tSubs] = soonest(o.timers[tSubs], s.retryAt)
		default:
			o.subscribe(s)
		}
	}
}

// applySubscribe handles the answer to a subscribe command, unless a later command has made it stale.
func (o *owner) applySubscribe(s *Subscription, r *protocol.Reply) {
	if s.inflight != r.Id || s.removed.Load() {
		return
	}
	s.inflight = 0
	if r.Error != nil {
		o.subRefused(s, r.Error)
		return
	}
	res := r.Subscribe
	if res == nil {
		o.retrySub(s)
		return
	}
	s.active, s.askedAnew, s.sinceActive = true, false, time.Now()
	asked := s.known
	recovered := asked && res.Recovered
	s.known = res.Recoverable || res.Positioned
	if res.Epoch != "" {
		s.pos.epoch = res.Epoch
	}
	if !recovered {
		s.pos.offset = res.Offset
	}
	o.c.disp.control(s.item(Event{
		Kind: EventSubscribed, Offset: s.pos.offset, Epoch: s.pos.epoch, Recovered: recovered, WasRecovering: asked, SubData: res.Data,
	}))
	for _, p := range res.Publications {
		if recovered {
			if o.advance(s, p, true); !s.active {
				return
			}
		} else if !o.deliver(s, p, false) { // a first state chosen by the server, at or before the position
			return
		}
	}
	if recovered {
		s.pos.offset = max(s.pos.offset, res.Offset)
	}
	o.c.disp.control(s.item(Event{Kind: EventCaughtUp, Offset: s.pos.offset, Epoch: s.pos.epoch}))
}

// item makes an event of the subscription ready for the queue.
func (s *Subscription) item(ev Event) item {
	ev.Channel = s.channel
	return item{fn: s.onEvent, removed: &s.removed, ev: ev}
}

// subRefused handles an error reply to a subscribe command.
func (o *owner) subRefused(s *Subscription, e *protocol.Error) {
	switch {
	case e.Code == 105 && !s.askedAnew: // already subscribed: our books and the server's differ
		s.askedAnew = true
		s.active = true // so that unsubscribe is sent
		o.unsubscribe(s)
		o.subscribe(s)
	case e.Code == 105:
		o.linkEnded(cause{class: classLocal, reason: ReasonResync, err: rpcError(e)})
	case e.Code == 112: // unrecoverable position: ask again with one that tells the application so
		s.pos, s.known = position{epoch: voidEpoch}, true
		o.retrySub(s)
	case temporaryCode(e.Code, e.Temporary), e.Code == 109, e.Code == 110:
		o.retrySub(s)
	default:
		o.subEnded(s, e.Code, e.Message)
	}
}

// subEnded removes a subscription for good.
func (o *owner) subEnded(s *Subscription, code uint32, reason string) {
	delete(o.subs, s.channel)
	s.active, s.inflight = false, 0
	o.c.forget(s)
	o.c.disp.control(s.item(Event{Kind: EventUnsubscribed, Code: code, Reason: reason, Final: true}))
}

// applyUnsubscribe handles the server's ending of a subscription: codes from 2500 on ask to come back.
func (o *owner) applyUnsubscribe(channel string, u *protocol.Unsubscribe) {
	s := o.subs[channel]
	if s == nil || !s.active && s.inflight == 0 {
		if s == nil {
			o.serverSubEnded(channel, u.Code, u.Reason)
		}
		return
	}
	if !s.active {
		return // of the time before the subscribe command that is under way, whose reply will tell
	}
	if u.Code < 2500 {
		o.subEnded(s, u.Code, u.Reason)
		return
	}
	s.active = false
	if u.Code == 2502 && s.known {
		s.pos = position{epoch: voidEpoch}
	}
	o.c.disp.control(s.item(Event{Kind: EventUnsubscribed, Code: u.Code, Reason: u.Reason}))
	o.resync(s)
}

// voidPositions forgets all positions, of server-side subscriptions too: the server declared the state void (3014).
func (o *owner) voidPositions() {
	for _, s := range o.subs {
		if s.known {
			s.pos = position{epoch: voidEpoch}
		}
	}
	for _, s := range o.server {
		s.pos = position{epoch: voidEpoch}
	}
}
