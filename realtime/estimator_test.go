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

// TestNewPathWaitsForThreeLosses: a path that nothing is known of isn't judged like a clean one. Where the round trip is
// short that still leaves time for the promise of 2 s.
func TestNewPathWaitsForThreeLosses(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms} {
		var e realtime.Estimator
		for n := range realtime.WarmUp - 1 {
			e.Observe(rtt)
			if d := e.DeadAfter(); d < e.Chain(3) || d > e.Chain(3)+200*ms {
				t.Fatalf("RTT %v: dead after %v after %d answers, want three losses in a row covered, %v", rtt, d, n+1, e.Chain(3))
			}
		}
		if d := e.DeadAfter(); rtt == 20*ms && d > 1700*ms {
			t.Errorf("RTT %v: dead after %v on a new path leaves nothing of the 2 s", rtt, d)
		}
		e.Observe(rtt)
		if d := e.DeadAfter(); d > max(realtime.DeadMin, e.Chain(1)) {
			t.Errorf("RTT %v: dead after %v on a path that is known to be clean", rtt, d)
		}
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
		{0.001, 1, 1500 * ms, 600},
		{0.01, 2, 3000 * ms, 600},
		{0.05, 5, 10 * time.Second, 600},
		{0.10, 5, 10 * time.Second, 600},
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
		if row.covers > 1 && e.SuspectAfter() < e.Chain(1) {
			t.Errorf("p=%v: suspect after %v, within one retransmission", row.p, e.SuspectAfter())
		}
	}
}

// TestHiccupIsNoLoss: one late answer on a clean path is what a short outage leaves behind. It must not cost the promise of
// 2 s for the minutes after; a second one soon after it does.
func TestHiccupIsNoLoss(t *testing.T) {
	var e realtime.Estimator
	steady(&e, 280*ms, 300)
	before := e.DeadAfter()
	if !e.Observe(1500 * ms) {
		t.Fatal("1.5 s on a path of 280 ms isn't late")
	}
	if d := e.DeadAfter(); d != before {
		t.Errorf("dead after %v once an answer was late, want %v as before", d, before)
	}
	steady(&e, 280*ms, 30)
	e.Observe(1500 * ms)
	if d := e.DeadAfter(); d < e.Chain(3) {
		t.Errorf("dead after %v once two answers were late, want three losses covered, %v", d, e.Chain(3))
	}
	steady(&e, 280*ms, realtime.CleanRun)
	if d := e.DeadAfter(); d != before {
		t.Errorf("dead after %v after %d clean answers, want %v again", d, realtime.CleanRun, before)
	}
}

// TestPatienceEbbs: the longer no answer is late, the shorter the chain of losses that is waited for.
func TestPatienceEbbs(t *testing.T) {
	var e realtime.Estimator
	for i := range 300 {
		e.Observe(100*ms + time.Duration(i%10/9)*300*ms)
	}
	last := e.DeadAfter()
	if last < e.Chain(5) {
		t.Fatalf("dead after %v at 5%% loss, want five losses covered, %v", last, e.Chain(5))
	}
	falls := 0
	for range realtime.CleanRun {
		e.Observe(100 * ms)
		d := e.DeadAfter()
		if d > last {
			t.Fatalf("dead after %v, later than %v before a clean answer", d, last)
		}
		if d < last {
			falls++
		}
		last = d
	}
	if falls != 4 || last != realtime.DeadMin {
		t.Errorf("fell %d times to %v, want 4 times to %v", falls, last, realtime.DeadMin)
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
