package accuracy

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// Traffic is what a client exchanges beside probes.
type Traffic int

// Traffic.
const (
	Idle    Traffic = iota // nothing
	Usual                  // an exchange a second
	Busy                   // ten a second
	traffic                // number of them
)

var trafficNames = [traffic]string{"idle", "1/s", "10/s"}

// String returns what it is an hour or a second.
func (t Traffic) String() string { return trafficNames[t] }

// MarshalText writes the same.
func (t Traffic) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t Traffic) gap() time.Duration {
	return [traffic]time.Duration{lostTime, time.Second, time.Second / 10}[t]
}

const (
	pollEach = time.Second // counters
	// Bytes on the wire, headers and acknowledgements included: a control ping and its pong; an HTTP request on an open
	// connection; a connection with TLS 1.3 and a request; one without TLS; a SYN that nobody answers.
	pingBytes, requestBytes, freshBytes, plainBytes, synBytes = 240, 560, 5500, 900, 60

	noticeAfter        = 100 * time.Millisecond // of the operating system
	serverTime         = 3 * time.Millisecond   // for a call, on average
	slowCalls          = 0.005                  // of calls take seconds
	untold             = 0.2                    // of calls don't tell the server's time
	redialGap          = 750 * time.Millisecond
	redialGapThrifty   = 10 * time.Second
	startOf            = 1_790_000_000 // some day, in seconds since 1970
	callTimeoutAtLeast = 5 * time.Second
)

// client drives an estimator as a monitor around it would, and plays the connection and its traffic.
type client struct {
	link    *link
	rand    *rand.Rand
	tcp     carrier
	traffic Traffic
	thrifty bool
	e       *quality.Estimator
	tell    func(from, to time.Duration, r quality.Report)
	filter  func(quality.Sample) (quality.Sample, bool)
	stop    func() bool // says that nobody wants to know any more; nil never does

	q       queue
	now     time.Duration
	ids     uint64
	own     prober
	main    *conn
	waiting map[uint64]time.Duration // exchanges on main, and when they began
	dialing bool
	probes  int
	bytes   int64
	counted int // segments of the main connections, both ways
}

func newClient(l *link, r *rand.Rand, e *quality.Estimator, t Traffic, thrifty bool) *client {
	c := &client{link: l, rand: r, traffic: t, thrifty: thrifty, e: e, waiting: map[uint64]time.Duration{}}
	c.own.under = map[uint64]bool{}
	c.tcp = carrier{link: l, rand: r, sent: c.segmentSent, acked: c.segmentAcked}
	return c
}

func at(t time.Duration) time.Time { return time.Unix(startOf, 0).Add(t) }

func (c *client) observe(s quality.Sample) {
	s.At = at(c.now)
	if c.filter != nil {
		var ok bool
		if s, ok = c.filter(s); !ok {
			return
		}
	}
	c.e.Observe(s)
}

func (c *client) id() uint64 { c.ids++; return c.ids }

// run plays for a length of time.
func (c *client) run(length time.Duration) {
	for _, s := range c.link.stretches {
		c.q.plan(s.from, func() { c.turn(s) })
	}
	c.q.plan(pollEach, c.poll)
	if c.traffic != Idle {
		c.q.plan(c.arrival(), c.call)
	}
	c.redial()
	var last time.Duration
	var report quality.Report
	wake := time.Duration(0)
	for {
		next := min(c.q.next(), wake)
		if next >= length || c.stop != nil && c.stop() {
			break
		}
		c.now = next
		for c.q.next() == next {
			c.q.pop().do()
		}
		for p, ok := c.e.WantProbe(at(c.now)); ok; p, ok = c.e.WantProbe(at(c.now)) {
			c.probe(p)
		}
		if c.tell != nil && c.now > last {
			c.tell(last, c.now, report)
			last = c.now
		}
		before := report.Reach
		report = c.e.Report(at(c.now))
		if report.Reach == quality.ReachOnline && before != quality.ReachOnline && c.main == nil {
			c.dial() // whoever redials is told, and doesn't wait
		}
		wake = c.e.Next(at(c.now)).Sub(at(0))
	}
	if c.tell != nil {
		c.tell(last, length, report)
	}
}

func (c *client) arrival() time.Duration {
	return c.now + time.Duration(c.rand.ExpFloat64()*float64(c.traffic.gap()))
}

// turn is what the client is told when the link changes.
func (c *client) turn(s stretch) {
	switch {
	case s.reach == quality.ReachOffline && s.told:
		c.notice(quality.LinkDown)
	case s.reach == quality.ReachServerDown && s.failing != hangs, s.reach == quality.ReachCaptive && s.resets:
		m := c.main
		c.q.plan(c.now+s.rtt/2, func() { c.lose(m); c.reset() })
	case s.network > 0 && s.told:
		c.notice(quality.LinkChanged)
	case s.from > 0 && c.link.at(s.from-1).told && c.link.at(s.from-1).reach == quality.ReachOffline:
		c.notice(quality.LinkUp)
	}
}

func (c *client) notice(event quality.LinkEvent) {
	c.q.plan(c.now+noticeAfter, func() {
		c.observe(quality.Sample{Kind: quality.KindLink, Link: event})
		if event != quality.LinkDown {
			c.moved()
			c.lose(c.main)
			c.redial()
		}
	})
}

// lose gives up a connection, if it is the main one.
func (c *client) lose(m *conn) {
	if m == nil || m != c.main {
		return
	}
	m.closed = true
	c.main = nil
	for _, id := range sorted(c.waiting) {
		c.observe(quality.Sample{Kind: quality.KindEnd, ID: id})
	}
	clear(c.waiting)
	c.observe(quality.Sample{Kind: quality.KindDrop, Socket: m.id})
	c.redial()
}

// redial tries to get a connection, one attempt after the other.
func (c *client) redial() {
	if c.main != nil || c.dialing {
		return
	}
	c.dialing = true
	c.dial()
	gap := redialGap
	if c.thrifty {
		gap = redialGapThrifty
	}
	c.q.plan(c.now+gap, func() {
		c.dialing = false
		c.redial()
	})
}

// dial tries one connection. It becomes the main one if there is none.
func (c *client) dial() {
	m := &conn{id: c.id()}
	began := c.now
	c.observe(quality.Sample{Kind: quality.KindBegin, ID: m.id, Source: quality.SourceCall, Fresh: true})
	o := c.tcp.dial(m, c.now, false)
	limit := c.now + c.e.Advice().Handshake
	if o.shaken < limit {
		c.q.plan(o.shaken, func() { c.shaken(began) })
	}
	if o.done >= limit {
		o.done, o.cause = limit, quality.CauseTimeout
	}
	c.q.plan(o.done, func() {
		if o.cause != 0 {
			m.closed = true
			c.observe(quality.Sample{Kind: quality.KindFailure, ID: m.id, Source: quality.SourceCall, Cause: o.cause})
			return
		}
		c.observe(quality.Sample{Kind: quality.KindRoundTrip, ID: m.id, Source: quality.SourceCall, RTT: c.now - began, Fresh: true})
		if c.main == nil {
			c.main = m
			c.poll1()
		}
	})
}

// shaken is told that a TCP handshake is done.
func (c *client) shaken(began time.Duration) {
	c.observe(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceHandshake, RTT: c.now - began})
}

// sorted are the keys, so that runs repeat.
func sorted[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }

// call makes an exchange of the application, if there is a connection.
func (c *client) call() {
	c.q.plan(c.arrival(), c.call)
	if c.main == nil {
		return
	}
	server := time.Duration(c.rand.ExpFloat64() * float64(serverTime))
	if c.rand.Float64() < slowCalls {
		server = time.Second + time.Duration(c.rand.Int64N(int64(2*time.Second)))
	}
	c.send(quality.SourceCall, server)
}

// send makes an exchange on the main connection.
func (c *client) send(source quality.Source, server time.Duration) {
	m, id, began := c.main, c.id(), c.now
	c.waiting[id] = c.now
	c.observe(quality.Sample{Kind: quality.KindBegin, ID: id, Source: source})
	limit := c.now + c.e.Advice().Attempt
	if source == quality.SourceCall {
		limit = max(limit, c.now+callTimeoutAtLeast)
	}
	c.q.plan(limit, func() { c.timedOut(m, id, source) })
	there := c.tcp.segment(m, c.now, true, c.tcp.rto(c.now))
	if there == lostTime {
		return
	}
	c.q.plan(there+server, func() { // in the order in which the server answers
		done, cause := c.tcp.answer(c.tcp.segment(m, c.now, false, c.tcp.rto(c.now)))
		c.q.plan(done, func() { c.answered(m, id, source, began, server, cause) })
	})
}

// answered is told that the answer of an exchange arrived.
func (c *client) answered(m *conn, id uint64, source quality.Source, began, server time.Duration, cause quality.Cause) {
	if _, ok := c.waiting[id]; !ok {
		return // it was given up
	}
	delete(c.waiting, id)
	if cause != 0 {
		c.observe(quality.Sample{Kind: quality.KindFailure, ID: id, Source: source, Cause: cause})
		return
	}
	s := quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: source, RTT: c.now - began}
	if c.rand.Float64() >= untold {
		s.Server = server
	}
	c.observe(s)
	c.observe(quality.Sample{Kind: quality.KindPeer, Socket: m.id, Counters: m.down})
}

func (c *client) timedOut(m *conn, id uint64, source quality.Source) {
	if _, ok := c.waiting[id]; !ok {
		return
	}
	delete(c.waiting, id)
	c.observe(quality.Sample{Kind: quality.KindFailure, ID: id, Source: source, Cause: quality.CauseTimeout})
	if source == quality.SourcePing {
		c.lose(m) // as the connection's own probes do
	}
}

// segmentSent counts a segment at its time.
func (c *client) segmentSent(m *conn, t time.Duration, up, again bool) {
	c.q.plan(t, func() {
		if m.closed {
			return
		}
		k := &m.down
		if up {
			k = &m.up
		}
		k.Sent++
		if m == c.main {
			c.counted++
		}
		if again {
			k.Retransmitted++
		}
	})
}

// segmentAcked counts an acknowledgement. That it may be lost, too, is left out.
func (c *client) segmentAcked(m *conn, t time.Duration, up bool) {
	c.q.plan(t, func() {
		if up {
			m.up.Delivered++
		} else {
			m.down.Delivered++
		}
	})
}

func (c *client) poll() {
	c.q.plan(c.now+pollEach, c.poll)
	c.poll1()
}

func (c *client) poll1() {
	if c.main != nil {
		c.observe(quality.Sample{Kind: quality.KindSocket, Socket: c.main.id, Counters: c.main.up})
	}
}
