package api

import (
	"context"
	"time"
)

// Priority orders the calls that wait for a host.
type Priority int

// Priorities, the most urgent last.
const (
	PriorityDefault  Priority = iota // by method: PrioritySend, or PriorityRead for the safe ones
	PriorityPrefetch                 // nobody waits for it
	PriorityRead
	PrioritySend
	PriorityAuth // others can't go on without it
)

// Call says what one call needs that differs from the Client's Options. The zero value changes nothing.
type Call struct {
	Priority Priority
	// Idempotent says that sending the request twice does no more than sending it once, whatever its method.
	Idempotent bool
	// FailFast is Options.FailFast for this call.
	FailFast bool
	// Deadline and MaxAttempts, if not 0, replace those of the Options.
	Deadline    time.Duration
	MaxAttempts int
	// Route names what the call is about, so that the server's time is measured apart from that of other routes.
	// Defaults to the method and the first two segments of the path.
	Route string
}

type callKey struct{}

// With returns a context whose requests are made as call says.
func With(ctx context.Context, call Call) context.Context {
	return context.WithValue(ctx, callKey{}, &call)
}

// callOf returns what With said.
func callOf(ctx context.Context) Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return *c
	}
	return Call{}
}
