package accuracy

import (
	"math"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// TestSetsAreDisjoint looks for a stream that both sets have: a run of one that looks like some run of the other.
func TestSetsAreDisjoint(t *testing.T) {
	const runs = 20_000
	seen := map[uint64]bool{}
	for _, set := range []Set{Tuning, Reporting} {
		for run := range uint64(runs) {
			for stream := range streams {
				first := set.rand(run, stream).Uint64()
				if seen[first] {
					t.Fatalf("%s, run %d, stream %d is there already", set, run, stream)
				}
				seen[first] = true
			}
		}
	}
}

// TestLateShareFollowsLoss holds the carrier against what was measured with a whole TCP/IP stack: with loss p each way, a
// share 1-(1-p)² of answers is late.
func TestLateShareFollowsLoss(t *testing.T) {
	for _, p := range []float64{0.01, 0.05, 0.1, 0.2} {
		l := &link{stretches: []stretch{{rtt: 50 * time.Millisecond, loss: p, reach: quality.ReachOnline}}}
		k := carrier{link: l, rand: Tuning.rand(1, streamOurs)}
		c := &conn{}
		const n = 20_000
		late, sent, again := 0, 0, 0
		k.sent = func(_ *conn, _ time.Duration, _, repeated bool) {
			if sent++; repeated {
				again++
			}
		}
		for i := range n {
			at := time.Duration(i) * time.Minute // so that none waits for another
			if k.exchange(c, at, 0)-at > 200*time.Millisecond {
				late++
			}
		}
		want := 1 - (1-p)*(1-p)
		if got := float64(late) / n; math.Abs(got-want) > 0.1*want+0.002 {
			t.Errorf("loss %v: %.4f late, want %.4f", p, got, want)
		}
		if got := float64(again) / float64(sent); math.Abs(got-p) > 0.1*p {
			t.Errorf("loss %v: %.4f sent again", p, got)
		}
	}
}

func TestLinksHaveTheirTruth(t *testing.T) {
	for cause := range causes {
		counts := map[answer]int{}
		var before stretch
		l := newLink(Tuning.rand(3, streamLink), cause, Familiar, 50*time.Hour)
		dwellMin, dwellMax := varieties[Familiar].dwellMin, varieties[Familiar].dwellMax
		for i, s := range l.stretches {
			counts[answer{s.level(), s.reach}]++
			if i > 0 && s.level() == before.level() && s.reach == before.reach {
				t.Fatalf("%s: stretch %d is like the one before", cause, i)
			}
			if i > 0 && (s.from-before.from < dwellMin || s.from-before.from > dwellMax) {
				t.Fatalf("%s: stretch %d took %v", cause, i, s.from-before.from)
			}
			for _, edge := range []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond} {
				if r := float64(s.rtt) / float64(edge); r > 1-guard+1e-9 && r < 1+guard-1e-9 {
					t.Fatalf("%s: RTT %v is at an edge", cause, s.rtt)
				}
			}
			before = s
		}
		for a, n := range counts {
			if n < len(l.stretches)/20 {
				t.Errorf("%s: %v only %d times of %d", cause, a, n, len(l.stretches))
			}
		}
		if len(counts) < 4 {
			t.Errorf("%s: %v", cause, counts)
		}
	}
}

// TestJudgeCounts compares a script of answers with what is worked out by hand.
func TestJudgeCounts(t *testing.T) {
	l := &link{stretches: []stretch{
		{rtt: 20 * time.Millisecond, reach: quality.ReachOnline},
		{from: 100 * time.Second, rtt: 20 * time.Millisecond, reach: quality.ReachOffline},
		{from: 200 * time.Second, rtt: 200 * time.Millisecond, reach: quality.ReachOnline},
	}}
	up := answer{quality.Excellent, quality.ReachOnline}
	off := answer{quality.Offline, quality.ReachOffline}
	fair := answer{quality.Fair, quality.ReachOnline}
	j := judge{link: l}
	j.tell(0, 102*time.Second, up, 0.99)                // 2 s late
	j.tell(102*time.Second, 201*time.Second, off, 0.5)  // 1 s late
	j.tell(201*time.Second, 250*time.Second, fair, 0.5) // right
	j.tell(250*time.Second, 260*time.Second, up, 0.99)  // wrong, and settled
	j.tell(260*time.Second, 300*time.Second, fair, 0.5) // right again
	s := j.Score
	want := Score{
		Seconds: 300, Right: 100 + 98 + 89, SettledSeconds: 3 * 85, SettledRight: 3*85 - 10,
		Flaps: 2, Sure: 112, SureRight: 100,
	}
	if s.Seconds != want.Seconds || s.Right != want.Right || s.SettledSeconds != want.SettledSeconds ||
		s.SettledRight != want.SettledRight || s.Flaps != want.Flaps || s.Sure != want.Sure || s.SureRight != want.SureRight {
		t.Errorf("got %+v", s)
	}
	if s.Blackout.P(0.5) != 2 || s.Near.P(0.5) != 2 || s.Back.P(0.5) != 1 || len(s.Worse)+len(s.Better) != 0 {
		t.Errorf("times %v %v %v %v %v", s.Blackout, s.Near, s.Back, s.Worse, s.Better)
	}
	if s.Level[quality.Fair][quality.Excellent] != 10 || s.Reach[quality.ReachOffline][quality.ReachOffline] != 85 {
		t.Errorf("confusion %v %v", s.Level, s.Reach)
	}
	if got, ok := s.LevelRecall(quality.Fair); !ok || got != 75.0/85 {
		t.Errorf("recall %v", got)
	}
}

// TestJudgeCountsWhatIsNeverSeen: a stretch that nobody noticed counts with its whole length.
func TestJudgeCountsWhatIsNeverSeen(t *testing.T) {
	l := &link{stretches: []stretch{
		{rtt: 20 * time.Millisecond, reach: quality.ReachOnline},
		{from: 100 * time.Second, rtt: 20 * time.Millisecond, reach: quality.ReachOffline},
		{from: 160 * time.Second, rtt: 20 * time.Millisecond, reach: quality.ReachOnline},
	}}
	j := judge{link: l}
	j.tell(0, 200*time.Second, answer{quality.Excellent, quality.ReachOnline}, 0)
	if j.Blackout.P(0.5) != 60 || j.Back.P(0.5) != 0 {
		t.Errorf("times %v %v", j.Blackout, j.Back)
	}
}

// TestSketchDoesWhatItDid holds the copy of the first sketch's algorithm against its known faults.
func TestSketchDoesWhatItDid(t *testing.T) {
	l := &link{stretches: []stretch{
		{rtt: 80 * time.Millisecond, reach: quality.ReachOnline},
		{from: 65 * time.Second, rtt: 100 * time.Millisecond, reach: quality.ReachOffline},
	}}
	s := newSketch(l, Tuning.rand(1, streamSketch))
	var offline time.Duration
	s.tell = func(from, to time.Duration, level quality.Level, _ quality.Reach) {
		switch {
		case from > 20*time.Second && from < 60*time.Second && level != quality.Good:
			t.Errorf("%v: %s", from, level)
		case level == quality.Offline && offline == 0:
			offline = from
		}
	}
	s.run(10 * time.Minute)
	if late := offline - 65*time.Second; late < 2*time.Minute || late > 3*time.Minute {
		t.Errorf("without a time limit the outage is seen after %v", late)
	}
}
