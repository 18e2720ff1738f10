package scenario

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Percentile is the p-th percentile by nearest rank: of n values in rising order the one with rank ⌈p/100·n⌉, counted
// from 1, at least 1 and at most n. It is always one of the values; p = 100 is the largest. 0 if there are none.
func Percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[rank(len(sorted), p)]
}

// rank is the nearest rank as an index. What floating point adds to an exact product (99.9·1000/100) must not lift it
// to the next rank.
func rank(n int, p float64) int {
	const fuzz = 1e-9
	r := math.Ceil(p*float64(n)/100 - fuzz)
	if !(r >= 1) { // also for NaN
		return 0
	}
	if r >= float64(n) {
		return n - 1
	}
	return int(r) - 1
}

// Summary is a set of durations in four numbers; the percentiles are Percentile's.
type Summary struct {
	N    int  `json:"n"`
	None int  `json:"none"` // spans that weren't OK; no number below counts them
	P50  Span `json:"p50Ms"`
	P95  Span `json:"p95Ms"`
	Max  Span `json:"maxMs"`
}

// Summarize sums spans up.
func Summarize(spans []Span) Summary {
	var s Summary
	var values []time.Duration
	for _, x := range spans {
		if x.OK {
			values = append(values, x.D)
		} else {
			s.None++
		}
	}
	s.N = len(values)
	if s.N == 0 {
		return s
	}
	slices.Sort(values)
	s.P50 = Span{values[rank(s.N, 50)], true}
	s.P95 = Span{values[rank(s.N, 95)], true}
	s.Max = Span{values[s.N-1], true}
	return s
}

// String is the summary in one line.
func (s Summary) String() string {
	return fmt.Sprintf("p50 %v, p95 %v, max %v (n %d, none %d)", s.P50, s.P95, s.Max, s.N, s.None)
}

// FaultSummary sums up the timings of one fault over all its occurrences and clients.
type FaultSummary struct {
	Fault     string  `json:"fault"`
	Detection Summary `json:"detection"`
	Reconnect Summary `json:"reconnect"`
	CatchUp   Summary `json:"catchUp"`
}

// SummarizeFaults groups timings by the fault's name, in order of first appearance.
func SummarizeFaults(timings []Timing) []FaultSummary {
	groups := map[string][]Timing{}
	var names []string
	for _, t := range timings {
		if groups[t.Fault] == nil {
			names = append(names, t.Fault)
		}
		groups[t.Fault] = append(groups[t.Fault], t)
	}
	out := make([]FaultSummary, 0, len(names))
	for _, n := range names {
		var detection, reconnect, catchUp []Span
		for _, t := range groups[n] {
			detection, reconnect, catchUp = append(detection, t.Detection), append(reconnect, t.Reconnect), append(catchUp, t.CatchUp)
		}
		out = append(out, FaultSummary{
			Fault: n, Detection: Summarize(detection), Reconnect: Summarize(reconnect), CatchUp: Summarize(catchUp),
		})
	}
	return out
}
