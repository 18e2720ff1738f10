package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/scenario"
)

const (
	// queuedRows is how many messages wait in the queue that is opened.
	queuedRows = 10_000
	// queuedChannels is over how many channels they spread.
	queuedChannels = 10
	// openRounds is how often it is opened, with the file in the system's cache.
	openRounds = 15
	// openGoal is how long that may take.
	openGoal = 50 * time.Millisecond
)

// queueTime is how long something took that a queue does. Milliseconds.
type queueTime struct {
	What string  `json:"what"`
	N    int     `json:"n"`
	Best float64 `json:"best"`
	spread3
	Goal string `json:"goal,omitempty"`
	Met  bool   `json:"goalMet,omitempty"`
}

// addQueueTime notes times; they meet the goal if the percentile does. A goal of 0 is none.
func (r *report) addQueueTime(what string, took []time.Duration, goal time.Duration, percentile float64) {
	v := queueTime{What: what, N: len(took), Best: ms(slices.Min(took)), spread3: spreadOf(took)}
	if goal > 0 {
		v.Goal = fmt.Sprintf("p%.0f below %.0f", percentile, ms(goal))
		v.Met = scenario.Percentile(took, percentile) < goal
	}
	r.QueueTimes = append(r.QueueTimes, v)
}

// measureQueue measures what the queue promises.
func measureQueue(ctx context.Context, c config, dir string, r *report) error {
	rounds, opens, drains := enqueueRounds, openRounds, drainTrials
	if c.quick {
		rounds, opens, drains = 3, 3, 1
	}
	dir = filepath.Join(dir, "queue")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		measureEnqueue(ctx, dir, rounds, r),
		measureOpen(ctx, filepath.Join(dir, "full"), opens, r),
		measureDrain(ctx, filepath.Join(dir, "drain"), drains, r),
		measureFirst(ctx, filepath.Join(dir, "first"), c.n, r),
	)
}

// measureOpen opens a queue of many messages again and again.
func measureOpen(ctx context.Context, dir string, rounds int, r *report) error {
	if err := fillQueue(ctx, dir); err != nil {
		return err
	}
	var profiles, queues, both, cpus []time.Duration
	for range rounds {
		var took opened
		cpu := usedCPU()
		q, end, err := openQueue(dir, &took)
		cpus = append(cpus, usedCPU()-cpu)
		if err == nil && q.Len() != queuedRows {
			err = fmt.Errorf("%d messages instead of %d", q.Len(), queuedRows)
		}
		if err := errors.Join(err, end()); err != nil {
			return err
		}
		profiles, queues = append(profiles, took.profile), append(queues, took.queue)
		both = append(both, took.profile+took.queue)
	}
	r.addQueueTime("open a profile of 10,000 queued messages", profiles, 0, 0)
	r.addQueueTime("start its queue", queues, 0, 0)
	r.addQueueTime("both", both, openGoal, 50)
	r.addQueueTime("the processor's part of both", cpus, 0, 0)
	return nil
}

func fillQueue(ctx context.Context, dir string) (err error) {
	q, end, err := openQueue(dir, nil)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	const callers = queuedRows / 50
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			e := outbox.Entry{Channel: fmt.Sprintf("%s-%d", channel, i%queuedChannels), Text: strings.Repeat("x", queueTextBytes)}
			for range queuedRows / callers {
				if _, errs[i] = q.Enqueue(ctx, e); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// writeQueue prints the costs of keeping a message beside each other, and the times.
func (r *report) writeQueue(out io.Writer) {
	if len(r.Enqueued) > 0 {
		w := table(out)
		fmt.Fprintf(w, "\nkeeping a message of %d bytes, in turns; times of one call in ms\n", queueTextBytes)
		fmt.Fprint(w, "way\tn\tp50\tp95\tfloors\tmessages/s\tgoal\t\t\n")
		for _, x := range r.Enqueued {
			fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.2f\t%.0f\t%s\t%s\t\n",
				x.What, x.N, x.P50, x.P95, x.Floor, x.PerSecond, x.Goal, met(x.Goal, x.Met))
		}
		_ = w.Flush() // to standard output: nobody is there to tell
	}
	if len(r.QueueTimes) > 0 {
		w := table(out)
		fmt.Fprint(w, "\nthe queue's times, in ms\n")
		fmt.Fprint(w, "what\tn\tbest\tp50\tp95\tmax\tgoal\t\t\n")
		for _, x := range r.QueueTimes {
			fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t%s\t\n",
				x.What, x.N, x.Best, x.P50, x.P95, x.Max, x.Goal, met(x.Goal, x.Met))
		}
		_ = w.Flush()
	}
	fmt.Fprintln(out)
}
