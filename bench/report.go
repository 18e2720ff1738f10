package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

// report is everything that was measured. Durations are in milliseconds.
type report struct {
	Began      time.Time `json:"began"`
	Go         string    `json:"go"`
	System     string    `json:"system"`
	CPUs       int       `json:"cpus"`
	Seed       uint64    `json:"seed"`
	LoadBefore string    `json:"loadBefore,omitempty"` // 1, 5 and 15 min, where the system tells
	LoadAfter  string    `json:"loadAfter,omitempty"`
	Lateness   *spread3  `json:"timerLatenessMs,omitempty"` // of a 10 ms timer while reconnects were measured
	// ResetLateness is the same while resets were, for each round-trip time.
	ResetLateness []*spread3 `json:"resetTimerLatenessMs,omitempty"`
	// ResetRTT is how long an echo took meanwhile over a link of the same kind, for each round-trip time in ms that was set.
	ResetRTT   map[int64]spread3 `json:"resetRttMs,omitempty"`
	Reconnects []row             `json:"reconnects,omitempty"`
	Ratios     []ratio           `json:"ratios,omitempty"`
	Throughput []throughput      `json:"throughput,omitempty"`
	Traffic    []traffic         `json:"traffic,omitempty"`
	Memory     *memory           `json:"memory,omitempty"`
	Hours      []hour            `json:"hours,omitempty"`
	Policies   []policy          `json:"policies,omitempty"`
	Enqueued   []enqueued        `json:"enqueued,omitempty"`
	QueueTimes []queueTime       `json:"queueTimesMs,omitempty"`
	Uploads    []uploaded        `json:"uploads,omitempty"`
	Chats      []chatBeside      `json:"chatBesideUpload,omitempty"`
	Quality    []observation     `json:"quality,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
	Problems   []string          `json:"problems,omitempty"` // what wasn't measured as it should have been
}

// spread3 is a distribution in milliseconds.
type spread3 struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// row is one fault of one client at one RTT.
type row struct {
	Client   string  `json:"client"`
	Fault    string  `json:"fault"`
	RTTMs    float64 `json:"rttMs"`
	RealMs   float64 `json:"realRttMs"` // what an echo over such a link took meanwhile (median), or RTTMs where nobody looked
	N        int     `json:"n"`
	Failed   int     `json:"failed"` // trials without a recovery; no figure counts them, and a goal is missed with any
	CaughtUp spread3 `json:"caughtUpMs"`
	Detect   spread3 `json:"detectMs"`
	Goal     string  `json:"goal,omitempty"`
	MetP50   bool    `json:"goalMetAtP50,omitempty"`
	MetP95   bool    `json:"goalMetAtP95,omitempty"`
}

// ratio compares two clients that met the same fault in the same run.
type ratio struct {
	Fault string  `json:"fault"`
	RTTMs float64 `json:"rttMs"`
	P50   float64 `json:"p50"` // centrifuge-js over chatsdk: above 1 chatsdk is quicker
	P95   float64 `json:"p95"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func spreadOf(v []time.Duration) spread3 {
	return spread3{ms(scenario.Percentile(v, 50)), ms(scenario.Percentile(v, 95)), ms(scenario.Percentile(v, 100))}
}

// addOutcome turns a group's trials into rows.
func (r *report) addOutcome(o *outcome) {
	name := fmt.Sprintf("%s at %v", o.group.client, o.group.rtt)
	for _, f := range o.failures {
		r.problem("%s: %s", name, f)
	}
	if o.needless > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d reconnects more than there were faults", name, o.needless))
	}
	for _, k := range o.group.kinds {
		got := o.byKind[k.name]
		if got == nil {
			r.problem("%s: no trial of %s", name, k.name)
			continue
		}
		for _, f := range got.failures {
			r.problem("%s, %s: %s", name, k.name, f)
		}
		r.Reconnects = append(r.Reconnects, r.makeRow(o.group, k, got))
	}
}

// makeRow counts round trips as they were on such a link at the time: each of its timers is late by a part of a millisecond,
// which isn't the client's doing, and at 20 ms is not little.
func (r *report) makeRow(g group, k kind, got *results) row {
	var caught, detect []time.Duration
	for _, x := range got.recoveries {
		caught, detect = append(caught, x.caughtUp), append(detect, x.detect)
	}
	out := row{
		Client: g.client, Fault: k.name, RTTMs: ms(g.rtt), N: len(caught), Failed: len(got.failures),
		CaughtUp: spreadOf(caught), Detect: spreadOf(detect), RealMs: ms(g.rtt),
	}
	if real, ok := r.ResetRTT[g.rtt.Milliseconds()]; ok && k.name == kindReset.name {
		out.RealMs = real.P50
	}
	for _, goal := range goals() {
		limit := goal.limit(g.client, k.name, out)
		if limit == 0 {
			continue
		}
		measured := out.N > 0 && out.Failed == 0
		out.Goal = goal.String()
		out.MetP50, out.MetP95 = measured && out.CaughtUp.P50 <= limit, measured && out.CaughtUp.P95 <= limit
	}
	return out
}

// compare says how the clients differ where both were measured.
func (r *report) compare() {
	for _, theirs := range r.Reconnects {
		if theirs.Client != clientJS || theirs.N == 0 {
			continue
		}
		i := slices.IndexFunc(r.Reconnects, func(x row) bool {
			return x.Client == clientWS && x.Fault == theirs.Fault && x.RTTMs == theirs.RTTMs && x.N > 0
		})
		if i < 0 {
			continue
		}
		ours := r.Reconnects[i]
		r.Ratios = append(r.Ratios, ratio{
			Fault: theirs.Fault, RTTMs: theirs.RTTMs,
			P50: theirs.CaughtUp.P50 / ours.CaughtUp.P50, P95: theirs.CaughtUp.P95 / ours.CaughtUp.P95,
		})
	}
}

func (r *report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// load is the system's load average, or "" where it doesn't tell.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	if f := strings.Fields(string(b)); len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return ""
}

func newReport(c config) *report {
	return &report{
		Began: time.Now(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Seed: c.seed, LoadBefore: load(), ResetRTT: map[int64]spread3{},
	}
}
