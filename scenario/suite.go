package scenario

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
)

// DefaultParallel is how many scenarios run at a time. Each needs about a twentieth of a core and waits for the rest, so
// that two cores stay mostly idle and what is measured doesn't wait for one; with more, the longest scenario and those
// that run alone decide how long all take.
const DefaultParallel = 6

// SuiteOptions say how a suite is run.
type SuiteOptions struct {
	RunOptions
	Parallel int // most scenarios at a time; 0 means DefaultParallel
}

// RunSuite runs scenarios on sockets of the loopback interface, several at a time. Those that keep the machine busy
// (Scenario.Alone) come when the others are through, one at a time. The reports come in the order of the scenarios, each
// as soon as those before it are there. An error comes in its scenario's place and is the last; it, or leaving the loop,
// ends what still runs, and when the loop is left nothing runs any more.
func RunSuite(ctx context.Context, scenarios []Scenario, o SuiteOptions) iter.Seq2[Report, error] {
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	var mu sync.Mutex
	return inOrder(ctx, scenarios, o.Parallel, func(ctx context.Context, s Scenario) (Report, error) {
		run := o.RunOptions
		if run.Out != nil {
			run.Out = &labelled{mu: &mu, w: o.Out, label: s.ID}
		}
		r, err := RunReal(ctx, s, run)
		if err != nil {
			err = fmt.Errorf("scenario %s: %w", s.ID, err)
		}
		return r, err
	})
}

// inOrder is RunSuite for anything that runs a scenario.
func inOrder(
	ctx context.Context, scenarios []Scenario, parallel int, run func(context.Context, Scenario) (Report, error),
) iter.Seq2[Report, error] {
	type result struct {
		report Report
		err    error
	}
	return func(yield func(Report, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		results := make([]chan result, len(scenarios))
		beside, alone := make(chan int, len(scenarios)), []int{}
		for i := range scenarios {
			results[i] = make(chan result, 1)
			if scenarios[i].Alone {
				alone = append(alone, i)
			} else {
				beside <- i
			}
		}
		close(beside)
		play := func(i int) {
			out := result{err: ctx.Err()}
			if out.err == nil {
				out.report, out.err = run(ctx, scenarios[i])
			}
			results[i] <- out
		}
		wg.Go(func() {
			var players sync.WaitGroup
			for range min(parallel, len(scenarios)) {
				players.Go(func() {
					for i := range beside {
						play(i)
					}
				})
			}
			players.Wait()
			for _, i := range alone {
				play(i)
			}
		})
		for _, came := range results {
			out := <-came
			if !yield(out.report, out.err) || out.err != nil {
				return
			}
		}
	}
}

// labelled is a writer of lines for one of several who write to w, with a name before each. A line is one Write.
type labelled struct {
	mu    *sync.Mutex // for all who write to w
	w     io.Writer
	label string
}

// Write writes one line.
func (l *labelled) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.w, "%-7s %s", l.label, line); err != nil {
		return 0, err
	}
	return len(line), nil
}
