package quality_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

func TestNonsenseIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		s    quality.Sample
		want quality.Refusal
	}{
		"no kind":            {quality.Sample{}, quality.RefusedKind},
		"no such kind":       {quality.Sample{Kind: 99}, quality.RefusedKind},
		"no such source":     {quality.Sample{Kind: quality.KindRoundTrip, RTT: ms, Source: 9}, quality.RefusedKind},
		"no cause":           {quality.Sample{Kind: quality.KindFailure}, quality.RefusedKind},
		"no notice":          {quality.Sample{Kind: quality.KindLink}, quality.RefusedKind},
		"no RTT":             {quality.Sample{Kind: quality.KindRoundTrip}, quality.RefusedRTT},
		"negative RTT":       {quality.Sample{Kind: quality.KindRoundTrip, RTT: -ms}, quality.RefusedRTT},
		"absurd RTT":         {quality.Sample{Kind: quality.KindRoundTrip, RTT: time.Hour}, quality.RefusedRTT},
		"server took longer": {quality.Sample{Kind: quality.KindRoundTrip, RTT: ms, Server: second}, quality.RefusedRTT},
		"no ID":              {quality.Sample{Kind: quality.KindBegin}, quality.RefusedID},
		"more lost than sent": {
			quality.Sample{Kind: quality.KindPeer, Counters: quality.Counters{Sent: 1, Retransmitted: 2}}, quality.RefusedCounters,
		},
		"no time":       {quality.Sample{Kind: quality.KindTransfer, Bytes: 1}, quality.RefusedTransfer},
		"absurd rate":   {quality.Sample{Kind: quality.KindTransfer, Bytes: math.MaxInt64, Took: 1}, quality.RefusedTransfer},
		"negative late": {quality.Sample{Kind: quality.KindLate, Took: -1}, quality.RefusedClock},
	} {
		p := play(quality.Foreground)
		p.pings(10, 500*ms, 40*ms)
		before := p.report()
		if got := p.tell(row.s); got != row.want || p.e.Refused(row.want) != 1 {
			t.Errorf("%s: %s", name, got)
		}
		if after := p.report(); after != before {
			t.Errorf("%s changed the report:\n%+v\n%+v", name, before, after)
		}
	}
}

// A clock that was set makes everything begin anew, whichever way.
func TestClockStepsForgetEverything(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, -10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
		p := play(quality.Foreground)
		p.pings(10, 500*ms, 40*ms)
		p.now = p.now.Add(step)
		for range 3 {
			if got := p.tell(quality.Sample{Kind: quality.KindInbound}); got != quality.RefusedClock {
				t.Errorf("%v: %s", step, got)
			}
		}
		if r := p.report(); r.Level != quality.Unknown || r.Reach != quality.ReachUnknown {
			t.Errorf("%v: %s, %s", step, r.Level, r.Reach)
		}
		p.pings(3, 500*ms, 200*ms)
		if err := p.is(quality.Fair, quality.ReachOnline); err != nil {
			t.Errorf("%v: %v", step, err)
		}
	}
}

func TestTooMuchOutstandingIsRefused(t *testing.T) {
	p := play(quality.Foreground)
	for id := range uint64(quality.Outstanding) {
		p.tell(quality.Sample{Kind: quality.KindBegin, ID: id + 1, Source: quality.SourceCall})
	}
	if p.e.Refused(quality.RefusedFull) == 0 {
		t.Error("nothing is refused")
	}
	if got := p.tell(quality.Sample{Kind: quality.KindBegin, ID: 1 << 40}); got != quality.Taken {
		t.Errorf("no room for a probe: %s", got)
	}
}

func TestObserveDoesntAllocate(t *testing.T) {
	p := play(quality.Foreground)
	c := quality.Counters{}
	if n := testing.AllocsPerRun(500, func() {
		id := p.begin()
		p.now = p.now.Add(40 * ms)
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, ID: id, RTT: 40 * ms})
		c.Sent, c.Delivered = c.Sent+2, c.Delivered+2
		p.socket(1, c)
		p.e.Report(p.now)
		p.e.WantProbe(p.now)
		p.e.Next(p.now)
		p.now = p.now.Add(460 * ms)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	p := play(quality.Foreground)
	b.ReportAllocs()
	for b.Loop() {
		p.now = p.now.Add(100 * ms)
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 40 * ms})
	}
}

// FuzzEstimator feeds anything: it never panics, and what it says stays within its bounds.
func FuzzEstimator(f *testing.F) {
	f.Add([]byte("a quick brown fox jumps over the lazy dog, and again, and again"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := play(quality.Foreground)
		for len(data) >= 12 {
			n := int64(binary.LittleEndian.Uint64(data[4:]))
			at, kind, what := int8(data[0]), int(data[1]%13), int(data[2]%7)
			p.now = p.now.Add(time.Duration(at) * 50 * ms)
			p.tell(quality.Sample{
				Kind: quality.Kind(kind), ID: uint64(data[3]), Source: quality.Source(what), RTT: time.Duration(n >> (data[3] % 60)),
				Server: time.Duration(n >> 40), Cause: quality.Cause(what), Socket: uint64(data[3] % 3), Bytes: n, Took: time.Duration(n >> 20),
				Link: quality.LinkEvent(what), Fresh: n&1 == 0, Loaded: n&2 == 0, Down: n&4 == 0,
				Counters: quality.Counters{Sent: uint64(n), Retransmitted: uint64(n) >> 3, Delivered: uint64(n) >> 1, SRTT: time.Duration(n >> 30)},
			})
			data = data[12:]
			r := p.report()
			if math.IsNaN(r.Confidence) || r.Confidence < 0 || r.Confidence > 1 || r.Loss.Low < 0 || r.Loss.High > 1 ||
				r.Loss.Low > r.Loss.High || math.IsNaN(r.Loss.Share) || r.RTT.Median < 0 || r.Age < 0 {
				t.Fatalf("%+v", r)
			}
			if (r.Level == quality.Offline) != (r.Reach == quality.ReachOffline) {
				t.Fatalf("%s but %s", r.Level, r.Reach)
			}
			if next := p.e.Next(p.now); !next.After(p.now) {
				t.Fatalf("next at %v", next)
			}
			p.e.WantProbe(p.now)
			if a := p.e.Advice(); a.RTO <= 0 || a.Attempt <= 0 || a.Handshake <= 0 || a.ChunkUp <= 0 {
				t.Fatalf("%+v", a)
			}
		}
	})
}
