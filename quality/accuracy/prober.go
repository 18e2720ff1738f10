package accuracy

import (
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	// These are those of quality.Monitor's own prober: Options.ProbeTimeout, how long it waits for an answer over TLS before it
	// asks without, and for that after the one over TLS failed.
	probeTimeout = 3 * time.Second
	plainAfter   = 250 * time.Millisecond
	plainLast    = 500 * time.Millisecond
)

// prober plays quality.Monitor and its own prober: a probe that needs no new connection is a ping on the client's, if there
// is one (Options.Ping); others go by connections of the prober's, of which it keeps one.
type prober struct {
	kept  *conn
	busy  uint64 // the probe that waits on it, or 0
	warm  bool   // the last probe was answered
	under map[uint64]bool
}

// probe makes the probe that is wanted.
func (c *client) probe(p quality.Probe) {
	c.probes++
	if !p.Fresh && c.main != nil {
		c.bytes += pingBytes
		c.send(quality.SourcePing, 0)
		return
	}
	o := &c.own
	fresh, id := p.Fresh || !o.warm, c.id()
	c.observe(quality.Sample{Kind: quality.KindBegin, ID: id, Source: quality.SourcePing, Fresh: fresh || len(o.under) > 0})
	o.under[id] = true
	if fresh || o.busy != 0 || o.kept == nil {
		c.askNew(id, fresh)
		return
	}
	c.askKept(id)
}

// askNew probes by a new connection, whose first answer is a sign of life and no round trip.
func (c *client) askNew(id uint64, fresh bool) {
	m, began := &conn{id: c.id()}, c.now
	o := c.tcp.dial(m, began, true)
	c.count(o, began)
	limit := began + probeTimeout
	if o.shaken < limit {
		limit = o.shaken + probeTimeout
		c.q.plan(o.shaken, func() { c.shaken(began) })
	}
	done, cause := o.done, o.cause
	if done >= limit {
		done, cause = limit, quality.CauseTimeout
	}
	c.q.plan(done, func() {
		if cause == 0 && fresh && c.own.under[id] {
			c.own.kept, c.own.busy = m, 0
		}
		c.probed(id, fresh, cause, 0)
	})
}

// askKept probes by the connection that was kept.
func (c *client) askKept(id uint64) {
	o, m, began := &c.own, c.own.kept, c.now
	o.busy = id
	c.bytes += requestBytes
	done, cause := c.tcp.answer(c.tcp.exchange(m, began, 0))
	if limit := began + probeTimeout; done >= limit {
		done, cause = limit, quality.CauseTimeout
	}
	c.q.plan(done, func() {
		if o.busy == id {
			o.busy = 0
			if cause != 0 {
				o.kept = nil
			}
		}
		c.probed(id, false, cause, c.now-began)
	})
}

// probed tells what came of a probe; an RTT of 0 isn't known.
func (c *client) probed(id uint64, fresh bool, cause quality.Cause, rtt time.Duration) {
	o := &c.own
	if !o.under[id] {
		return // it was given up
	}
	delete(o.under, id)
	if cause != 0 {
		o.warm = o.warm && fresh
		c.observe(quality.Sample{Kind: quality.KindFailure, ID: id, Source: quality.SourcePing, Cause: cause})
		return
	}
	o.warm = true
	c.observe(quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: quality.SourcePing, RTT: max(rtt, 1), Fresh: rtt == 0})
}

// count adds the bytes of a new connection.
func (c *client) count(o outcome, began time.Duration) {
	plain := o.asked-began > plainAfter // the server's certificate wasn't seen by then
	c.bytes += synBytes
	if min(o.shaken, o.done)-began > plainAfter {
		c.bytes += synBytes // it knocks again
	}
	if plain {
		c.bytes += synBytes
	}
	if c.link.at(began).reach == quality.ReachOffline {
		return
	}
	c.bytes += freshBytes
	if plain {
		c.bytes += plainBytes
	}
}

// moved gives up what goes by the network before.
func (c *client) moved() {
	o := &c.own
	for _, id := range sorted(o.under) {
		c.observe(quality.Sample{Kind: quality.KindEnd, ID: id})
	}
	clear(o.under)
	o.kept, o.busy, o.warm = nil, 0, false
}

// reset is told that the kept connection was.
func (c *client) reset() {
	o := &c.own
	if id := o.busy; id != 0 {
		c.probed(id, false, quality.CauseRefused, 0)
	}
	o.kept, o.busy = nil, 0
}
