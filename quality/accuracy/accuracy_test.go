package accuracy_test

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/quality/accuracy"
)

// slice is how much of each setting is played: 20 minutes, or ACCURACY_RUNS runs of an hour. ACCURACY_SET=tuning is for
// whoever changes the estimator's numbers.
func slice(t *testing.T) (set accuracy.Set, runs int, length time.Duration) {
	t.Helper()
	set = accuracy.Reporting
	if os.Getenv("ACCURACY_SET") == "tuning" {
		set = accuracy.Tuning
	}
	text := os.Getenv("ACCURACY_RUNS")
	if text == "" {
		return set, 1, 20 * time.Minute
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return set, n, time.Hour
}

// played is what was measured already: tests look at it from several sides.
var played = map[accuracy.Cause][]accuracy.Result{}

// measured plays all settings of a cause.
func measured(t *testing.T, cause accuracy.Cause) []accuracy.Result {
	t.Helper()
	if all, ok := played[cause]; ok {
		return all
	}
	set, runs, length := slice(t)
	if cause == accuracy.Blackout {
		runs *= 3 // there are few of them in an hour
	}
	var all []accuracy.Result
	for i, s := range accuracy.Matrix() {
		if s.Cause == cause {
			all = append(all, accuracy.Measure(set, s, uint64(1000*i), runs, length)) // links of their own
		}
	}
	var table strings.Builder
	if err := accuracy.WriteTable(&table, all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s seeds\n%s", set, table.String())
	played[cause] = all
	return all
}

func joined(all []accuracy.Result, of func(accuracy.Result) bool) (sum accuracy.Result) {
	for _, r := range all {
		if of(r) {
			sum.Add(&r)
		}
	}
	return sum
}

func everything(accuracy.Result) bool { return true }

// TestLatencyAndReachOnReportingSeeds holds what is promised of the level's latency and of reach, settings by themselves and
// all together.
func TestLatencyAndReachOnReportingSeeds(t *testing.T) {
	var all accuracy.Result
	for _, cause := range []accuracy.Cause{
		accuracy.Latency, accuracy.Blackout, accuracy.Captive, accuracy.ServerDown, accuracy.Address,
	} {
		results := measured(t, cause)
		for _, r := range results {
			if got := r.Ours.Settled(); got < 0.95 {
				t.Errorf("%s: %.2f%% settled, want 95%%", r.String(), 100*got)
			}
			if got := r.Ours.FlapsAnHour(); cause == accuracy.Latency && got > 2 {
				t.Errorf("%s: %.1f flaps an hour, want 2 at most", r.String(), got)
			}
			if r.Ours.CalledOffline > 0 && (cause == accuracy.Captive || cause == accuracy.ServerDown) {
				t.Errorf("%s: called offline for %.1f s", r.String(), r.Ours.CalledOffline)
			}
		}
		sum := joined(results, everything)
		for _, e := range recalls(&sum.Ours, 0.9) {
			t.Errorf("%s: %s", cause, e)
		}
		if cause == accuracy.Blackout {
			checkTimes(t, results)
		}
		if best := max(sum.Sketch.Settled(), sum.Commonest.Settled()); cause != accuracy.Latency && sum.Ours.Settled() <= best {
			t.Errorf("%s: no better than the first sketch or a constant: %.2f%%", cause, 100*best)
		}
		all.Add(&sum)
	}
	o := &all.Ours
	if o.Settled() < 0.99 {
		t.Errorf("all: %.2f%% settled, want 99%%", 100*o.Settled())
	}
	if o.Calibration() < 0.93 || o.Sure < o.Seconds/3 {
		t.Errorf("of answers that are 95%% sure (%.0f%%), %.2f%% are right", 100*o.Sure/o.Seconds, 100*o.Calibration())
	}
	var confusion strings.Builder
	if err := o.WriteConfusion(&confusion); err != nil {
		t.Fatal(err)
	}
	t.Logf("all: settled %.2f%%, with changes %.2f%%, sketch %.1f%%, commonest %.1f%%, sure and right %.2f%%\n%s", 100*o.Settled(),
		100*o.Accuracy(), 100*all.Sketch.Settled(), 100*all.Commonest.Settled(), 100*o.Calibration(), confusion.String())
}

// recalls finds levels and reaches that are told too rarely.
func recalls(s *accuracy.Score, least float64) (low []string) {
	for l := quality.Unknown; l <= quality.Offline; l++ {
		if share, ok := s.LevelRecall(l); ok && share < least {
			low = append(low, fmt.Sprintf("recall of level %s %.2f%%", l, 100*share))
		}
	}
	for r := quality.ReachUnknown; r <= quality.ReachOffline; r++ {
		if share, ok := s.ReachRecall(r); ok && share < least {
			low = append(low, fmt.Sprintf("recall of reach %s %.2f%%", r, 100*share))
		}
	}
	return low
}

// checkTimes holds the times of outages: up to a round trip of 300 ms, as everywhere in this project.
func checkTimes(t *testing.T, results []accuracy.Result) {
	t.Helper()
	for p, bound := range map[quality.Profile]float64{quality.Foreground: 2, quality.Background: 13} {
		r := joined(results, func(r accuracy.Result) bool { return r.Profile == p })
		if n := len(r.Ours.Near); n < 5 {
			t.Errorf("%s: %d blackouts, too few to tell", p, n)
		}
		if got := r.Ours.Near.P(0.95); got > bound {
			t.Errorf("%s: blackout seen in %.2f s (p95), want %.0f", p, got, bound)
		}
		if got := r.Ours.BackNear.P(0.95); got > 2 {
			t.Errorf("%s: back online in %.2f s (p95), want 2", p, got)
		}
		t.Logf("%s: blackout seen in %s s, at any RTT %s; back in %s s, at any RTT %s", p,
			r.Ours.Near, r.Ours.Blackout, r.Ours.BackNear, r.Ours.Back)
	}
}

// TestLossOnReportingSeeds has no bar but honesty: what is said to be sure is mostly right, and ours isn't far behind the best
// that as many segments allow. Nobody can name these classes from few segments. A row of 20 minutes is a matter of luck, so
// that rows are looked at together.
func TestLossOnReportingSeeds(t *testing.T) {
	var all accuracy.Result
	for _, cause := range []accuracy.Cause{accuracy.Lossy, accuracy.OneWay, accuracy.Bursty} {
		results := measured(t, cause)
		sum := joined(results, everything)
		all.Add(&sum)
		if best := max(sum.Sketch.Settled(), sum.Commonest.Settled()); sum.Ours.Settled() <= best {
			t.Errorf("%s: %.2f%%, no better than the first sketch or a constant: %.2f%%", cause, 100*sum.Ours.Settled(), 100*best)
		}
		busy := joined(results, func(r accuracy.Result) bool { return r.Traffic == accuracy.Busy })
		if got := busy.Ours.WithinOne / busy.Ours.SettledSeconds; got < 0.93 {
			t.Errorf("%s: %.2f%% within one level, want 93%%", cause, 100*got)
		}
		if got := busy.Ours.Settled(); cause == accuracy.Bursty && got < 0.6 {
			t.Errorf("%s: %.2f%% settled, want 60%%", cause, 100*got)
		}
		t.Logf("%s: %.2f points behind", cause, 100*behind(results))
		if gap := behind(results); gap > 0.23 {
			t.Errorf("%s: %.2f points behind what information allows, want 23", cause, 100*gap)
		}
	}
	if got := all.Ours.Calibration(); got < 0.85 {
		t.Errorf("of answers that are 95%% sure, %.2f%% are right, want 85%%", 100*got)
	}
}

// behind is how much less is right than could be in the foreground: it isn't known when the last change was.
func behind(results []accuracy.Result) (gap float64) {
	rows := 0
	for _, r := range results {
		if best, ok := r.Bound(); ok && r.Profile == quality.Foreground {
			gap, rows = gap+best-r.Ours.Settled(), rows+1
		}
	}
	return gap / float64(max(rows, 1))
}

// TestSureAnswersOfAllCausesAreRight: whatever the cause, and all together.
func TestSureAnswersOfAllCausesAreRight(t *testing.T) {
	var all accuracy.Result
	for cause := accuracy.Latency; cause <= accuracy.OneWay; cause++ {
		sum := joined(measured(t, cause), everything)
		t.Logf("%s: of answers that are 95%% sure (%.0f%%), %.2f%% are right", cause, 100*sum.Ours.Sure/sum.Ours.Seconds, 100*sum.Ours.Calibration())
		all.Add(&sum)
	}
	t.Logf("all: of answers that are 95%% sure (%.0f%%), %.2f%% are right; %.2f%% settled", 100*all.Ours.Sure/all.Ours.Seconds,
		100*all.Ours.Calibration(), 100*all.Ours.Settled())
	if got := all.Ours.Calibration(); got < 0.93 {
		t.Errorf("of answers that are 95%% sure, %.2f%% are right, want 93%%", 100*got)
	}
}

// others plays settings that aren't in the matrix.
func others(t *testing.T, settings []accuracy.Setting) []accuracy.Result {
	t.Helper()
	set, runs, length := slice(t)
	all := make([]accuracy.Result, len(settings))
	for i, s := range settings {
		all[i] = accuracy.Measure(set, s, uint64(1000*(1000+i)), runs, length)
	}
	var table strings.Builder
	if err := accuracy.WriteTable(&table, all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s seeds\n%s", set, table.String())
	return all
}

// TestWithoutCounters: late answers alone tell of loss then.
func TestWithoutCounters(t *testing.T) {
	var settings []accuracy.Setting
	for _, s := range []accuracy.Setting{
		{Cause: accuracy.Latency, Traffic: accuracy.Usual},
		{Cause: accuracy.Blackout, Traffic: accuracy.Usual},
		{Cause: accuracy.Lossy, Traffic: accuracy.Usual},
		{Cause: accuracy.Lossy, Traffic: accuracy.Busy},
	} {
		s.NoCounters = true
		settings = append(settings, s)
	}
	for _, r := range others(t, settings) {
		least, sure := 0.98, 0.95
		switch {
		case r.Cause == accuracy.Lossy && r.Traffic == accuracy.Busy:
			least, sure = 0.7, 0.85
		case r.Cause == accuracy.Lossy:
			least, sure = 0.55, 0.85
		case r.Cause == accuracy.Blackout && r.Ours.Near.P(0.95) > 2:
			t.Errorf("%s: blackout seen in %.2f s (p95), want 2", r.String(), r.Ours.Near.P(0.95))
		}
		if got := r.Ours.Settled(); got < least {
			t.Errorf("%s: %.2f%% settled, want %.0f%%", r.String(), 100*got, 100*least)
		}
		if got := r.Ours.Calibration(); got < sure {
			t.Errorf("%s: of answers that are 95%% sure, %.2f%% are right, want %.0f%%", r.String(), 100*got, 100*sure)
		}
	}
}

// TestOffModel is about links that aren't what the estimator expects.
func TestOffModel(t *testing.T) {
	for _, r := range others(t, accuracy.OffModel()) {
		if got := r.Ours.Settled(); got < 0.98 {
			t.Errorf("%s: %.2f%% settled, want 98%%", r.String(), 100*got)
		}
		if got := r.Ours.Calibration(); got < 0.95 {
			t.Errorf("%s: of answers that are 95%% sure, %.2f%% are right, want 95%%", r.String(), 100*got)
		}
		if got := r.Ours.Near.P(0.95); r.Cause == accuracy.Blackout && got > 2.5 {
			t.Errorf("%s: blackout seen in %.2f s (p95), want 2.5", r.String(), got)
		}
	}
}

func TestRunsRepeat(t *testing.T) {
	for i, s := range accuracy.Matrix() {
		a := accuracy.Measure(accuracy.Tuning, s, uint64(i), 1, 3*time.Minute)
		if b := accuracy.Measure(accuracy.Tuning, s, uint64(i), 1, 3*time.Minute); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the same seed gave another result", s)
		}
	}
}
