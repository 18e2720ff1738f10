package accuracy

import (
	"context"
	"slices"
	"time"
)

const (
	// DefaultRuns and DefaultLength are what chatsdk suite accuracy plays of each setting: some 10 s on one processor.
	DefaultRuns   = 2
	DefaultLength = 15 * time.Minute

	// blackoutRuns is how many times as many runs of blackouts there are: few of them are in an hour.
	blackoutRuns = 3
	// apart is between the first runs of two settings, so that each setting has links of its own.
	apart = 1000
)

// SuiteOptions say what of the matrix is played. The zero value plays what chatsdk suite accuracy does.
type SuiteOptions struct {
	Set    Set           // of seeds. Defaults to Reporting
	Runs   int           // of each setting, and three times as many of blackouts. Defaults to DefaultRuns, 300 at most
	Length time.Duration // of each run. Defaults to DefaultLength
	Causes []Cause       // that are played. Defaults to all
}

// MaxRuns is how many SuiteOptions.Runs may be: more would be runs of another setting.
const MaxRuns = apart / blackoutRuns

// Suite plays the matrix, and calls tell with each result, or not if it is nil. It ends early only if ctx does. The same
// options give the same results.
func Suite(ctx context.Context, o SuiteOptions, tell func(Result)) ([]Result, error) {
	if o.Set == 0 {
		o.Set = Reporting
	}
	if o.Runs == 0 {
		o.Runs = DefaultRuns
	}
	if o.Length == 0 {
		o.Length = DefaultLength
	}
	var all []Result
	for i, s := range Matrix() {
		if len(o.Causes) > 0 && !slices.Contains(o.Causes, s.Cause) {
			continue
		}
		runs := min(max(o.Runs, 1), MaxRuns)
		if s.Cause == Blackout {
			runs *= blackoutRuns
		}
		if err := ctx.Err(); err != nil {
			return all, err
		}
		r := Measure(o.Set, s, uint64(apart*i), runs, o.Length)
		if all = append(all, r); tell != nil {
			tell(r)
		}
	}
	return all, nil
}

// Join puts the results together for which of is true.
func Join(results []Result, of func(*Result) bool) (sum Result) {
	for i := range results {
		if of(&results[i]) {
			sum.Add(&results[i])
		}
	}
	return sum
}

// Knowable are the causes of which a few exchanges tell all that there is to know: latency and reach. A rate of loss takes
// hundreds.
func Knowable() []Cause { return []Cause{Latency, Blackout, Captive, ServerDown, Address} }

func knowable(r *Result) bool { return slices.Contains(Knowable(), r.Cause) }
