package quality_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

func TestLevelsByLatency(t *testing.T) {
	for rtt, want := range map[time.Duration]quality.Level{
		5 * ms: quality.Excellent, 40 * ms: quality.Excellent, 60 * ms: quality.Good, 120 * ms: quality.Good,
		180 * ms: quality.Fair, 240 * ms: quality.Fair, 360 * ms: quality.Poor, 3 * second: quality.Poor,
	} {
		p := play(quality.Foreground)
		p.pings(3, 4*second, rtt)
		if err := p.is(want, quality.ReachOnline); err != nil {
			t.Errorf("%v: %v", rtt, err)
		}
		r := p.report()
		if r.Reason != quality.ReasonRTT || r.RTT.Median < rtt-ms || r.RTT.Median > rtt+ms || r.RTT.Tail < rtt || r.RTT.Samples != 3 {
			t.Errorf("%v: %+v", rtt, r)
		}
	}
}

// checkEdge plays an hour of a path at 150 ms.
func checkEdge() error {
	p := play(quality.Foreground)
	r := rand.New(rand.NewPCG(1, 2))
	changes, last := 0, quality.Unknown
	for range 7200 {
		began := p.now
		p.ping(noisy(r, 150*ms))
		p.wait(500*ms - p.now.Sub(began))
		if l := p.report().Level; l != last {
			changes, last = changes+1, l
		}
		if changes > 10 {
			return fmt.Errorf("%d changes within an hour", changes)
		}
	}
	return nil
}

func TestPathAtAnEdgeKeepsItsLevel(t *testing.T) { holds(t, checkEdge) }

// checkChange wants a longer path told within 2.5 s, and a shorter one within 5.
func checkChange() error {
	p := play(quality.Foreground)
	p.pings(100, 500*ms, 30*ms)
	before := p.is(quality.Excellent, quality.ReachOnline)
	p.pings(5, 500*ms, 200*ms)
	worse := p.is(quality.Fair, quality.ReachOnline)
	p.pings(100, 500*ms, 200*ms)
	p.pings(10, 500*ms, 30*ms)
	return first(before, worse, p.is(quality.Excellent, quality.ReachOnline))
}

func TestChangeIsSeen(t *testing.T) { holds(t, checkChange) }

func checkHandshake() error {
	p := play(quality.Foreground)
	p.pings(10, 500*ms, 40*ms)
	for range 20 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 400 * ms, Fresh: true})
		p.wait(500 * ms)
	}
	return p.is(quality.Excellent, quality.ReachOnline)
}

func TestHandshakeIsNoRoundTrip(t *testing.T) { holds(t, checkHandshake) }

func checkOutage() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 40*ms)
	id := p.begin()
	p.wait(20 * second)
	gone := p.is(quality.Offline, quality.ReachOffline)
	p.tell(quality.Sample{Kind: quality.KindRoundTrip, ID: id, RTT: 20 * second})
	back := first(gone, p.is(quality.Unknown, quality.ReachOnline)) // reached, and nothing measured
	p.pings(1, 100*ms, 40*ms)
	return first(back, p.is(quality.Excellent, quality.ReachOnline))
}

func TestAnswerAfterAnOutageIsNoRoundTrip(t *testing.T) { holds(t, checkOutage) }

func TestServersTimeIsNoLatency(t *testing.T) {
	p := play(quality.Foreground)
	for range 40 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceCall, RTT: 440 * ms, Server: 400 * ms})
		p.wait(500 * ms)
	}
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
	for range 5 { // one that doesn't tell it is an upper bound, where better is known
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceCall, RTT: 440 * ms})
		p.wait(500 * ms)
	}
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

func TestLoadedRoundTripsStandApart(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(10, 500*ms, 40*ms)
	for range 20 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 900 * ms, Loaded: true})
		p.wait(500 * ms)
	}
	r := p.report()
	if r.Level != quality.Excellent || r.RTT.Median > 41*ms || r.RTT.Loaded < 899*ms || r.RTT.Loaded > 901*ms {
		t.Errorf("%+v", r)
	}
	for range 60 { // nothing else is known any more
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 900 * ms, Loaded: true})
		p.wait(500 * ms)
	}
	if r := p.report(); r.Level != quality.Poor || r.Reason != quality.ReasonLoad {
		t.Errorf("%s, %s", r.Level, r.Reason)
	}
}

func TestConfidenceGrows(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(1, 500*ms, 100*ms)
	one := p.report().Confidence
	p.pings(60, 500*ms, 100*ms)
	many := p.report().Confidence
	if one <= 0.3 || one > 0.95 || many < 0.95 || many > 1 {
		t.Errorf("%.3f after one sample, %.3f after sixty", one, many)
	}
	p.begin()
	p.wait(500 * ms)
	if doubt := p.report().Confidence; doubt > many/2 {
		t.Errorf("%.3f while an answer is overdue", doubt)
	}
}

func TestMetricsAreTheSketchsView(t *testing.T) {
	p := play(quality.Foreground)
	text, err := json.Marshal(p.report().Metrics())
	if err != nil || string(text) != `{"quality":"unknown","packetLoss":0,"isOnline":false,"timestamp":0}` {
		t.Errorf("%s, %v", text, err)
	}
	p.pings(20, 500*ms, 100*ms)
	m := p.report().Metrics()
	if m.Quality != quality.Good || m.Latency < 99 || m.Latency > 101 || !m.IsOnline || m.Timestamp != noon.Add(100*ms).UnixMilli() {
		t.Errorf("%+v", m)
	}
	p.fails(quality.CausePortal)
	if m := p.report().Metrics(); m.Quality != quality.Unknown || !m.IsOnline || m.Timestamp != p.now.UnixMilli() {
		t.Errorf("behind a portal: %+v", m)
	}
	p.fails(quality.CauseUnreachable)
	if m := p.report().Metrics(); m.Quality != quality.Offline || m.IsOnline {
		t.Errorf("offline: %+v", m)
	}
}

func TestWordsComeBack(t *testing.T) {
	for l := quality.Unknown; l <= quality.Offline; l++ {
		var got quality.Level
		if text, err := l.MarshalText(); err != nil || got.UnmarshalText(text) != nil || got != l {
			t.Errorf("%s became %s", l, got)
		}
	}
	for r := quality.ReachUnknown; r <= quality.ReachOffline; r++ {
		var got quality.Reach
		if text, err := r.MarshalText(); err != nil || got.UnmarshalText(text) != nil || got != r {
			t.Errorf("%s became %s", r, got)
		}
	}
	if quality.ReachServerDown.String() != "server-down" || quality.Level(99).String() != "unknown" {
		t.Error("wrong words")
	}
	var l quality.Level
	if err := l.UnmarshalText([]byte("great")); err == nil {
		t.Error("great is a level")
	}
}

func TestGoodputAndAdvice(t *testing.T) {
	p := play(quality.Foreground)
	if a := p.e.Advice(); a.Known || a.RTO != second || a.ChunkUp != 1<<20 || a.Handshake < 3*second {
		t.Errorf("at first %+v", a)
	}
	p.pings(30, 500*ms, 100*ms)
	p.tell(quality.Sample{Kind: quality.KindTransfer, Bytes: 1 << 20, Took: 2 * second})
	p.tell(quality.Sample{Kind: quality.KindTransfer, Bytes: 1000, Took: ms})                    // too little to tell
	p.tell(quality.Sample{Kind: quality.KindTransfer, Bytes: 1 << 30, Took: second, Down: true}) // another way
	r, a := p.report(), p.e.Advice()
	if r.Goodput.Up != 1<<19 || r.Goodput.Down != 1<<30 {
		t.Errorf("%+v", r.Goodput)
	}
	if !a.Known || a.RTO != 200*ms || a.Attempt != 1500*ms || a.Handshake != 1500*ms || a.ChunkUp != 1<<20 || a.ChunkDown != 8<<20 {
		t.Errorf("%+v", a)
	}
	p.unanswered(1, 2*second, 1500*ms)
	if got := p.e.Advice().Attempt; got != 3*second {
		t.Errorf("after a timeout %v, want twice the time", got)
	}
}
