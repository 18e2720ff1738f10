package accuracy

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// Report is what Suite found, as JSON tells it. Shares are 0 to 1, times in seconds.
type Report struct {
	Set           string  `json:"set"`  // of the seeds
	Runs          int     `json:"runs"` // all together
	LengthSeconds float64 `json:"lengthSeconds"`

	Settings        []Line `json:"settings"`
	Causes          []Line `json:"causes"`
	LatencyAndReach Line   `json:"latencyAndReach"` // the causes with bars
	All             Line   `json:"all"`

	Goals []Goal `json:"goals"`
	OK    bool   `json:"ok"` // all goals are reached
}

// Line is what came out for a setting, or for several together.
type Line struct {
	Name    string  `json:"name"`
	Cause   string  `json:"cause,omitzero"` // left out where it is several, as below
	Traffic string  `json:"traffic,omitzero"`
	Profile string  `json:"profile,omitzero"`
	Runs    int     `json:"runs"`
	Ours    Figures `json:"ours"`
	// Best is a bound for Ours.Settled that no estimator can exceed by much, see docs/accuracy.md.
	Best      float64 `json:"best"`
	Sketch    Figures `json:"sketch"`    // the first sketch's algorithm on the same links
	Commonest Figures `json:"commonest"` // whoever always says what is true most of the time
}

// NewReport judges the results of runs of a length.
func NewReport(results []Result, length time.Duration) Report {
	r := Report{LengthSeconds: length.Seconds(), Goals: Goals(results)}
	r.OK = len(Missed(r.Goals)) == 0
	for i := range results {
		one := &results[i]
		l := line(one.String(), results[i:i+1])
		l.Cause, l.Traffic, l.Profile = one.Cause.String(), one.Traffic.String(), one.Profile.String()
		r.Settings = append(r.Settings, l)
		r.Set = one.Set
	}
	for c := range causes {
		if some := those(results, func(r *Result) bool { return r.Cause == c }); len(some) > 0 {
			l := line(c.String(), some)
			l.Cause = c.String()
			r.Causes = append(r.Causes, l)
		}
	}
	r.LatencyAndReach = line("latency and reach", those(results, knowable))
	r.All = line("all causes", results)
	r.Runs = r.All.Runs
	return r
}

func those(results []Result, of func(*Result) bool) (some []Result) {
	for i := range results {
		if of(&results[i]) {
			some = append(some, results[i])
		}
	}
	return some
}

func line(name string, results []Result) Line {
	sum := Join(results, func(*Result) bool { return true })
	best, all := 0.0, 0.0
	for i := range results {
		o := &results[i].Ours
		b, _ := results[i].Best()
		best, all = best+b*o.SettledSeconds, all+o.SettledSeconds
	}
	return Line{
		Name: name, Runs: sum.Runs, Best: ratio(best, all),
		Ours: sum.Ours.Figures(), Sketch: sum.Sketch.Figures(), Commonest: sum.Commonest.Figures(),
	}
}

// Write writes the report for people, with a line for each of the results that it was made of.
func (r *Report) Write(w io.Writer, results []Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s seeds, %d runs of %v\n\nEach setting: percent; times to detect in seconds, p50/p95; flaps and probes an hour\n", r.Set, r.Runs,
		time.Duration(r.LengthSeconds*float64(time.Second)))
	if err := WriteTable(&b, results); err != nil {
		return err
	}
	r.writeCauses(&b)
	r.writeTimes(&b)
	b.WriteString("\nConfusion of the levels, percent of each true level's settled time: latency and reach\n")
	known := Join(results, knowable)
	if err := known.Ours.WriteConfusion(&b); err != nil {
		return err
	}
	b.WriteString("\nThe same for loss, single, one way and in bursts: there is no bar, see best above\n")
	lossy := Join(results, func(r *Result) bool { return !knowable(r) })
	if err := lossy.Ours.WriteConfusion(&b); err != nil {
		return err
	}
	b.WriteString("\nGoals\n")
	for _, g := range r.Goals {
		mark := "ok  "
		if !g.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, g)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are those of several settings together.
func (r *Report) lines() []Line {
	return append(append([]Line(nil), r.Causes...), r.LatencyAndReach, r.All)
}

// writeCauses writes accuracy and recalls.
func (r *Report) writeCauses(b *strings.Builder) {
	fmt.Fprintf(b, "\nTogether, percent; best is what information allows, then the first sketch's algorithm and always-the-commonest, settled; recalls\n"+
		"%-18s %8s %8s %8s %8s %8s |", "cause", "settled", "all", "best", "sketch", "common")
	for l := range quality.Level(levels) {
		fmt.Fprintf(b, " %9s", l)
	}
	b.WriteString(" |")
	for reach := quality.ReachOnline; reach <= quality.ReachOffline; reach++ {
		fmt.Fprintf(b, " %11s", reach)
	}
	for _, l := range r.lines() {
		fmt.Fprintf(b, "\n%-18s %8.2f %8.2f %8.2f %8.2f %8.2f |", l.Name, 100*l.Ours.Settled, 100*l.Ours.Accuracy, 100*l.Best,
			100*l.Sketch.Settled, 100*l.Commonest.Settled)
		for level := range quality.Level(levels) {
			share, ok := l.Ours.LevelRecall[level]
			fmt.Fprintf(b, " %9s", percentOr(share, ok))
		}
		b.WriteString(" |")
		for reach := quality.ReachOnline; reach <= quality.ReachOffline; reach++ {
			share, ok := l.Ours.ReachRecall[reach]
			fmt.Fprintf(b, " %11s", percentOr(share, ok))
		}
	}
	b.WriteByte('\n')
}

func percentOr(share float64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100*share)
}

// timesTold are the times to detect that are shown, and what they are called.
var timesTold = [...]struct{ key, name string }{
	{"offline", "offline"}, {"offlineNear", "near"}, {"back", "back"}, {"backNear", "backnear"}, {"away", "away"}, {"worse", "worse"}, {"better", "better"},
}

// writeTimes writes how fast, how steady, how dear and how well calibrated.
func (r *Report) writeTimes(b *strings.Builder) {
	fmt.Fprintf(b, "\nTimes to detect in seconds, p50/p95 (near: up to an RTT of 300 ms); an hour; answers that are 95%% sure and how many of them are right\n%-18s",
		"cause")
	for _, t := range timesTold {
		fmt.Fprintf(b, " %10s", t.name)
	}
	fmt.Fprintf(b, " %7s %8s %8s %7s %7s", "flaps", "probes", "kB", "sure", "right")
	for _, l := range r.lines() {
		fmt.Fprintf(b, "\n%-18s", l.Name)
		for _, t := range timesTold {
			told := "-"
			if f := l.Ours.Times[t.key]; f.Count > 0 {
				told = fmt.Sprintf("%.1f/%.1f", f.P50, f.P95)
			}
			fmt.Fprintf(b, " %10s", told)
		}
		fmt.Fprintf(b, " %7.2f %8.0f %8.0f %7.1f %7.1f", l.Ours.FlapsAnHour, l.Ours.ProbesAnHour, l.Ours.BytesAnHour/1000,
			100*l.Ours.SureShare, 100*l.Ours.Calibration)
	}
	b.WriteByte('\n')
}
