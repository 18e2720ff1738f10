package accuracy

import (
	"fmt"
	"io"
	"strings"

	"github.com/chatsdk/chatsdk/quality"
)

// WriteTable writes one line for each result: shares in percent, times in seconds as p50/p95. The last column is the best
// that information allows, where that is known: see Result.Best.
func WriteTable(w io.Writer, results []Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %7s %6s %6s %6s %6s %9s %9s %9s %9s %9s %9s %6s %7s %8s %11s %7s %7s %7s\n", "setting", "settled", "all", "recall",
		"within", "flaps", "offline", "near", "back", "backnear", "worse", "better", "away95", "probes", "kB/h", "sure", "sketch", "common", "best")
	for i := range results {
		r := &results[i]
		o := &r.Ours
		best := "-"
		if share, ok := r.Best(); ok {
			best = fmt.Sprintf("%.1f", 100*share)
		}
		fmt.Fprintf(&b, "%-34s %7.2f %6.2f %6.1f %6.1f %6.2f %9s %9s %9s %9s %9s %9s %6.1f %7.0f %8.0f %5.1f/%5.1f %7.1f %7.1f %7s\n",
			r.String(), 100*o.Settled(), 100*o.Accuracy(), 100*o.leastRecall(), 100*ratio(o.WithinOne, o.SettledSeconds), o.FlapsAnHour(),
			o.Blackout, o.Near, o.Back, o.BackNear, o.Worse, o.Better, o.Away.P(0.95), o.ProbesAnHour(), o.BytesAnHour()/1000,
			100*ratio(o.Sure, o.Seconds), 100*o.Calibration(), 100*r.Sketch.Settled(), 100*r.Commonest.Settled(), best)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is p50/p95.
func (t Times) String() string {
	if len(t) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f/%.1f", t.P(0.5), t.P(0.95))
}

// leastRecall is the least of all levels and reaches that occur.
func (s *Score) leastRecall() float64 {
	least := 1.0
	for l := quality.Unknown; l <= quality.Offline; l++ {
		if share, ok := s.LevelRecall(l); ok {
			least = min(least, share)
		}
	}
	for r := quality.ReachUnknown; r <= quality.ReachOffline; r++ {
		if share, ok := s.ReachRecall(r); ok {
			least = min(least, share)
		}
	}
	return least
}

// WriteConfusion writes the confusion matrix of levels of a score, in percent of each true level's time.
func (s *Score) WriteConfusion(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s", "truth")
	for l := quality.Unknown; l <= quality.Offline; l++ {
		fmt.Fprintf(&b, "%11s", l)
	}
	b.WriteByte('\n')
	for l := quality.Unknown; l <= quality.Offline; l++ {
		if _, ok := s.LevelRecall(l); !ok {
			continue
		}
		sum := 0.0
		for _, x := range s.Level[l] {
			sum += x
		}
		fmt.Fprintf(&b, "%-12s", l)
		for _, x := range s.Level[l] {
			fmt.Fprintf(&b, "%11.2f", 100*x/sum)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
