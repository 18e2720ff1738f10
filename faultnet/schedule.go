package faultnet

import (
	"context"
	"slices"
	"time"
)

// Step is one change of a link at a moment of a Schedule.
type Step struct {
	// At is when, counted from the start of Play.
	At time.Duration
	// Name says what happens, for logs and reports.
	Name string
	// Do makes the change. It is called by Play's goroutine and may call every method of the link. Nil does nothing.
	Do func(*Link)
}

// Schedule is a list of changes. Play sorts it by time; steps of the same moment keep their order.
type Schedule []Step

// Play performs the schedule on the link, relative to now, and returns when the last step is done. It returns the
// error of ctx if that ends first; the link then stays as the last step left it.
func (l *Link) Play(ctx context.Context, schedule Schedule) error {
	steps := slices.Clone(schedule)
	slices.SortStableFunc(steps, func(a, b Step) int { return int(min(max(a.At-b.At, -1), 1)) })
	start := time.Now()
	for _, step := range steps {
		if err := sleepUntil(ctx, start.Add(step.At), nil); err != nil {
			return err
		}
		if step.Do != nil {
			step.Do(l)
		}
	}
	return nil
}

// sleepUntil waits for a moment, the end of ctx, or abandoned to be closed, unless that is nil.
func sleepUntil(ctx context.Context, at time.Time, abandoned <-chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wait := time.Until(at)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-abandoned:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
}
