package faultnet

import (
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Link is the path between one client host and one server host, in memory or through a Proxy. Its conditions may change
// at any time and hold for the connections that live as well as for new ones. All methods may be called concurrently,
// and when one returns the change has been made. A Link comes from Network.Link or Proxy.Link.
type Link struct {
	seed     uint64
	from, to string

	mu       sync.Mutex // guards all below, and every circuit, pipe and Conn of this link
	cond     Conditions
	toxics   []*toxic
	http     *HTTPFaults // follows the toxics; nil unless a Proxy has the link
	circuits map[*circuit]struct{}
	changed  chan struct{} // closed and replaced with each change
	hooks    []func()      // called after each change, without the lock
	stats    LinkStats
}

// LinkStats counts what went over a link since it was made.
type LinkStats struct {
	// Conns is how many connections were opened, Live how many of them still are.
	Conns, Live int64
	// BytesUp and BytesDown are the bytes that arrived at the server's and at the client's end.
	BytesUp, BytesDown int64
	// Segments is how many segments were sent, retransmissions included.
	Segments int64
	// Retransmissions is how many of them were sent again.
	Retransmissions int64
	// Dials is how many connections were tried, DialRetries how often their opening was sent again.
	Dials, DialRetries int64
}

func newLink(seed uint64, from, to string, cond Conditions) *Link {
	return &Link{
		seed: seed, from: from, to: to,
		cond:     cond.sane(),
		circuits: make(map[*circuit]struct{}),
		changed:  make(chan struct{}),
	}
}

// Conditions returns the present conditions, without what toxics add to them.
func (l *Link) Conditions() Conditions {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cond
}

// Set replaces the conditions. Numbers out of range are brought into it.
func (l *Link) Set(cond Conditions) {
	l.change(func() { l.cond = cond.sane() })
}

// Update changes the conditions: f gets the present ones and edits them. It runs under the link's lock, so it must not
// block or call the link.
func (l *Link) Update(f func(*Conditions)) {
	l.change(func() {
		cond := l.cond
		f(&cond)
		l.cond = cond.sane()
	})
}

// Cut takes both directions down, like a pulled cable: silence, no error.
func (l *Link) Cut() {
	l.Update(func(c *Conditions) { c.Up.Down, c.Down.Down = true, true })
}

// Heal ends what stops traffic or new connections: Down and Stall of both directions, Unreachable, Refused and Hang.
// Delay, jitter, rate and loss stay. Stranded and hung connections stay dead.
func (l *Link) Heal() {
	l.Update(func(c *Conditions) {
		c.Up.Down, c.Down.Down, c.Up.Stall, c.Down.Stall = false, false, false, false
		c.Unreachable, c.Refused, c.Hang = false, false, false
	})
}

// Reset breaks each live connection: both ends get ECONNRESET at once, and what was in flight is gone.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.liveLocked() {
		c.resetLocked()
	}
}

// Strand makes each live connection silently dead for ever in the given directions, up being client to server: what is
// in flight there is lost and nothing arrives any more, while neither end is told. New connections aren't concerned.
func (l *Link) Strand(up, down bool) {
	l.strand(up, down, func(*circuit) bool { return true })
}

func (l *Link) strand(up, down bool, which func(*circuit) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, c := range l.liveLocked() {
		if which(c) {
			c.strandLocked(now, up, down)
		}
	}
}

// Stats returns the counts so far.
func (l *Link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	stats := l.stats
	stats.Live = int64(len(l.circuits))
	for c := range l.circuits {
		for _, p := range c.pipes {
			stats.Segments += p.line.sentSegments
			stats.Retransmissions += p.line.retransmissions
		}
	}
	return stats
}

// change makes a change: every connection is brought up to date under the old conditions before it, and under the new
// ones after it.
func (l *Link) change(f func()) {
	l.mu.Lock()
	now := time.Now()
	live := l.liveLocked()
	for _, c := range live {
		c.advanceLocked(now)
	}
	f()
	for _, c := range live {
		c.treatLocked(now)
	}
	close(l.changed)
	l.changed = make(chan struct{})
	hooks := slices.Clone(l.hooks)
	l.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}

// liveLocked returns the live connections in the order in which they were opened.
func (l *Link) liveLocked() []*circuit {
	return slices.SortedFunc(maps.Keys(l.circuits), func(a, b *circuit) int { return int(a.number - b.number) })
}

// refusalLocked is the error that a new connection meets at once, or 0.
func (l *Link) refusalLocked(number int64) syscall.Errno {
	switch {
	case l.cond.Unreachable || l.poisonedLocked(toxicUnreachable, number):
		return syscall.EHOSTUNREACH
	case l.cond.Refused || l.poisonedLocked(toxicRefused, number):
		return syscall.ECONNREFUSED
	}
	return 0
}

// hangsLocked says whether a new connection is accepted and then ignored.
func (l *Link) hangsLocked(number int64) bool {
	return l.cond.Hang || l.poisonedLocked(toxicHang, number)
}

// nextNumber counts a new connection.
func (l *Link) nextNumber() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Dials++
	return l.stats.Dials
}
