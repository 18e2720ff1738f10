package realtime

import (
	"net"
	"time"
)

// ExchangeKind says what an Exchange tells.
type ExchangeKind int

const (
	// ExchangeBegan: a control ping or a command was given to the connection.
	ExchangeBegan ExchangeKind = iota + 1
	// ExchangeAnswered: its answer came. RTT.
	ExchangeAnswered
	// ExchangeLost: its connection was given up for dead, or didn't answer connect in time.
	ExchangeLost
	// ExchangeDropped: it isn't waited for any more, for a reason that says nothing of the path: its connection ended
	// otherwise, or the server left a command unanswered on one that works.
	ExchangeDropped
	// ExchangeHeard: the server sent something that nobody asked for. Told at most once each 100 ms.
	ExchangeHeard
	// ExchangeDown: an established connection was lost. Not told of one that Disconnect or Close ended.
	ExchangeDown
)

// Exchange is something that was asked of the server, or what came of it. Each one that began ends once.
type Exchange struct {
	Kind ExchangeKind
	// ID names an exchange from its beginning to its end and is given once; 0 for ExchangeHeard and ExchangeDown.
	ID uint64
	// Ping says that it is a control ping, which the server answers out of its reader: its RTT is that of the path. That
	// of a command has the server's work in it. Commands that are sent together are one exchange, that of the first.
	Ping bool
	// Conn is the connection, as Options.DialContext made it. It is there to be recognized, not to be used.
	Conn net.Conn
	At   time.Time     // when it happened
	RTT  time.Duration // from sending to the answer
	// Loaded says that the answer came as late as what was being uploaded over the connection explains.
	Loaded bool
	// Frames and Received are what has come over Conn until now: frames with more than the server's pings, and bytes, TLS
	// included.
	Frames, Received uint64
}

// heardEvery is the shortest time between two ExchangeHeard: they are signs of life, not a count.
const heardEvery = 100 * time.Millisecond

// exchanging is what the owner knows of exchanges.
type exchanging struct {
	lastID uint64    // given
	heard  time.Time // when the server was last told to have been heard
}

// tell tells of an exchange on the link.
func (o *owner) tell(x Exchange) {
	if o.o.OnExchange != nil {
		raw := o.link.tr.raw
		x.Conn, x.Frames, x.Received = raw.Conn, o.link.frames, raw.in.Load()
		o.o.OnExchange(x)
	}
}

// began tells of a new exchange and returns its number.
func (o *owner) began(ping bool, at time.Time) uint64 {
	o.exchanges.lastID++
	id := o.exchanges.lastID
	if ping {
		o.link.pings = append(o.link.pings, id)
	}
	o.tell(Exchange{Kind: ExchangeBegan, ID: id, Ping: ping, At: at})
	return id
}

// answered tells of an answer. before is the number of bytes that were being uploaded in front of what it answers. 0 is
// a command that was sent along with another: its answer is a sign of life.
func (o *owner) answered(id uint64, ping bool, at time.Time, rtt time.Duration, before int) {
	if id == 0 {
		o.heardUnasked(at)
		return
	}
	o.exchanges.heard = at
	o.tell(Exchange{
		Kind: ExchangeAnswered, ID: id, Ping: ping, At: at, RTT: rtt, Loaded: o.est.delayedByUpload(rtt, before),
	})
}

// ended tells of an exchange that isn't waited for any more.
func (o *owner) ended(id uint64, ping bool, kind ExchangeKind) {
	if id != 0 && planted != bugForgetEnds {
		o.tell(Exchange{Kind: kind, ID: id, Ping: ping, At: time.Now()})
	}
}

// endExchanges tells of what a link leaves unanswered. It is the link still.
func (o *owner) endExchanges() {
	l := o.link
	kind := ExchangeDropped
	if l.dead {
		kind = ExchangeLost
	}
	for _, id := range l.pings {
		o.ended(id, true, kind)
	}
	l.pings = nil
	for _, cmd := range l.pending {
		o.ended(cmd.exchange, false, kind)
		cmd.exchange = 0
	}
}

// heardUnasked tells that something came that was no answer.
func (o *owner) heardUnasked(at time.Time) {
	if at.Sub(o.exchanges.heard) >= heardEvery {
		o.exchanges.heard = at
		o.tell(Exchange{Kind: ExchangeHeard, At: at})
	}
}

// ponged forgets a ping that was answered.
func (l *link) ponged(id uint64) {
	for i, p := range l.pings {
		if p == id {
			l.pings = append(l.pings[:i], l.pings[i+1:]...)
			return
		}
	}
}

// Probe sends a control ping now, if there is a connection on which none is unanswered, and says whether there is one: for
// those who would like to hear from the server, by Options.OnExchange or OnRoundTrip. It doesn't wait.
func (c *Client) Probe() bool {
	c.mu.Lock()
	up := c.snap.State == Connected
	c.mu.Unlock()
	if up {
		c.box.put(event{kind: evProbe})
	}
	return up
}

// probeAsked sends the ping of Probe.
func (o *owner) probeAsked(now time.Time) {
	if o.link != nil && o.link.up && len(o.link.pings) == 0 {
		o.probe(now)
	}
}
