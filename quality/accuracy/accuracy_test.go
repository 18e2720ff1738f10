package accuracy_test

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/quality/accuracy"
)

// slice is how much of each setting is ofCause: 20 minutes, or ACCURACY_RUNS runs of an hour. ACCURACY_SET=tuning is for
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

// ofCause is what was measured already: tests look at it from several sides.
var ofCause = map[accuracy.Cause][]accuracy.Result{}

// measured plays all settings of a cause.
func measured(t *testing.T, cause accuracy.Cause) []accuracy.Result {
	t.Helper()
	if all, ok := ofCause[cause]; ok {
		return all
	}
	set, runs, length := slice(t)
	o := accuracy.SuiteOptions{Set: set, Runs: runs, Length: length, Causes: []accuracy.Cause{cause}}
	all, err := accuracy.Suite(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := accuracy.WriteTable(&table, all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s seeds\n%s", set, table.String())
	ofCause[cause] = all
	return all
}

func everything(*accuracy.Result) bool { return true }

// TestLatencyAndReachOnReportingSeeds holds what is promised of the level's latency and of reach, settings by themselves and
// all together.
func TestLatencyAndReachOnReportingSeeds(t *testing.T) {
	var all []accuracy.Result
	for _, cause := range accuracy.Knowable() {
		results := measured(t, cause)
		all = append(all, results...)
		sum := accuracy.Join(results, everything)
		if best := max(sum.Sketch.Settled(), sum.Commonest.Settled()); cause != accuracy.Latency && sum.Ours.Settled() <= best {
			t.Errorf("%s: no better than the first sketch or a constant: %.2f%%", cause, 100*best)
		}
	}
	for _, g := range accuracy.Goals(all) {
		if !g.OK {
			t.Errorf("missed: %s", g)
			continue
		}
		t.Log(g)
	}
	sum := accuracy.Join(all, everything)
	var confusion strings.Builder
	if err := sum.Ours.WriteConfusion(&confusion); err != nil {
		t.Fatal(err)
	}
	t.Logf("all: settled %.2f%%, with changes %.2f%%, sketch %.1f%%, commonest %.1f%%, sure and right %.2f%%\n%s", 100*sum.Ours.Settled(),
		100*sum.Ours.Accuracy(), 100*sum.Sketch.Settled(), 100*sum.Commonest.Settled(), 100*sum.Ours.Calibration(), confusion.String())
}

// TestLossOnReportingSeeds has no bar but honesty: what is said to be sure is mostly right, and ours isn't far behind the best
// that as many segments allow. Nobody can name these classes from few segments. A row of 20 minutes is a matter of luck, so
// that rows are looked at together.
func TestLossOnReportingSeeds(t *testing.T) {
	var all accuracy.Result
	for _, cause := range []accuracy.Cause{accuracy.Lossy, accuracy.OneWay, accuracy.Bursty} {
		results := measured(t, cause)
		sum := accuracy.Join(results, everything)
		all.Add(&sum)
		if best := max(sum.Sketch.Settled(), sum.Commonest.Settled()); sum.Ours.Settled() <= best {
			t.Errorf("%s: %.2f%%, no better than the first sketch or a constant: %.2f%%", cause, 100*sum.Ours.Settled(), 100*best)
		}
		busy := accuracy.Join(results, func(r *accuracy.Result) bool { return r.Traffic == accuracy.Busy })
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
		if best, ok := r.Best(); ok && r.Cause != accuracy.Bursty && r.Profile == quality.Foreground {
			gap, rows = gap+best-r.Ours.Settled(), rows+1
		}
	}
	return gap / float64(max(rows, 1))
}

// TestSureAnswersOfAllCausesAreRight: whatever the cause, and all together.
func TestSureAnswersOfAllCausesAreRight(t *testing.T) {
	var all accuracy.Result
	for cause := accuracy.Latency; cause <= accuracy.OneWay; cause++ {
		sum := accuracy.Join(measured(t, cause), everything)
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
