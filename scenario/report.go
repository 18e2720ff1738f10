package scenario

import (
	"fmt"
	"strings"
	"time"
)

// Report is what a run of a scenario showed. Its JSON field names are stable.
type Report struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Clock    string        `json:"clock"` // "real" or "virtual"
	Seed     uint64        `json:"seed"`
	OK       bool          `json:"ok"`
	Faults   []FaultReport `json:"faults,omitempty"`
	Acks     Spread        `json:"acks"`
	HTTP     *HTTPReport   `json:"http,omitempty"`     // where clients talk by HTTP alone
	Uploads  []FileReport  `json:"uploads,omitempty"`  // where files are uploaded
	Problems []string      `json:"problems,omitempty"` // thresholds missed, and what kept the run from judging
	Notes    []string      `json:"notes,omitempty"`    // what the run can't show
	Verdict  Verdict       `json:"verdict"`
	Took     time.Duration `json:"tookNs"` // by the run's own clock
}

// FaultReport is how the client came through one fault.
type FaultReport struct {
	Name string `json:"name"`
	Recovery
	LimitNS time.Duration `json:"limitNs,omitempty"` // for CatchUp; 0 means none
	Calm    *Calm         `json:"calm,omitempty"`    // in place of a recovery, where the connection is to live through it
}

// Calm is what a client did in a fault that asks nothing of it but patience.
type Calm struct {
	Reconnects int           `json:"reconnects"`
	Resends    int           `json:"resends"` // transmissions after the first
	Dials      int           `json:"dials"`   // connections begun, used or not
	Acked      int           `json:"acked"`   // messages
	Slowest    time.Duration `json:"slowestNs"`
}

// Spread is a distribution in nearest-rank percentiles.
type Spread struct {
	N   int           `json:"n"`
	P50 time.Duration `json:"p50Ns"`
	P95 time.Duration `json:"p95Ns"`
	Max time.Duration `json:"maxNs"`
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) recovery(name string, m Recovery, limit time.Duration) {
	r.Faults = append(r.Faults, FaultReport{Name: name, Recovery: m, LimitNS: limit})
	if limit > 0 && m.CatchUp > limit {
		r.problem("%s: caught up after %v, at most %v is allowed", name, ms(m.CatchUp), limit)
	}
}

// calm notes a fault that was to be lived through.
func (r *Report) calm(name string, m Calm) {
	r.Faults = append(r.Faults, FaultReport{Name: name, Calm: &m})
	if m.Reconnects > 0 || m.Resends > 0 {
		r.problem("%s: %d reconnects and %d messages sent again, and none is needed", name, m.Reconnects, m.Resends)
	}
	if m.Acked == 0 {
		r.problem("%s: no message was acknowledged in it: it shows nothing", name)
	}
}

// String is the report for people: a line, a line for each fault, and what is wrong.
func (r Report) String() string {
	var b strings.Builder
	word := "ok  "
	if !r.OK {
		word = "FAIL"
	}
	fmt.Fprintf(&b, "%s %-7s %s (%s clock, seed %d, %v)\n", word, r.ID, r.Name, r.Clock, r.Seed, r.Took.Round(time.Second))
	if r.Acks.N > 0 {
		fmt.Fprintf(&b, "     %d messages acknowledged: p50 %v, p95 %v, max %v\n", r.Acks.N, ms(r.Acks.P50), ms(r.Acks.P95), ms(r.Acks.Max))
	}
	if r.HTTP != nil {
		fmt.Fprintf(&b, "     %v\n", r.HTTP)
		for _, o := range r.HTTP.Outages {
			fmt.Fprintf(&b, "     %-16s circuit open after %v; from the end: closed %v, all done %v  (limit %v)\n",
				o.Name, ms(o.OpenedNS), ms(o.ClosedNS), ms(o.DoneNS), o.LimitNS)
		}
	}
	for _, u := range r.Uploads {
		fmt.Fprintf(&b, "     %v\n", u)
	}
	for _, f := range r.Faults {
		if m := f.Calm; m != nil {
			fmt.Fprintf(&b, "     %-16s %d reconnects, %d dials, %d resends; %d messages acknowledged, the slowest after %v\n",
				f.Name, m.Reconnects, m.Dials, m.Resends, m.Acked, ms(m.Slowest))
			continue
		}
		fmt.Fprintf(&b, "     %-16s detected %6v  connected %6v  caught up %6v", f.Name, ms(f.Detect), ms(f.Connect), ms(f.CatchUp))
		if f.LimitNS > 0 {
			fmt.Fprintf(&b, "  (limit %v)", f.LimitNS)
		}
		b.WriteByte('\n')
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "     problem: %s\n", p)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "     note: %s\n", n)
	}
	fmt.Fprintf(&b, "     %s\n", strings.ReplaceAll(strings.TrimSpace(r.Verdict.String()), "\n", "\n     "))
	return b.String()
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
