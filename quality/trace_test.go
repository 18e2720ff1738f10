package quality_test

import (
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// trace is a random hour of what a page may see, and what an estimator says to it. It is made of whole numbers alone, as its
// twin in web/packages/core/test/trace.ts makes the same: what is changed here is to be changed there.
type trace struct {
	seed      uint32
	e         *quality.Estimator
	now, next time.Duration // since noon
	id        uint64
	world     traceWorld
	base      time.Duration // round trip
	loss      uint32        // of 1000 answers
	pending   []pending
	away      bool // background
	resting   bool
	want      bool
	wantFresh bool

	points []point
	sums   [12]float64
}

// pending is an answer on its way.
type pending struct {
	at time.Duration
	s  quality.Sample
}

// traceWorld is what answers.
type traceWorld uint32

const (
	worldServer traceWorld = iota
	worldSilent
	worldPortal
	worldErrors
	worldRefuses
	worldNone
	worldFlaky
	worlds
)

// roll is mulberry32: 32 bits, the same in every language.
func (t *trace) roll() uint32 {
	t.seed += 0x6d2b79f5
	x := t.seed
	x = (x ^ x>>15) * (1 | x)
	x = (x + (x^x>>7)*(61|x)) ^ x
	return x ^ x>>14
}

// below is a number below n.
func (t *trace) below(n uint32) uint32 { return t.roll() % n }

// some is a number of milliseconds, and some microseconds beside it.
func (t *trace) some(choices ...time.Duration) time.Duration {
	return choices[t.below(uint32(len(choices)))]*ms + time.Duration(t.below(1000))*time.Microsecond
}

func playTrace(seed uint32) *trace {
	t := &trace{seed: seed * 2654435761}
	t.away = t.below(5) == 0
	t.e = quality.NewEstimator(t.effort())
	t.newPath()
	t.ask(quality.Taken)
	for range 20 {
		t.act()
		t.advance(t.some(50, 200, 600, 1500, 4000))
	}
	return t
}

func (t *trace) effort() quality.Effort {
	if t.away {
		return quality.Background.Effort()
	}
	return quality.Foreground.Effort()
}

func (t *trace) newPath() {
	t.base = t.some(8, 30, 46, 49, 51, 54, 90, 140, 148, 152, 160, 230, 290, 305, 320, 450, 900)
	t.loss = []uint32{0, 0, 0, 5, 20, 80, 200}[t.below(7)]
}

func (t *trace) rtt() time.Duration {
	d := t.base * time.Duration(850+t.below(301)) / 1000 / 1000 * 1000
	if t.below(1000) < t.loss {
		d += t.base + 200*ms
	}
	return d
}

func (t *trace) tell(s quality.Sample) {
	s.At = t.at(t.now)
	t.tellAt(s)
}

func (t *trace) tellAt(s quality.Sample) { t.ask(t.e.Observe(s)) }

// advance lets time go by: answers come, and probes that are wanted are made.
func (t *trace) advance(d time.Duration) {
	for end := t.now + d; ; {
		if t.want {
			t.begin(quality.SourcePing, t.wantFresh)
			continue
		}
		if t.now >= end {
			return
		}
		to := min(end, max(t.next, t.now+1))
		first := -1
		for i, p := range t.pending {
			if p.at < to || p.at == to && first < 0 {
				to, first = max(p.at, t.now), i
			}
		}
		t.now = to
		if first < 0 {
			t.ask(quality.Taken)
			continue
		}
		s := t.pending[first].s
		t.pending = slices.Delete(t.pending, first, first+1)
		t.tell(s)
	}
}

// begin sends something, and sees to what comes of it.
func (t *trace) begin(source quality.Source, fresh bool) {
	t.id++
	id := t.id
	t.tell(quality.Sample{Kind: quality.KindBegin, ID: id, Source: source, Fresh: fresh})
	took := t.rtt()
	s := quality.Sample{Kind: quality.KindFailure, ID: id, Source: source}
	w := t.world
	if w == worldFlaky {
		w = worldServer
		if t.below(3) == 0 {
			w = worldSilent
		}
	}
	switch w {
	case worldSilent:
		if t.below(8) == 0 {
			return // nobody ends it
		}
		took, s.Cause = 3*second, quality.CauseTimeout
	case worldPortal:
		s.Cause = quality.CausePortal
	case worldErrors:
		s.Cause = quality.CauseServerError
	case worldRefuses:
		s.Cause = quality.CauseRefused
	case worldNone:
		took, s.Cause = ms, quality.CauseUnreachable
	case worldServer, worldFlaky, worlds:
		if fresh {
			took *= 3
		}
		s.Kind, s.RTT, s.Fresh = quality.KindRoundTrip, took, fresh
		if source == quality.SourceCall && t.below(2) == 0 {
			s.Server = took * time.Duration(t.below(100)) / 100 / 1000 * 1000
		}
	}
	t.pending = append(t.pending, pending{t.now + took, s})
}

// act is one thing that happens.
func (t *trace) act() {
	switch t.below(32) {
	case 0, 1:
		t.newPath()
	case 2, 3, 4, 5:
		w := traceWorld(t.below(uint32(worlds)))
		if t.world != worldServer && t.below(2) == 0 {
			w = worldServer
		}
		t.world = w
	case 6:
		t.tell(quality.Sample{Kind: quality.KindLink, Link: quality.LinkEvent(1 + t.below(3))})
	case 7:
		t.tell(quality.Sample{Kind: quality.KindLate, Took: t.some(0, 500, 5000, 40_000)})
	case 8:
		t.sleep(t.some(1500, 5000, 40_000, 150_000))
	case 9:
		t.away = !t.away
		t.e.SetEffort(t.effort())
		t.ask(quality.Taken)
	case 10, 11:
		t.nonsense()
	case 12:
		t.tell(quality.Sample{Kind: quality.KindInbound})
	case 13, 14:
		for range 1 + t.below(4) {
			t.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: t.rtt() * 2, Loaded: true})
			t.now += 50 * ms
		}
	case 15, 16, 17, 18:
		for range 1 + t.below(3) {
			t.begin(quality.SourceCall, t.below(6) == 0)
		}
	case 19, 20:
		t.unasked()
	case 21:
		t.tell(quality.Sample{
			Kind: quality.KindFailure, Cause: quality.Cause(1 + t.below(5)), Source: quality.Source(t.below(2)),
		})
	case 22:
		t.again()
	case 23:
		t.set()
	case 24:
		t.resting = !t.resting
		t.e.SetProbing(!t.resting)
		t.ask(quality.Taken)
	}
}

// sleep is a time in which nobody looks; what was to come meanwhile comes at its end.
func (t *trace) sleep(d time.Duration) {
	from := t.now
	t.now += d
	for i := range t.pending {
		if p := &t.pending[i]; p.at < t.now {
			if p.s.Kind == quality.KindRoundTrip {
				p.s.RTT += t.now - max(p.at, from)
			}
			p.at = t.now
		}
	}
	t.ask(quality.Taken)
}

// unasked answers come out of order.
func (t *trace) unasked() {
	for range 1 + t.below(6) {
		t.tellAt(quality.Sample{
			Kind: quality.KindRoundTrip, At: t.at(t.now - t.some(0, 0, 0, 20, 3000, 12_000)), RTT: t.rtt(),
			Source: quality.Source(t.below(2)),
		})
		t.now += t.some(0, 10, 90)
	}
}

// again begins what began already, or more than there is room for.
func (t *trace) again() {
	n := uint32(2)
	if t.below(6) == 0 {
		n = 70
	}
	source := quality.Source(t.below(2))
	for i := range n {
		t.tell(quality.Sample{Kind: quality.KindBegin, ID: uint64(1_000_000 + i/2), Source: source})
		t.tell(quality.Sample{Kind: quality.KindBegin, ID: uint64(2_000_000 + i), Source: source})
	}
	for i := range n {
		t.tell(quality.Sample{Kind: quality.KindEnd, ID: uint64(1_000_000 + i)})
		t.tell(quality.Sample{Kind: quality.KindEnd, ID: uint64(2_000_000 + i)})
	}
}

// set sets the clock, or has somebody tell of another time.
func (t *trace) set() {
	if t.below(2) == 0 {
		t.now -= 7200 * second
		t.pending = nil
		for range 3 {
			t.tell(quality.Sample{Kind: quality.KindInbound})
		}
		return
	}
	for range 1 + t.below(3) {
		t.tellAt(quality.Sample{Kind: quality.KindInbound, At: t.at(t.now + 400*24*3600*second)})
	}
}

// nonsense is what no estimator may take.
func (t *trace) nonsense() {
	s := []quality.Sample{
		{},
		{Kind: quality.KindRoundTrip},
		{Kind: quality.KindRoundTrip, RTT: -ms},
		{Kind: quality.KindRoundTrip, RTT: 121 * second},
		{Kind: quality.KindRoundTrip, RTT: ms, Server: ms},
		{Kind: quality.KindRoundTrip, RTT: ms, Server: -1},
		{Kind: quality.KindRoundTrip, RTT: ms, Source: 9},
		{Kind: quality.KindBegin},
		{Kind: quality.KindFailure},
		{Kind: quality.KindFailure, ID: t.id},
		{Kind: quality.KindLink},
		{Kind: quality.KindLate, Took: -1},
	}[t.below(12)]
	t.tell(s)
}
