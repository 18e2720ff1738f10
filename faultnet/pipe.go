package faultnet

import (
	"syscall"
	"time"
)

// pipe is one direction of a connection: the line, what has arrived of it, and who waits. The link's lock guards it.
type pipe struct {
	circuit *circuit
	dir     direction
	buffer  int // bound of bytes in the line and unread, 0 = unlimited
	source  *Conn
	target  *Conn

	line     line
	acks     acks
	tr       treatment
	written  int64     // bytes that were given to the line
	arrived  int64     // bytes that the target got, read or not
	released time.Time // when a stall ended last
	unread   [][]byte  // arrived, oldest first
	pending  int       // bytes of unread
	ended    bool      // the end of the stream has arrived
	resetAt  time.Time

	limitFor  *toxic // the limit_data that let passed count
	passed    int64
	expiryFor *toxic // the timeout or reset_peer that set expireAt
	expireAt  time.Time

	timer    *time.Timer
	stopped  bool
	readable chan struct{} // closed when a reader should look again, or nil while none waits
	writable chan struct{} // the same for a writer
}

func newPipe(c *circuit, d direction, buffer int) *pipe {
	l := c.link
	return &pipe{
		circuit: c, dir: d, buffer: buffer,
		line: line{rng: newRand(l.seed, l.from, l.to, c.number, int(d))},
	}
}

// roomLocked is how many more bytes fit, at least wanted if the pipe is unbounded.
func (p *pipe) roomLocked(wanted int) int {
	if p.buffer <= 0 {
		return wanted
	}
	return p.buffer - p.line.bytes - p.pending
}

// sendLocked queues data, which the pipe then owns, or the end of the stream.
func (p *pipe) sendLocked(data []byte, fin bool) {
	now := time.Now()
	p.written += int64(len(data))
	p.line.push(now, data, fin, &p.tr)
	p.advanceLocked(now)
}

// sendResetLocked sends RST, which isn't retransmitted: it arrives after the one-way delay or never.
func (p *pipe) sendResetLocked() {
	if p.tr.blocked() || !p.resetAt.IsZero() || p.tr.Loss > 0 && p.line.rng.Float64() < p.tr.Loss {
		return
	}
	now := time.Now()
	p.resetAt = now.Add(p.tr.Delay)
	p.advanceLocked(now)
}

// treatLocked changes what the pipe meets.
func (p *pipe) treatLocked(now time.Time, tr treatment) {
	if p.stopped {
		return
	}
	removed := p.expiryFor
	p.circuit.pipes[p.dir.other()].acks.changeWay(now, &p.tr, &tr, tr.rto)
	if p.tr.Stall && !tr.Stall {
		p.released = now
	}
	p.tr = tr
	if tr.blocked() {
		p.line.cut(now, &p.tr)
		p.resetAt = time.Time{}
	}
	if !sameToxic(tr.limit, p.limitFor) {
		p.passed = 0
	}
	p.limitFor, p.expiryFor = tr.limit, tr.expiry
	switch {
	case tr.expiry == removed:
	case tr.expiry != nil:
		p.expireAt = tr.expiry.expiry(now)
	default:
		p.expireAt = time.Time{}
		if removed.kind == toxicTimeout {
			p.circuit.closeLocked() // its data was thrown away: it can't go on
			return
		}
	}
	p.advanceLocked(now)
}

// advanceLocked does all that is due and sets the timer for what comes next.
func (p *pipe) advanceLocked(now time.Time) {
	if p.stopped {
		return
	}
	if p.line.step(now, &p.tr) {
		p.source.failLocked(syscall.ETIMEDOUT)
	}
	for !p.stopped {
		s, ok := p.line.pop(now, &p.tr)
		if !ok {
			break
		}
		p.arriveLocked(s)
	}
	if !p.resetAt.IsZero() && !p.resetAt.After(now) && !p.tr.Stall {
		p.resetAt = time.Time{}
		p.target.failLocked(syscall.ECONNRESET)
	}
	if !p.expireAt.IsZero() && !p.expireAt.After(now) {
		p.expireAt = time.Time{}
		p.expireLocked()
	}
	p.armLocked(now)
}

// arriveLocked hands a segment to the target.
func (p *pipe) arriveLocked(s segment) {
	wakeLocked(&p.writable)
	if p.target.goneLocked() {
		if !s.fin { // data for a socket that is gone: RST
			p.circuit.pipes[p.dir.other()].sendResetLocked()
		}
		return
	}
	p.acknowledgeLocked(&s)
	switch {
	case s.fin:
		p.ended = true
	case p.tr.swallow:
		return
	default:
		p.countLocked(&s)
		if len(s.data) > 0 && !p.target.readClosed {
			p.unread = append(p.unread, s.data)
			p.pending += len(s.data)
		}
	}
	wakeLocked(&p.readable)
	if p.limitFor != nil && p.passed >= p.limitFor.attributes.Bytes {
		p.circuit.closeLocked()
	}
}

// acknowledgeLocked has the target acknowledge a segment.
func (p *pipe) acknowledgeLocked(s *segment) {
	at := s.at
	if p.released.After(at) {
		at = p.released
	}
	way := &p.circuit.pipes[p.dir.other()].tr
	if l := p.circuit.link; p.acks.rng == nil && (way.Loss > 0 || way.Jitter > 0) { // most connections need none
		p.acks.rng = newRand(l.seed, l.from, l.to, p.circuit.number, streamAcks+int(p.dir))
	}
	p.acks.settle(at, way)
	p.acks.arrived(s, at, way, p.tr.rto)
}

// countLocked counts a segment and cuts it off at the byte that a limit_data allows.
func (p *pipe) countLocked(s *segment) {
	if p.limitFor != nil {
		left := max(p.limitFor.attributes.Bytes-p.passed, 0)
		s.data = s.data[:min(int64(len(s.data)), left)]
		p.passed += int64(len(s.data))
	}
	p.arrived += int64(len(s.data))
	if p.dir == upward {
		p.circuit.link.stats.BytesUp += int64(len(s.data))
	} else {
		p.circuit.link.stats.BytesDown += int64(len(s.data))
	}
}

// expireLocked ends the connection as the timeout or reset_peer toxic says.
func (p *pipe) expireLocked() {
	if p.expiryFor.kind == toxicResetPeer {
		p.circuit.resetLocked()
		return
	}
	p.circuit.closeLocked()
}

// takeLocked moves arrived bytes to b.
func (p *pipe) takeLocked(b []byte) int {
	n := 0
	for n < len(b) && len(p.unread) > 0 {
		k := copy(b[n:], p.unread[0])
		n += k
		if p.unread[0] = p.unread[0][k:]; len(p.unread[0]) == 0 {
			p.unread[0] = nil
			p.unread = p.unread[1:]
		}
	}
	p.tookLocked(n)
	return n
}

// takePieceLocked takes the oldest piece that has arrived. There must be one.
func (p *pipe) takePieceLocked() []byte {
	piece := p.unread[0]
	p.unread[0] = nil
	p.unread = p.unread[1:]
	p.tookLocked(len(piece))
	return piece
}

// tookLocked notes that n bytes were read.
func (p *pipe) tookLocked(n int) {
	if len(p.unread) == 0 {
		p.unread = nil
	}
	p.pending -= n
	if p.buffer > 0 && n > 0 {
		wakeLocked(&p.writable)
	}
}

// armLocked sets the timer to what is due next.
func (p *pipe) armLocked(now time.Time) {
	if p.stopped {
		return
	}
	at := earlier(p.line.due(&p.tr), p.expireAt)
	if !p.tr.Stall {
		at = earlier(at, p.resetAt)
	}
	switch {
	case at.IsZero():
		if p.timer != nil {
			p.timer.Stop()
		}
	case p.timer == nil:
		p.timer = time.AfterFunc(at.Sub(now), p.fire)
	default:
		p.timer.Reset(at.Sub(now))
	}
}

// fire is the timer's function.
func (p *pipe) fire() {
	p.circuit.link.mu.Lock()
	defer p.circuit.link.mu.Unlock()
	p.advanceLocked(time.Now())
}

// stopLocked ends the pipe: nothing happens on it any more.
func (p *pipe) stopLocked() {
	p.stopped = true
	p.line.clear()
	if p.timer != nil {
		p.timer.Stop()
	}
	wakeLocked(&p.readable)
	wakeLocked(&p.writable)
}

// waitLocked returns the channel that the next wake closes.
func waitLocked(wake *chan struct{}) <-chan struct{} {
	if *wake == nil {
		*wake = make(chan struct{})
	}
	return *wake
}

// wakeLocked wakes who waits.
func wakeLocked(wake *chan struct{}) {
	if *wake != nil {
		close(*wake)
		*wake = nil
	}
}
