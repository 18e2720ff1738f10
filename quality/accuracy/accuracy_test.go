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

// measured plays all settings of a cause.
func measured(t *testing.T, cause accuracy.Cause) []accuracy.Result {
	t.Helper()
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

// TestLossOnReportingSeeds has no bar but honesty: what is said to be sure is mostly right, and more traffic tells more.
// Nobody can name these classes from few segments.
func TestLossOnReportingSeeds(t *testing.T) {
	for _, cause := range []accuracy.Cause{accuracy.Lossy, accuracy.Bursty} {
		results := measured(t, cause)
		by := map[accuracy.Traffic]accuracy.Result{}
		for _, r := range results {
			if r.Profile == quality.Foreground {
				by[r.Traffic] = r
			}
		}
		sum := accuracy.Join(results, everything)
		if best := max(sum.Sketch.Settled(), sum.Commonest.Settled()); sum.Ours.Settled() <= best {
			t.Errorf("%s: %.2f%%, no better than the first sketch or a constant: %.2f%%", cause, 100*sum.Ours.Settled(), 100*best)
		}
		if cause == accuracy.Bursty {
			continue
		}
		busy := by[accuracy.Busy]
		if got := busy.Ours.WithinOne / busy.Ours.SettledSeconds; got < 0.95 {
			t.Errorf("at 10/s %.2f%% within one level, want 95%%", 100*got)
		}
		if got := sum.Ours.Calibration(); got < 0.85 {
			t.Errorf("of answers that are 95%% sure, %.2f%% are right", 100*got)
		}
	}
}

func TestWithoutCounters(t *testing.T) {
	set, runs, length := slice(t)
	s := accuracy.Setting{Cause: accuracy.Blackout, Traffic: accuracy.Usual, NoCounters: true}
	r := accuracy.Measure(set, s, 1, runs, length)
	if got := r.Ours.Settled(); got < 0.95 {
		t.Errorf("%s: %.2f%% settled, want 95%%", s, 100*got)
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
