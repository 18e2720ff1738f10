package realtime_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
)

const ms = time.Millisecond

// steady feeds n equal round trips.
func steady(e *realtime.Estimator, rtt time.Duration, n int) {
	for range n {
		e.Observe(rtt)
	}
}

func TestCleanPathDeadlines(t *testing.T) {
	for _, row := range []struct {
		rtt, suspectMax, deadMax time.Duration
	}{
		{1 * ms, 250 * ms, 800 * ms},
		{20 * ms, 250 * ms, 800 * ms},
		{100 * ms, 250 * ms, 900 * ms},
		{300 * ms, 400 * ms, 1200 * ms},
		{1000 * ms, 1200 * ms, 2500 * ms},
	} {
		var e realtime.Estimator
		steady(&e, row.rtt, 100)
		s, d := e.SuspectAfter(), e.DeadAfter()
		if s < row.rtt+realtime.PathSlack || s < realtime.SuspectMin || s > row.suspectMax {
			t.Errorf("RTT %v: suspect after %v, want at most %v", row.rtt, s, row.suspectMax)
		}
		if d < realtime.DeadMin || d <= s || d > row.deadMax {
			t.Errorf("RTT %v: dead after %v, want at most %v", row.rtt, d, row.deadMax)
		}
	}
}

func TestNewPathWaitsForTwoLosses(t *testing.T) {
	var e realtime.Estimator
	steady(&e, 100*ms, realtime.WarmUp/2)
	if d := e.DeadAfter(); d < e.Chain(2) {
		t.Errorf("dead after %v on a path of which little is known, want at least %v", d, e.Chain(2))
	}
	if d := e.DeadAfter(); d > 1500*ms {
		t.Errorf("dead after %v, which leaves nothing of the 2 s", d)
	}
}

func TestRTTVarianceWidens(t *testing.T) {
	var calm, rough realtime.Estimator
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		calm.Observe(200 * ms)
		rough.Observe(150*ms + time.Duration(r.Int64N(int64(100*ms))))
	}
	if rough.SuspectAfter() <= calm.SuspectAfter() {
		t.Errorf("jitter doesn't widen the deadline: %v and %v", rough.SuspectAfter(), calm.SuspectAfter())
	}
}

// TestLossRaisesDeadline draws round trips as TCP shows loss, and holds the deadline against the longest chain that an
// hour may bring.
func TestLossRaisesDeadline(t *testing.T) {
	for _, row := range []struct {
		p       float64
		covers  int // chains of that many losses must not kill
		atMost  time.Duration
		samples int
	}{
		{0.001, 2, 1500 * ms, 600},
		{0.01, 2, 3000 * ms, 600},
		{0.05, 4, 10 * time.Second, 600},
		{0.10, 4, 10 * time.Second, 600},
	} {
		r := rand.New(rand.NewPCG(7, uint64(row.p*1000)))
		var e realtime.Estimator
		lates := 0
		for range row.samples {
			d, rto := 100*ms, 300*ms
			for r.Float64() < 2*row.p {
				d += rto
				rto *= 2
			}
			if e.Observe(d) {
				lates++
			}
		}
		if lates == 0 {
			t.Fatalf("p=%v: nothing was late; the row tests nothing", row.p)
		}
		if d := e.DeadAfter(); d < min(e.Chain(row.covers), realtime.DeadMax) || d > row.atMost {
			t.Errorf("p=%v: dead after %v, want %v to %v", row.p, d, e.Chain(row.covers), row.atMost)
		}
		if e.SuspectAfter() < e.Chain(1) {
			t.Errorf("p=%v: suspect after %v, within one retransmission", row.p, e.SuspectAfter())
		}
	}
}

func TestOneHiccupIsForgotten(t *testing.T) {
	var e realtime.Estimator
	steady(&e, 100*ms, 300)
	before := e.DeadAfter()
	if !e.Observe(900 * ms) {
		t.Fatal("900 ms on a path of 100 ms isn't late")
	}
	if d := e.DeadAfter(); d < e.Chain(2) || d > 1500*ms {
		t.Errorf("dead after %v once an answer was late, want two losses covered, in less than 1.5 s", d)
	}
	steady(&e, 100*ms, 600)
	if d := e.DeadAfter(); d != before {
		t.Errorf("dead after %v long after a hiccup, want %v again", d, before)
	}
}

func TestLongerPathIsNotLoss(t *testing.T) {
	var e realtime.Estimator
	steady(&e, 50*ms, 100)
	steady(&e, 2*time.Second, 60)
	if e.SRTT() < 1800*ms {
		t.Errorf("SRTT %v on a path that has become 2 s long", e.SRTT())
	}
	if e.AttemptTimeout() < 8*time.Second {
		t.Errorf("attempt timeout %v can't span three round trips of 2 s", e.AttemptTimeout())
	}
}

func TestAgeForgetsLoss(t *testing.T) {
	var e realtime.Estimator
	for i := range 300 {
		e.Observe(100*ms + time.Duration(i%10/9)*400*ms)
	}
	lossy := e.DeadAfter()
	e.Age()
	if e.DeadAfter() >= lossy {
		t.Errorf("dead after %v on a new network, was %v on the lossy one", e.DeadAfter(), lossy)
	}
}

func TestAttemptTimeout(t *testing.T) {
	var e realtime.Estimator
	if e.AttemptTimeout() != 10*time.Second {
		t.Errorf("%v before any measure", e.AttemptTimeout())
	}
	e.Provisional(500 * ms)
	if e.AttemptTimeout() != 4*time.Second {
		t.Errorf("%v at 500 ms, want 8 round trips", e.AttemptTimeout())
	}
	steady(&e, 20*ms, 50)
	if e.AttemptTimeout() != 1500*ms {
		t.Errorf("%v at 20 ms", e.AttemptTimeout())
	}
}
