package accuracy

import (
	"fmt"

	"github.com/chatsdk/chatsdk/quality"
)

// Goal is a bound for a figure, and what it is.
type Goal struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Bound  float64 `json:"bound"`
	AtMost bool    `json:"atMost"` // else at least
	Unit   string  `json:"unit"`   // "%", "s" or "/h"
	Of     string  `json:"of"`     // where the value comes from, if it is the worst of several, or why there is none
	OK     bool    `json:"ok"`
}

// String is the goal as a line.
func (g Goal) String() string {
	way, of := "at least", g.Of
	if g.AtMost {
		way = "at most"
	}
	if of != "" {
		of = " (" + of + ")"
	}
	return fmt.Sprintf("%s: %.2f%s%s, %s %g%s", g.Name, g.Value, g.Unit, of, way, g.Bound, g.Unit)
}

// Bounds of the goals.
const (
	settledEach, settledTogether = 95, 99 // percent
	leastRecall                  = 90     // percent
	calibrated                   = 93     // percent
	flapsAtMost                  = 2      // an hour
	backIn                       = 2      // seconds
	fewestBlackouts              = 5      // so that a p95 says something
	leastSure                    = 33     // percent of the time: who is never sure is never wrong
)

var blackoutIn = map[quality.Profile]float64{quality.Foreground: 2, quality.Background: 13} // seconds

// Goals judges results of the matrix by what is promised. Latency classes and reach have bars; the level of loss has none but
// that who says to be sure is right, since nobody can name it from few segments. A goal of which nothing was measured is
// missed.
func Goals(results []Result) []Goal {
	known, all := Join(results, knowable), Join(results, func(*Result) bool { return true })
	goals := []Goal{
		worst(results, Goal{Name: "settled, each setting of latency and reach", Bound: settledEach, Unit: "%"},
			knowable, func(r *Result) float64 { return 100 * r.Ours.Settled() }),
		atLeast("settled, latency and reach together", 100*known.Ours.Settled(), settledTogether),
		recallGoal(results),
		worst(results, Goal{Name: "flaps in settled time, each setting of latency", Bound: flapsAtMost, Unit: "/h", AtMost: true},
			func(r *Result) bool { return r.Cause == Latency }, func(r *Result) float64 { return r.Ours.FlapsAnHour() }),
	}
	for _, p := range [...]quality.Profile{quality.Foreground, quality.Background} {
		r := Join(results, func(r *Result) bool { return r.Cause == Blackout && r.Profile == p })
		goals = append(goals,
			timeGoal("blackout seen in the "+p.String()+", p95, up to an RTT of 300 ms", r.Ours.Near, blackoutIn[p]),
			timeGoal("back online seen in the "+p.String()+", p95, up to an RTT of 300 ms", r.Ours.BackNear, backIn))
	}
	return append(goals,
		worst(results, Goal{Name: "portal or dead server called offline", Bound: 0, Unit: " s", AtMost: true},
			func(r *Result) bool { return r.Cause == Captive || r.Cause == ServerDown }, func(r *Result) float64 { return r.Ours.CalledOffline }),
		atLeast("right where confidence is 0.95 or more, latency and reach", 100*known.Ours.Calibration(), calibrated),
		atLeast("right where confidence is 0.95 or more, all causes", 100*all.Ours.Calibration(), calibrated),
		atLeast("time with such a confidence, latency and reach", 100*ratio(known.Ours.Sure, known.Ours.Seconds), leastSure),
	)
}

// Missed are the names of the goals that weren't reached.
func Missed(goals []Goal) (names []string) {
	for _, g := range goals {
		if !g.OK {
			names = append(names, g.Name)
		}
	}
	return names
}

func atLeast(name string, percent, bound float64) Goal {
	return Goal{Name: name, Value: percent, Bound: bound, Unit: "%", OK: percent >= bound}
}

// worst fills in a goal for the worst of the results that it is for.
func worst(results []Result, g Goal, of func(*Result) bool, value func(*Result) float64) Goal {
	g.Of = "nothing measured"
	any := false
	for i := range results {
		r := &results[i]
		if !of(r) || r.Ours.SettledSeconds == 0 {
			continue
		}
		if v := value(r); !any || (v > g.Value) == g.AtMost && v != g.Value {
			any, g.Value, g.Of = true, v, r.String()
		}
	}
	g.OK = any && (g.AtMost && g.Value <= g.Bound || !g.AtMost && g.Value >= g.Bound)
	return g
}

// recallGoal is about each level and reach of each cause that has bars.
func recallGoal(results []Result) Goal {
	g := Goal{Name: "recall of each level and reach, each cause of latency and reach", Value: 100, Bound: leastRecall, Unit: "%", Of: "nothing measured"}
	any := false
	lower := func(share float64, ok bool, of string) {
		if ok && (!any || 100*share < g.Value) {
			any, g.Value, g.Of = true, 100*share, of
		}
	}
	for _, c := range Knowable() {
		sum := Join(results, func(r *Result) bool { return r.Cause == c })
		for l := range quality.Level(levels) {
			share, ok := sum.Ours.LevelRecall(l)
			lower(share, ok, fmt.Sprintf("level %s, %s", l, c))
		}
		for r := range quality.Reach(reaches) {
			share, ok := sum.Ours.ReachRecall(r)
			lower(share, ok, fmt.Sprintf("reach %s, %s", r, c))
		}
	}
	g.OK = any && g.Value >= g.Bound
	return g
}

func timeGoal(name string, times Times, bound float64) Goal {
	g := Goal{Name: name, Value: rounded(times.P(0.95)), Bound: bound, Unit: " s", AtMost: true}
	g.OK = times.P(0.95) <= bound
	if len(times) < fewestBlackouts {
		g.OK, g.Of = false, fmt.Sprintf("only %d of them, too few to tell", len(times))
	}
	return g
}
