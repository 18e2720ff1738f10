package realtime

import "github.com/centrifugal/protocol"

// serverSub is a subscription that the server made for this connection.
type serverSub struct {
	pos         position
	positioned  bool
	recoverable bool
	behind      bool
}

func (o *owner) serverItem(channel string, ev Event) item {
	ev.Channel = channel
	return item{fn: o.o.OnServerEvent, ev: ev}
}

// applyServerSubs takes over the server-side subscriptions of a connect reply. Those that it doesn't name are gone.
func (o *owner) applyServerSubs(subs map[string]*protocol.SubscribeResult) {
	for _, ch := range sortedKeys(o.server) {
		if subs[ch] == nil {
			o.serverSubEnded(ch, 0, "not in the connect reply")
		}
	}
	l := o.link
	for _, ch := range sortedKeys(subs) {
		if res := subs[ch]; res != nil && o.link == l {
			o.applyServerSub(ch, res)
		}
	}
}

func (o *owner) applyServerSub(channel string, res *protocol.SubscribeResult) {
	l := o.link
	s := o.server[channel]
	if s == nil {
		s = &serverSub{}
		o.server[channel] = s
	}
	recovered := res.WasRecovering && res.Recovered
	s.recoverable, s.positioned, s.behind = res.Recoverable, res.Recoverable || res.Positioned, false
	if res.Epoch != "" {
		s.pos.epoch = res.Epoch
	}
	if !recovered {
		s.pos.offset = res.Offset
	}
	o.tellServer(channel, Event{
		Kind: EventSubscribed, Offset: s.pos.offset, Epoch: s.pos.epoch, Recovered: recovered,
		WasRecovering: res.WasRecovering, SubData: res.Data,
	})
	for _, p := range res.Publications {
		if o.advanceServer(channel, s, p, recovered); o.link != l {
			return
		}
	}
	if !s.behind {
		o.tellServer(channel, Event{Kind: EventCaughtUp, Offset: s.pos.offset, Epoch: s.pos.epoch})
	}
}

// applyServerSubscribe handles a subscription that the server adds to a live connection.
func (o *owner) applyServerSubscribe(channel string, p *protocol.Subscribe) {
	if o.subs[channel] != nil {
		return // ours came first; its own reply tells
	}
	o.server[channel] = &serverSub{
		pos: position{p.Offset, p.Epoch}, positioned: p.Recoverable || p.Positioned, recoverable: p.Recoverable,
	}
	o.tellServer(channel, Event{Kind: EventSubscribed, Offset: p.Offset, Epoch: p.Epoch, SubData: p.Data})
}

func (o *owner) serverSubEnded(channel string, code uint32, reason string) {
	if o.server[channel] == nil {
		return
	}
	delete(o.server, channel)
	o.tellServer(channel, Event{Kind: EventUnsubscribed, Code: code, Reason: reason, Final: true})
}

func (o *owner) applyServerPublication(channel string, p *protocol.Publication) {
	if s := o.server[channel]; s != nil {
		o.advanceServer(channel, s, p, false)
	}
}

// advanceServer is advance for a server-side subscription, whose only way to recover is a new connection.
func (o *owner) advanceServer(channel string, s *serverSub, p *protocol.Publication, recovered bool) {
	if s.behind {
		return
	}
	switch followOf(s.pos, s.positioned, p) {
	case followDuplicate:
		return
	case followGap:
		o.count(func(s *Stats) { s.Gaps++ })
		o.lost(cause{class: classLocal, reason: ReasonResync})
		return
	case followNext:
	}
	it := o.serverItem(channel, Event{Kind: EventPublication, Data: p.Data, Offset: p.Offset, Epoch: s.pos.epoch, Recovered: recovered})
	if o.o.OnServerEvent != nil && !o.c.disp.publication(it) {
		s.behind = true
		o.count(func(s *Stats) { s.Overflows++ })
		return
	}
	if p.Offset != 0 && p.Channel == "" && s.positioned {
		if s.pos.epoch == "" {
			s.pos.epoch = p.Epoch
		}
		s.pos.offset = p.Offset
	}
}

func (o *owner) tellServer(channel string, ev Event) {
	if o.o.OnServerEvent != nil {
		o.c.disp.control(o.serverItem(channel, ev))
	}
}
