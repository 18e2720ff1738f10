package realtime

import (
	"slices"
	"time"

	"github.com/centrifugal/protocol"
)

// applyFrame applies the replies and pushes of a frame in wire order. What comes after the end of its connection is
// not applied, even if it is of the same frame.
func (o *owner) applyFrame(e event) {
	if o.link != nil && o.link.tr.gen == e.gen && slices.ContainsFunc(e.replies, says) {
		o.link.frames++
	}
	for _, r := range e.replies {
		if o.link == nil || o.link.tr.gen != e.gen {
			return
		}
		switch {
		case r.Id != 0:
			o.applyReply(r, e.at)
		case r.Push != nil:
			o.heardUnasked(e.at)
			o.applyPush(r.Push)
		default:
			o.heardUnasked(e.at)
			o.answerPing()
		}
	}
}

// says tells a reply or a push from a ping.
func says(r *protocol.Reply) bool { return r.Id != 0 || r.Push != nil }

// answerPing sends exactly one pong for a ping of the server, and none that it doesn't expect: that would end the
// connection with a terminal code.
func (o *owner) answerPing() {
	if !o.link.up || !o.link.pong {
		return
	}
	if b, err := o.link.tr.codec.encode(&protocol.Command{}); err == nil {
		o.link.tr.send(b)
	}
}

func (o *owner) applyReply(r *protocol.Reply, at time.Time) {
	l := o.link
	cmd, ok := l.pending[r.Id]
	if !ok {
		return // of a call that was given up
	}
	delete(l.pending, r.Id)
	if !l.up && cmd.kind != cmdConnect { // answered before connect: no server of this protocol does that
		o.ended(cmd.exchange, false, ExchangeDropped)
		o.linkEnded(cause{class: classLong, reason: ReasonProtocol, err: ErrProtocol})
		return
	}
	rtt := at.Sub(cmd.at)
	o.answered(cmd.exchange, false, at, rtt, cmd.before)
	o.proof(cmd.at, at)
	o.roundTrip(rtt, nil)
	switch cmd.kind {
	case cmdConnect:
		o.applyConnect(r)
	case cmdSubscribe:
		o.applySubscribe(cmd.sub, r)
	case cmdUnsubscribe:
		if r.Error != nil {
			o.linkEnded(cause{class: classLocal, reason: ReasonResync, err: rpcError(r.Error)})
		}
	case cmdCall:
		if cmd.call != nil {
			cmd.call.answer(r)
		}
	case cmdRefresh:
		o.applyRefresh(r)
	}
}

// applyConnect handles the answer to connect. After an error the server doesn't read on and doesn't close either: the
// transport is closed here, and the subscriptions that were sent along are simply sent again on the next one.
func (o *owner) applyConnect(r *protocol.Reply) {
	l := o.link
	now := time.Now()
	if r.Error != nil {
		o.linkEnded(connectCause(r.Error.Code, r.Error.Message, r.Error.Temporary))
		return
	}
	res := r.Connect
	if res == nil {
		o.linkEnded(cause{class: classLong, reason: ReasonProtocol, err: ErrProtocol})
		return
	}
	o.timers[tConnect], o.timers[tOverlap] = time.Time{}, time.Time{}
	l.up, l.upAt, l.client, l.pong = true, now, res.Client, res.Pong
	l.phases.Connect = now.Sub(l.began)
	o.tok.have, o.dialed = false, false // fetched anew for each connection
	o.tokenAccepted()
	o.recordConnect(now)
	o.scheduleRefresh(res.Expires, res.Ttl)
	o.c.mu.Lock()
	o.c.snap.ConnectData = append([]byte(nil), res.Data...)
	o.c.mu.Unlock()
	o.step(inUp, cause{reason: ReasonConnected})
	o.c.disp.connected(res.Data)
	o.applyServerSubs(res.Subs)
}

// recordConnect keeps the phases of a reconnect.
func (o *owner) recordConnect(now time.Time) {
	p := o.link.phases
	f := o.lastFault
	o.lastFault = Phases{}
	o.count(func(s *Stats) {
		s.Connects++
		if f.FaultSeen.IsZero() {
			return
		}
		s.Reconnects++
		p.FaultSeen, p.Cause, p.Silence, p.Total = f.FaultSeen, f.Cause, f.Silence, now.Sub(f.FaultSeen)
		s.Last = p
	})
}

func (o *owner) applyRefresh(r *protocol.Reply) {
	switch {
	case r.Error != nil && temporaryCode(r.Error.Code, r.Error.Temporary):
		o.timers[tRefresh] = time.Now().Add(refreshRetry)
	case r.Error != nil:
		o.tok.renew = true // the server will close the connection; the next one needs another token
	case r.Refresh != nil:
		o.link.token = o.tok.value
		o.tokenAccepted()
		o.scheduleRefresh(r.Refresh.Expires, r.Refresh.Ttl)
	}
}

func (o *owner) sendRefresh(token string) {
	now := o.stamp()
	cmds := o.encode(nil, &command{kind: cmdRefresh}, &protocol.Command{Refresh: &protocol.RefreshRequest{Token: token}})
	o.transmit(now, cmds)
}

func (o *owner) applyPush(p *protocol.Push) {
	switch {
	case p.Disconnect != nil:
		o.linkEnded(closeCause(p.Disconnect.Code, p.Disconnect.Reason))
	case !o.link.up:
		return // nothing can be subscribed yet
	case p.Pub != nil:
		o.applyPublication(p.Channel, p.Pub)
	case p.Unsubscribe != nil:
		o.applyUnsubscribe(p.Channel, p.Unsubscribe)
	case p.Subscribe != nil:
		o.applyServerSubscribe(p.Channel, p.Subscribe)
	}
}

func rpcError(e *protocol.Error) *RPCError {
	return &RPCError{Code: e.Code, Message: e.Message, Temporary: temporaryCode(e.Code, e.Temporary)}
}
