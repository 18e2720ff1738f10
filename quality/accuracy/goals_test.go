package accuracy_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/quality/accuracy"
)

// perfect are results that reach every goal.
func perfect() []accuracy.Result {
	var all []accuracy.Result
	for _, s := range accuracy.Matrix() {
		o := accuracy.Score{Seconds: 3600, Right: 3600, SettledSeconds: 3600, SettledRight: 3600, ReachRight: 3600, WithinOne: 3600, Sure: 3600, SureRight: 3600}
		for l := range o.Level {
			o.Level[l][l] = 600
		}
		for r := range o.Reach {
			o.Reach[r][r] = 720
		}
		if s.Cause == accuracy.Blackout {
			o.Near, o.BackNear = slices.Repeat(accuracy.Times{1}, 20), slices.Repeat(accuracy.Times{1}, 20)
		}
		all = append(all, accuracy.Result{Setting: s, Set: "reporting", Runs: 1, Ours: o})
	}
	return all
}

func TestGoalsCanBeReachedAndMissed(t *testing.T) {
	for _, g := range accuracy.Goals(perfect()) {
		if !g.OK {
			t.Errorf("perfect, and missed: %s", g)
		}
	}
	in := func(c accuracy.Cause, p quality.Profile) func(*accuracy.Result) bool {
		return func(r *accuracy.Result) bool { return r.Cause == c && r.Traffic == accuracy.Usual && r.Profile == p }
	}
	const fore, back = quality.Foreground, quality.Background
	// Names of goals.
	const (
		each     = "settled, each setting of latency and reach"
		together = "settled, latency and reach together"
		recall   = "recall of each level and reach, each cause of latency and reach"
		flaps    = "flaps in settled time, each setting of latency"
		seenFore = "blackout seen in the foreground, p95, up to an RTT of 300 ms"
		seenBack = "blackout seen in the background, p95, up to an RTT of 300 ms"
		online   = "back online seen in the background, p95, up to an RTT of 300 ms"
		offline  = "portal or dead server called offline"
		right    = "right where confidence is 0.95 or more, latency and reach"
		rightAll = "right where confidence is 0.95 or more, all causes"
		often    = "time with such a confidence, latency and reach"
	)
	late := func(seconds float64) accuracy.Times { return slices.Repeat(accuracy.Times{seconds}, 20) }
	of := func(c accuracy.Cause) func(*accuracy.Result) bool {
		return func(r *accuracy.Result) bool { return r.Cause == c }
	}
	rate := func(r *accuracy.Result) bool { return !slices.Contains(accuracy.Knowable(), r.Cause) }
	for name, c := range map[string]struct {
		of     func(*accuracy.Result) bool
		damage func(*accuracy.Score)
		missed string // all of them
	}{
		"one setting is wrong":   {in(accuracy.Address, fore), func(s *accuracy.Score) { s.SettledRight = 0.9499 * 3600 }, each},
		"loss is wrong":          {in(accuracy.Lossy, fore), func(s *accuracy.Score) { s.SettledRight = 0 }, ""},
		"all are a little wrong": {everything, func(s *accuracy.Score) { s.SettledRight = 0.9899 * 3600 }, together},
		"a level is never told": {of(accuracy.Captive), func(s *accuracy.Score) {
			s.Level[quality.Fair] = [6]float64{quality.Good: 600}
		}, recall},
		"a reach is told too rarely": {of(accuracy.ServerDown), func(s *accuracy.Score) {
			s.Reach[quality.ReachServerDown] = [5]float64{quality.ReachServerDown: 89.9, quality.ReachUnknown: 10.1}
		}, recall},
		"it flaps":                     {in(accuracy.Latency, fore), func(s *accuracy.Score) { s.Flaps = 3 }, flaps},
		"it flaps with loss":           {in(accuracy.Lossy, fore), func(s *accuracy.Score) { s.Flaps = 30 }, ""},
		"outages are seen late":        {in(accuracy.Blackout, fore), func(s *accuracy.Score) { s.Near = late(2.1) }, seenFore},
		"2.1 s in the background":      {in(accuracy.Blackout, back), func(s *accuracy.Score) { s.Near = late(2.1) }, ""},
		"very late in the background":  {in(accuracy.Blackout, back), func(s *accuracy.Score) { s.Near = late(13.1) }, seenBack},
		"back late":                    {in(accuracy.Blackout, back), func(s *accuracy.Score) { s.BackNear = late(2.1) }, online},
		"a portal is called offline":   {in(accuracy.Captive, fore), func(s *accuracy.Score) { s.CalledOffline = 0.1 }, offline},
		"a dead server is":             {in(accuracy.ServerDown, back), func(s *accuracy.Score) { s.CalledOffline = 0.1 }, offline},
		"sure and wrong":               {everything, func(s *accuracy.Score) { s.SureRight = 0.92 * 3600 }, right + "; " + rightAll},
		"sure and wrong at loss alone": {rate, func(s *accuracy.Score) { s.SureRight = 0 }, rightAll},
		"never sure":                   {everything, func(s *accuracy.Score) { s.Sure, s.SureRight = 1000, 1000 }, often},
		"few blackouts": {func(r *accuracy.Result) bool { return r.Cause == accuracy.Blackout && r.Profile == fore }, func(s *accuracy.Score) {
			s.Near = s.Near[:1]
		}, seenFore},
	} {
		results := perfect()
		for i := range results {
			if c.of(&results[i]) {
				c.damage(&results[i].Ours)
			}
		}
		goals := accuracy.Goals(results)
		if got := strings.Join(accuracy.Missed(goals), "; "); got != c.missed {
			t.Errorf("%s: missed %q, want %q", name, got, c.missed)
		}
	}
}

// TestNothingMeasuredIsNothingReached: a goal isn't reached by leaving out what it is about.
func TestNothingMeasuredIsNothingReached(t *testing.T) {
	for _, g := range accuracy.Goals(nil) {
		if g.OK {
			t.Errorf("reached without a run: %s", g)
		}
	}
}

// TestReportOfTheSuite plays a little of everything, and looks for each setting in what is written.
func TestReportOfTheSuite(t *testing.T) {
	o := accuracy.SuiteOptions{Set: accuracy.Tuning, Runs: 1, Length: 2 * time.Minute}
	told := 0
	results, err := accuracy.Suite(t.Context(), o, func(accuracy.Result) { told++ })
	if err != nil || len(results) != len(accuracy.Matrix()) || told != len(results) {
		t.Fatalf("%d results, %d told: %v", len(results), told, err)
	}
	r := accuracy.NewReport(results, o.Length)
	var text strings.Builder
	if err := r.Write(&text, results); err != nil {
		t.Fatal(err)
	}
	for _, s := range accuracy.Matrix() {
		if !strings.Contains(text.String(), "\n"+s.String()+" ") || !strings.Contains(text.String(), "\n"+s.Cause.String()+" ") {
			t.Errorf("%s isn't in the tables", s)
		}
	}
	for _, g := range r.Goals {
		if !strings.Contains(text.String(), g.String()) {
			t.Errorf("%s isn't told", g)
		}
	}
	for _, l := range append(slices.Clone(r.Settings), r.Causes...) {
		if l.Best < 0.25 || l.Best > 1 || l.Ours.Seconds < 119 || math.Abs(l.Sketch.Seconds-l.Ours.Seconds) > 0.01 || l.Commonest.Settled == 0 {
			t.Errorf("%s: best %v; %v s, of the sketch %v s, commonest %v", l.Name, l.Best, l.Ours.Seconds, l.Sketch.Seconds, l.Commonest.Settled)
		}
	}
	if r.Set != "tuning" || r.Runs != len(results)+6*2 || r.OK != (len(accuracy.Missed(r.Goals)) == 0) {
		t.Errorf("%s seeds, %d runs, %v", r.Set, r.Runs, r.OK)
	}
	if _, err := json.Marshal(r); err != nil { // a NaN would be one
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := accuracy.Suite(ctx, o, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a suite that was stopped: %v", err)
	}
}
