package faultnet

import (
	"math/rand/v2"
	"time"
)

// Numbers of TCP, taken from Linux.
const (
	// segmentSize is the payload of an Ethernet-sized segment (1500 - 20 IP - 20 TCP).
	segmentSize = 1460
	// pieceSize bounds a segment where neither loss nor rate make its size matter: fewer, larger pieces are cheaper.
	pieceSize = 64 << 10
	// rtoMin is TCP_RTO_MIN: the timeout is the smoothed round-trip time plus at least this.
	rtoMin = 200 * time.Millisecond
	// rtoMax is TCP_RTO_MAX, where the doubling ends.
	rtoMax = 120 * time.Second
	// giveUpAfter is how long a segment is retransmitted: net.ipv4.tcp_retries2 = 15 documents 924.6 s.
	giveUpAfter = 924600 * time.Millisecond
)

// treatment is what one direction of one connection meets: the link's flow, changed by the toxics that apply to this
// connection, and what was done to the connection itself.
type treatment struct {
	Flow
	rto      time.Duration // first retransmission timeout: round-trip time + 200 ms
	stranded bool          // lost for ever
	swallow  bool          // data is taken and thrown away
	finDelay time.Duration // the end of the stream is held back by this
	slice    slicing       // or zero if segments aren't cut up
	limit    *toxic        // limit_data, or nil
	expiry   *toxic        // timeout or reset_peer, or nil
}

// slicing cuts data into small segments with a pause after each.
type slicing struct {
	average, variation int
	pause              time.Duration
}

// blocked says whether every segment is lost.
func (t *treatment) blocked() bool { return t.Down || t.stranded }

// segmentState is where a segment is.
type segmentState int

const (
	waiting segmentState = iota // not sent yet, or to be sent again
	flying                      // on its way; arrives at segment.at
	lost                        // the line waits for its timeout
)

// segment is a piece of a stream on its way.
type segment struct {
	data      []byte
	fin       bool
	again     bool // was sent before
	repeated  bool // was sent more than once
	state     segmentState
	notBefore time.Time
	left      time.Time // when the line began to send it
	sent, at  time.Time // when the line had sent it; when it arrives
}

// line is the model of one direction of one connection: a pure function of the calls made to it, their times and its
// random source. It has no lock, timer or clock of its own. Segments leave at the front, in order.
type line struct {
	rng      *rand.Rand
	segments []segment
	next     int       // first segment that may be waiting
	bytes    int       // payload in segments
	free     time.Time // when the line has sent what it was given
	// The one retransmission timer (RFC 6298 section 5), zero if nothing is lost.
	retryAt time.Time
	since   time.Time // when the segment that the timer is for was first sent
	tries   int       // retransmissions of it so far

	sentSegments, retransmissions, sentBytes int64
}

// push queues data, cut into segments, or the end of the stream.
func (l *line) push(now time.Time, data []byte, fin bool, tr *treatment) {
	if fin {
		l.segments = append(l.segments, segment{fin: true, notBefore: now.Add(tr.finDelay)})
		return
	}
	for len(data) > 0 {
		n := min(len(data), l.size(tr))
		l.segments = append(l.segments, segment{data: data[:n:n], notBefore: now})
		l.bytes += n
		data = data[n:]
	}
}

// size is how large the next segment may be.
func (l *line) size(tr *treatment) int {
	switch {
	case tr.slice.average > 0:
		n := tr.slice.average
		if v := min(tr.slice.variation, n); v > 0 {
			n += l.rng.IntN(2*v+1) - v
		}
		return max(n, 1)
	case tr.Loss > 0 || tr.Rate > 0:
		return segmentSize
	default:
		return pieceSize
	}
}

// step does what is due up to now: first transmissions, then the retransmission. It reports whether the connection
// gives up.
func (l *line) step(now time.Time, tr *treatment) (gaveUp bool) {
	l.depart(now, tr)
	for !l.retryAt.IsZero() && !l.retryAt.After(now) {
		if l.retryAt.Sub(l.since) >= giveUpAfter {
			return true
		}
		l.retry(tr)
		l.depart(now, tr)
	}
	return false
}

// depart sends the waiting segments whose turn has come.
func (l *line) depart(now time.Time, tr *treatment) {
	for ; l.next < len(l.segments); l.next++ {
		s := &l.segments[l.next]
		if s.state != waiting {
			continue
		}
		at := l.turn(s)
		if at.After(now) {
			return
		}
		l.transmit(s, at, tr)
		if s.state == lost && l.retryAt.IsZero() {
			l.since, l.tries = s.sent, 0
			l.retryAt = s.sent.Add(tr.rto)
		}
	}
}

// turn is when a waiting segment is sent.
func (l *line) turn(s *segment) time.Time {
	if l.free.After(s.notBefore) {
		return l.free
	}
	return s.notBefore
}

// transmit puts a segment on the line at a moment: it will arrive, or is lost.
func (l *line) transmit(s *segment, at time.Time, tr *treatment) {
	s.left = at
	if tr.Rate > 0 {
		at = at.Add(perByte(len(s.data), tr.Rate))
	}
	free := at
	if tr.slice.average > 0 && !s.fin {
		free = at.Add(tr.slice.pause)
	}
	if free.After(l.free) { // a retransmission doesn't wait for what the line has yet to send
		l.free = free
	}
	l.sentSegments++
	l.sentBytes += int64(len(s.data))
	if s.again {
		s.repeated = true
		l.retransmissions++
	}
	s.again, s.sent = true, at
	if tr.blocked() || tr.Loss > 0 && l.rng.Float64() < tr.Loss {
		s.state = lost
		return
	}
	s.state, s.at = flying, at.Add(tr.Delay)
	if tr.Jitter > 0 {
		s.at = s.at.Add(time.Duration(l.rng.Int64N(int64(tr.Jitter))))
	}
}

// perByte is how long n bytes take at a rate.
func perByte(n int, rate int64) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// retry sends the first lost segment again. If it gets through, all others that are lost become due at once, after it:
// the peer's acknowledgement opens the way, one round trip later on a real line.
func (l *line) retry(tr *treatment) {
	first := l.firstLost()
	if first < 0 {
		l.retryAt = time.Time{}
		return
	}
	at := l.retryAt
	l.transmit(&l.segments[first], at, tr)
	if l.segments[first].state == lost {
		l.tries++
		l.retryAt = at.Add(doubled(tr.rto, l.tries))
		return
	}
	l.retryAt = time.Time{}
	for i := first + 1; i < len(l.segments); i++ {
		if s := &l.segments[i]; s.state == lost {
			s.state, s.notBefore = waiting, at
			l.next = min(l.next, i)
		}
	}
}

// doubled is a timeout after a number of doublings, which end at rtoMax.
func doubled(timeout time.Duration, times int) time.Duration {
	for ; times > 0 && timeout < rtoMax; times-- {
		timeout = min(2*timeout, rtoMax)
	}
	return timeout
}

func (l *line) firstLost() int {
	for i := range l.segments {
		if l.segments[i].state == lost {
			return i
		}
	}
	return -1
}

// cut loses what is in flight at a moment. The timer counts from when the oldest of it was sent.
func (l *line) cut(now time.Time, tr *treatment) {
	for i := range l.segments {
		s := &l.segments[i]
		if s.state != flying || !s.at.After(now) {
			continue
		}
		s.state = lost
		if l.retryAt.IsZero() {
			l.since, l.tries = s.sent, 0
			l.retryAt = s.sent.Add(tr.rto)
			if l.retryAt.Before(now) { // delayed by more than a timeout when it was sent: due at once
				l.retryAt = now
			}
		}
	}
}

// pop takes the segment at the front if it has arrived by now.
func (l *line) pop(now time.Time, tr *treatment) (segment, bool) {
	if len(l.segments) == 0 || tr.Stall {
		return segment{}, false
	}
	s := l.segments[0]
	if s.state != flying || s.at.After(now) {
		return segment{}, false
	}
	l.segments[0] = segment{} // lets go of the data
	l.segments = l.segments[1:]
	l.next = max(l.next-1, 0)
	l.bytes -= len(s.data)
	if len(l.segments) == 0 {
		l.segments = nil
	}
	return s, true
}

// due is when step or pop has something to do next, or zero if only a call can change anything.
func (l *line) due(tr *treatment) time.Time {
	at := l.retryAt
	if l.next < len(l.segments) {
		if s := &l.segments[l.next]; s.state == waiting {
			at = earlier(at, l.turn(s))
		}
	}
	if len(l.segments) > 0 && l.segments[0].state == flying && !tr.Stall {
		at = earlier(at, l.segments[0].at)
	}
	return at
}

// abandon forgets what hasn't left yet at a moment, and what waits behind it. It returns when the last of the rest
// arrives, zero if there is none.
func (l *line) abandon(now time.Time) (last time.Time) {
	for i := range l.segments {
		s := &l.segments[i]
		if s.state != flying || s.sent.After(now) {
			for _, gone := range l.segments[i:] {
				l.bytes -= len(gone.data)
			}
			clear(l.segments[i:])
			l.segments = l.segments[:i]
			break
		}
		if s.at.After(last) {
			last = s.at
		}
	}
	l.next, l.retryAt = len(l.segments), time.Time{}
	return last
}

// clear forgets everything, as a reset does.
func (l *line) clear() {
	l.segments, l.next, l.bytes, l.retryAt = nil, 0, 0, time.Time{}
}

// earlier is the earlier of two moments, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
