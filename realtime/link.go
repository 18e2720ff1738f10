package realtime

import (
	"errors"
	"time"

	"github.com/centrifugal/protocol"
)

// link is a transport with a session on it: from the connect command to the end.
type link struct {
	tr      *transport
	phases  Phases
	fault   Phases    // set when an established link is lost
	token   string    // it was connected with
	began   time.Time // connect was sent
	up      bool      // connect was answered
	upAt    time.Time
	client  string
	pong    bool // the server wants its pings answered
	dead    bool // given up for silence
	lastID  uint32
	pending map[uint32]*command
	frames  uint64   // that came
	pings   []uint64 // exchanges: control pings that have no answer
}

// commandKind says what to do with a reply.
type commandKind int

const (
	cmdConnect commandKind = iota
	cmdSubscribe
	cmdUnsubscribe
	cmdCall
	cmdRefresh
)

// command is one that waits for its reply.
type command struct {
	kind commandKind
	at   time.Time
	due  time.Time // when it should have been answered
	sub  *Subscription
	call *call // nil after the caller has gone

	exchange uint64 // 0 where it was sent along with another
	before   int    // bytes that were being uploaded, with its own
}

// begin puts the session on the waiting transport: connect and every subscription, with recovery, in one go. They
// share a frame unless it would be too long, and one round trip in any case.
func (o *owner) begin(now time.Time) {
	s := o.waiting
	o.waiting, o.timers[tHold] = nil, time.Time{}
	l := &link{tr: s.tr, phases: s.phases, token: o.tok.value, began: now, pending: make(map[uint32]*command)}
	o.link = l
	o.suspected = false
	o.live.begin(now)
	cmds := make([][]byte, 0, 1+len(o.subs))
	cmds = o.encode(cmds, &command{kind: cmdConnect}, &protocol.Command{Connect: o.connectRequest()})
	for _, ch := range sortedKeys(o.subs) {
		if s := o.subs[ch]; !s.behind && s.retryAt.IsZero() {
			cmds = o.encodeSubscribe(cmds, s)
		}
	}
	if len(cmds) == 0 { // connect couldn't be encoded: it never will
		o.dropLink()
		o.step(inTerminal, cause{class: classTerminal, reason: ReasonProtocol, err: ErrInvalidData})
		return
	}
	o.transmit(now, cmds)
	l.tr.ping(o.began(true, now), now, o.live.waiting) // measures the path while the server works on connect
	o.live.sent(now, 0, l.tr.raw.in.Load())
	o.timers[tConnect] = now.Add(o.attemptTimeout() + o.est.uploadTime(o.live.waiting))
	if o.effort.Overlap > 0 {
		o.timers[tOverlap] = now.Add(o.patience())
	}
}

func (o *owner) connectRequest() *protocol.ConnectRequest {
	r := &protocol.ConnectRequest{Token: o.tok.value, Data: o.o.Data, Name: o.o.Name, Version: o.o.Version}
	for ch, s := range o.server {
		if s.recoverable {
			if r.Subs == nil {
				r.Subs = make(map[string]*protocol.SubscribeRequest)
			}
			r.Subs[ch] = &protocol.SubscribeRequest{Recover: true, Offset: s.pos.offset, Epoch: s.pos.epoch}
		}
	}
	return r
}

// encode adds an encoded command with an id of its own and notes that its reply is awaited. It adds nothing if the
// command can't be encoded or doesn't fit into a frame.
func (o *owner) encode(cmds [][]byte, rec *command, cmd *protocol.Command) [][]byte {
	l := o.link
	cmd.Id = l.lastID + 1
	b, err := l.tr.codec.encode(cmd)
	if err != nil || rec.kind != cmdConnect && len(b) > o.o.FrameLimit {
		return cmds
	}
	l.lastID++
	rec.at = o.stamp()
	if len(cmds) == 0 {
		rec.exchange = o.began(false, rec.at)
	}
	cmds = append(cmds, b)
	rec.due = time.Now().Add(o.o.CommandTimeout)
	rec.before = o.live.waiting + size(cmds)
	if n := rec.before; n >= bulkUpload {
		rec.due = rec.due.Add(o.est.uploadTime(n))
	}
	l.pending[cmd.Id] = rec
	o.timers[tCommands] = soonest(o.timers[tCommands], rec.due)
	return cmds
}

func size(cmds [][]byte) (n int) {
	for _, c := range cmds {
		n += len(c)
	}
	return n
}

// stamp is the present moment, later than any that was given before: what an answer proves depends on the order in which
// things were sent.
func (o *owner) stamp() time.Time {
	o.stamped = later(time.Now(), o.stamped.Add(1))
	return o.stamped
}

// transmit queues commands that the server must answer, and a probe behind them. now is a stamp from before the commands
// were encoded: the answer to one of them proves that they arrived.
func (o *owner) transmit(now time.Time, cmds [][]byte) bool {
	l := o.link
	if !l.tr.send(cmds...) {
		return false
	}
	o.live.sent(now, size(cmds), l.tr.raw.in.Load())
	if l.up && o.live.pingBehind(now, o.effort.ProbeInterval) {
		o.probe(now)
	}
	return true
}

// dropLink closes the link at once and fails what waits on it.
func (o *owner) dropLink() {
	if o.lingering {
		o.lingering = false
		o.endLink(o.haunt)
		return
	}
	o.endLink((*transport).kill)
}

// leaveLink closes the link politely, if it can be polite.
func (o *owner) leaveLink() {
	if o.link != nil && o.suspected {
		o.dropLink()
		return
	}
	o.endLink((*transport).leave)
}

func (o *owner) endLink(end func(*transport)) {
	l := o.link
	if l == nil {
		return
	}
	o.endExchanges()
	o.link = nil
	o.suspected = false
	end(l.tr)
	o.bytesIn += l.tr.raw.in.Load()
	o.bytesOut += l.tr.raw.out.Load()
	o.settle(l, ErrConnectionLost)
	for _, s := range o.subs {
		s.active, s.inflight = false, 0
	}
	if o.tok.refresh {
		o.tok.stop()
	}
	if l.fault.FaultSeen.IsZero() {
		l.fault.FaultSeen, l.fault.Cause = time.Now(), o.cause.reason
	}
	if l.up {
		o.lastFault = l.fault
	}
	for _, k := range []timerKind{tConnect, tStable, tRefresh, tCommands} {
		o.timers[k] = time.Time{}
	}
}

// settle fails the calls of a link.
func (o *owner) settle(l *link, err error) {
	for id, cmd := range l.pending {
		delete(l.pending, id)
		if cmd.call != nil {
			cmd.call.settle(nil, err)
		}
	}
}

// transportGone handles the end of a transport that wasn't ours.
func (o *owner) transportGone(e event) {
	switch {
	case o.link != nil && o.link.tr.gen == e.gen:
		o.linkEnded(goneCause(e.err))
	case o.spare != nil && o.spare.tr.gen == e.gen:
		o.spare.tr.kill()
		o.spare, o.timers[tSpare] = nil, time.Time{}
	case o.waiting != nil && o.waiting.tr.gen == e.gen:
		o.dropWaiting()
		o.attemptFailed(goneCause(e.err))
	default:
		o.ghostSpoke(e.gen, e.at, e.err)
	}
}

// linkEnded is the one place where close frames, disconnect pushes, errors of the socket and of the protocol meet.
func (o *owner) linkEnded(c cause) {
	if o.link.up {
		o.lost(c)
		return
	}
	o.dropLink()
	if c.class == classLocal && o.takeOver() {
		return
	}
	o.attemptFailed(c)
}

// takeOver goes on with an attempt that was started beside one that failed.
func (o *owner) takeOver() bool {
	if o.spare == nil && len(o.attempts) == 0 {
		return false
	}
	o.dialNow(time.Now())
	return true
}

func goneCause(err error) cause {
	var ce *CloseError
	switch {
	case errors.As(err, &ce):
		return closeCause(ce.Code, ce.Reason)
	case errors.Is(err, ErrProtocol):
		return cause{class: classLong, reason: ReasonProtocol, err: err}
	}
	return cause{class: classLocal, reason: ReasonLinkLost, err: err}
}

// connectTimedOut gives up a connection whose connect command stays unanswered.
func (o *owner) connectTimedOut() {
	if o.link == nil || o.link.up {
		return
	}
	o.est.uploadStuck(o.live.waiting)
	o.link.dead = true
	o.linkEnded(cause{class: classLocal, reason: ReasonUnreachable, err: errNoConnectReply})
}

var errNoConnectReply = errors.New("realtime: connect was not answered in time")

// commandsTimedOut looks for commands that a working link left unanswered.
func (o *owner) commandsTimedOut(now time.Time) {
	l := o.link
	if l == nil {
		return
	}
	for id, cmd := range l.pending {
		if now.Before(cmd.due) {
			o.timers[tCommands] = soonest(o.timers[tCommands], cmd.due)
			continue
		}
		switch cmd.kind {
		case cmdCall:
			delete(l.pending, id)
			o.ended(cmd.exchange, false, ExchangeDropped)
			o.roundTrip(now.Sub(cmd.at), ErrTimeout)
			if cmd.call != nil {
				cmd.call.settle(nil, ErrTimeout)
			}
		case cmdSubscribe, cmdUnsubscribe:
			// The server may or may not have done it: only a new connection makes that certain.
			o.linkEnded(cause{class: classLocal, reason: ReasonTimeout, err: ErrTimeout})
			return
		case cmdRefresh:
			delete(l.pending, id)
			o.ended(cmd.exchange, false, ExchangeDropped)
			o.timers[tRefresh] = now.Add(refreshRetry)
		case cmdConnect: // has a deadline of its own
		}
	}
}

// soonest is the earlier of a deadline that may be unset and another.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return earlier(a, b)
}
