package accuracy

import (
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	sketchEach = 10 * time.Second
	sketchHang = 2 * time.Minute // after which a browser gives a request up by itself: the sketch sets no time limit
)

// sketch is the first sketch's monitor, as it was written: a HEAD every 10 s, its time as it is, and a counter that goes up
// by 10 for a failure and down by 5 for a success.
type sketch struct {
	link *link
	tcp  carrier
	tell func(from, to time.Duration, level quality.Level, reach quality.Reach)

	q       queue
	now     time.Duration
	kept    *conn // a connection that the browser keeps
	busy    bool
	latency time.Duration
	loss    int
	online  bool
	level   quality.Level
}

func newSketch(l *link, r *rand.Rand) *sketch {
	return &sketch{link: l, tcp: carrier{link: l, rand: r}, online: true, level: quality.Good}
}

func (s *sketch) run(length time.Duration) {
	s.q.plan(0, s.tick)
	for _, st := range s.link.stretches {
		s.q.plan(st.from, func() { s.turn(st) })
	}
	var last time.Duration
	for s.q.next() < length {
		e := s.q.pop()
		if e.at > last {
			s.tell(last, e.at, s.level, s.reach())
			last = e.at
		}
		s.now = e.at
		e.do()
	}
	s.tell(last, length, s.level, s.reach())
}

func (s *sketch) reach() quality.Reach {
	if s.level == quality.Offline {
		return quality.ReachOffline
	}
	return quality.ReachOnline
}

// turn is what the browser tells of the network.
func (s *sketch) turn(st stretch) {
	switch {
	case st.reach == quality.ReachOffline && st.told:
		s.online, s.level = false, quality.Offline
	case !s.online:
		s.online = true
		s.measure()
	}
}

func (s *sketch) tick() {
	s.q.plan(s.now+sketchEach, s.tick)
	s.measure()
}

func (s *sketch) measure() {
	if !s.online {
		return
	}
	began := s.now
	c := s.kept
	var done time.Duration
	var cause quality.Cause
	if c == nil || s.busy {
		c = &conn{}
		o := s.tcp.dial(c, s.now, false)
		done, cause = o.done, o.cause
	} else {
		s.busy = true
		done, cause = s.tcp.answer(s.tcp.exchange(c, s.now, 0))
	}
	if at := s.link.at(s.now); at.reach == quality.ReachCaptive { // the portal answers in the server's place
		done, cause = s.now+at.rtt, 0
	}
	if done >= s.now+sketchHang {
		done, cause = s.now+sketchHang, quality.CauseTimeout
	}
	s.q.plan(done, func() {
		if c == s.kept {
			s.busy = false
		}
		// An answer is a success, whatever its status.
		if cause == 0 || cause == quality.CauseServerError {
			s.kept = c
			s.latency, s.loss = s.now-began, max(0, s.loss-5)
		} else {
			s.kept = nil
			s.loss = min(100, s.loss+10)
		}
		s.level = s.quality()
	})
}

func (s *sketch) quality() quality.Level {
	switch ms := s.latency.Milliseconds(); {
	case !s.online || s.loss > 10:
		return quality.Offline
	case ms < 50 && s.loss < 1:
		return quality.Excellent
	case ms < 150 && s.loss < 2:
		return quality.Good
	case ms < 300 && s.loss < 5:
		return quality.Fair
	}
	return quality.Poor
}
