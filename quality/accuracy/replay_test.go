package accuracy_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/quality/accuracy"
)

func ourTrace(t *testing.T, name string) accuracy.Trace {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := accuracy.ReadTrace(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// replaySeeds are some, or the one of SEED.
func replaySeeds(t *testing.T) []uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return []uint64{seed}
}

func played(t *testing.T, trace accuracy.Trace, o accuracy.ReplayOptions) (points []accuracy.Point, r accuracy.Replayed) {
	t.Helper()
	r, err := accuracy.Replay(trace, o, func(p accuracy.Point) error {
		points = append(points, p)
		return checkPoint(p)
	})
	if err != nil {
		t.Fatalf("seed %d: %v", o.Seed, err)
	}
	return points, r
}

// TestReplayOfClassesAndABlackout: five minutes with every class of latency and an outage are told right.
func TestReplayOfClassesAndABlackout(t *testing.T) {
	trace := ourTrace(t, "latency-blackout.csv")
	for _, seed := range replaySeeds(t) {
		_, r := played(t, trace, accuracy.ReplayOptions{Seed: seed})
		if r.Seconds != 300 || r.Changes != 6 || r.Rows != 300 {
			t.Fatalf("%+v", r)
		}
		if r.SettledAccuracy == nil || *r.SettledAccuracy < 0.95 || r.Accuracy < 0.9 {
			t.Errorf("seed %d: %v right, settled %v", seed, r.Accuracy, *r.SettledAccuracy)
		}
		if r.TimeToOffline.Count != 1 || r.TimeToOffline.P95 > 2 || r.TimeToOnline.Count != 1 || r.TimeToOnline.P95 > 2 {
			t.Errorf("seed %d: blackout told after %+v, its end after %+v", seed, r.TimeToOffline, r.TimeToOnline)
		}
		for l := quality.Excellent; l <= quality.Offline; l++ {
			if r.Recall[l] < 0.8 {
				t.Errorf("seed %d: %s told in %v of its time", seed, l, r.Recall[l])
			}
		}
	}
}

// TestPointsOfAReplay: one each second and at each change, in order, and nothing else. What they say adds up to the summary.
func TestPointsOfAReplay(t *testing.T) {
	for name := range ourTraces {
		trace := ourTrace(t, name)
		points, r := played(t, trace, accuracy.ReplayOptions{Seed: 3, Repeat: 2})
		start, length := float64(trace.Start.Milliseconds()), 2*float64(trace.Length.Milliseconds())
		seconds, right := 0, 0.0
		for i, p := range points {
			whole := math.Mod(p.TMs-start, 1000) == 0
			if whole {
				seconds++
			}
			end := start + length
			if i+1 < len(points) {
				end = points[i+1].TMs
			}
			if end <= p.TMs {
				t.Fatalf("%s: %+v, and then %v", name, p, end)
			}
			if p.Truth == p.Level && (p.Level == quality.Offline) == (p.Reach == quality.ReachOffline) {
				right += (end - p.TMs) / 1000
			}
			if i == 0 {
				continue
			}
			if b := points[i-1]; !whole && b.Truth == p.Truth && b.Level == p.Level && b.Reach == p.Reach {
				t.Errorf("%s: nothing changed at %+v", name, p)
			}
		}
		if points[0].TMs != start || seconds != int(math.Ceil(length/1000)) {
			t.Errorf("%s: starts at %v, and %d seconds of %v ms", name, points[0].TMs, seconds, length)
		}
		if math.Abs(right/r.Seconds-r.Accuracy) > 0.001 {
			t.Errorf("%s: points are right in %v of the time, the summary says %v", name, right/r.Seconds, r.Accuracy)
		}
		sum := 0.0
		for _, row := range r.Confusion {
			for _, s := range row {
				sum += s
			}
		}
		if math.Abs(sum-r.Seconds) > 0.01 || r.Seconds != length/1000 {
			t.Errorf("%s: %v s in the matrix, %v in the summary, %v ms played", name, sum, r.Seconds, length)
		}
	}
}

func TestReplaysRepeat(t *testing.T) {
	trace := ourTrace(t, "cell.csv")
	points, r := played(t, trace, accuracy.ReplayOptions{Seed: 5})
	if again, same := played(t, trace, accuracy.ReplayOptions{Seed: 5}); !reflect.DeepEqual(points, again) || !reflect.DeepEqual(r, same) {
		t.Error("the same seed gave another result")
	}
	if other, _ := played(t, trace, accuracy.ReplayOptions{Seed: 6}); reflect.DeepEqual(points, other) {
		t.Error("another seed gave the same result")
	}
}

// TestTruthOfRows: of the row that holds, by the table of levels.
func TestTruthOfRows(t *testing.T) {
	text := "rtt_ms,loss_pct,online\n49.9,0,1\n50,0,1\n149,0.9,1\n20,1,1\n299,4,1\n300,0,1\n20,5,1\n20,100,1\n20,0,0\n20,0,1\n"
	trace, err := accuracy.ReadTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	points, r := played(t, trace, accuracy.ReplayOptions{})
	at := map[float64]quality.Level{}
	for _, p := range points {
		at[p.TMs] = p.Truth
	}
	want := map[float64]quality.Level{0: quality.Excellent, 70: quality.Good, 210: quality.Fair, 350: quality.Poor, 490: quality.Offline, 630: quality.Excellent}
	for ms, level := range want {
		if at[ms] != level {
			t.Errorf("at %v ms the truth is %s, want %s", ms, at[ms], level)
		}
	}
	if r.Changes != len(want)-1 || r.SettledAccuracy != nil || r.SettledSeconds != 0 {
		t.Errorf("%+v", r)
	}
}

// TestRepeatedTraceGoesOn: where the last row ends the first one begins.
func TestRepeatedTraceGoesOn(t *testing.T) {
	trace, err := accuracy.ReadTrace(strings.NewReader("t_ms,rtt_ms\n500,20\n1750,400\n"))
	if err != nil {
		t.Fatal(err)
	}
	points, r := played(t, trace, accuracy.ReplayOptions{Repeat: 3})
	var changes []float64
	truth := quality.Unknown
	for _, p := range points {
		if p.Truth != truth {
			changes, truth = append(changes, p.TMs), p.Truth
		}
	}
	if want := []float64{500, 1750, 3000, 4250, 5500, 6750}; !reflect.DeepEqual(changes, want) || r.Seconds != 7.5 {
		t.Errorf("the truth changes at %v in %v s, want %v", changes, r.Seconds, want)
	}
}

// TestRoughTracesGiveConfidences: also where most segments are lost, and an RTT holds for less than itself.
func TestRoughTracesGiveConfidences(t *testing.T) {
	trace, err := accuracy.ReadTrace(strings.NewReader("rtt_ms,loss_pct\n" + strings.Repeat("25,3\n45,25\n90,50\n170,75\n700,85\n", 200)))
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range replaySeeds(t) {
		played(t, trace, accuracy.ReplayOptions{Seed: seed, Repeat: 10})
	}
}

// TestWindowOfAReplay: rows of 70 ms that jump to and fro are poor by themselves for half of the time, and fair over 10 s.
func TestWindowOfAReplay(t *testing.T) {
	text := "rtt_ms\n" + strings.Repeat("200\n200\n320\n", 1000)
	trace, err := accuracy.ReadTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, r := played(t, trace, accuracy.ReplayOptions{Seed: 1})
	if r.WindowAccuracy < 0.9 || r.Accuracy > 0.75 {
		t.Errorf("%v right by the row, %v by the window", r.Accuracy, r.WindowAccuracy)
	}
	if r.WindowSeconds != accuracy.Window.Seconds() {
		t.Errorf("window of %v s", r.WindowSeconds)
	}
}

func TestReplayRefusesWhatItCantPlay(t *testing.T) {
	one := accuracy.Trace{Length: time.Hour, Rows: []accuracy.TraceRow{{RTT: time.Millisecond, Online: true}}}
	none := func(accuracy.Point) error { return nil }
	for name, c := range map[string]struct {
		trace accuracy.Trace
		o     accuracy.ReplayOptions
	}{
		"empty":     {},
		"backwards": {one, accuracy.ReplayOptions{Repeat: -1}},
		"too long":  {one, accuracy.ReplayOptions{Repeat: 7*24 + 1}},
		"huge":      {one, accuracy.ReplayOptions{Repeat: math.MaxInt}},
	} {
		_, err := accuracy.Replay(c.trace, c.o, none)
		if err == nil || errors.Is(err, accuracy.ErrTooLong) != (c.o.Repeat > 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stop, n := errors.New("enough"), 0
	if _, err := accuracy.Replay(one, accuracy.ReplayOptions{Repeat: 24}, func(accuracy.Point) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d points", err, n)
	}
}
