package api

import (
	"context"
	"sync"
	"time"
)

// limits is a call's context with its deadline and the Client's end, for what a call waits for in others: the token, the
// network. Most of the time those answer at once, so that it is made only when somebody looks at it.
type limits struct {
	context.Context // the caller's
	c               *Client
	deadline        time.Time

	mu     sync.Mutex // guards what follows
	inner  context.Context
	cancel context.CancelFunc
}

func (cl *call) limits() *limits { return &limits{Context: cl.ctx, c: cl.c, deadline: cl.deadline} }

func (l *limits) derive() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil {
		return l.inner
	}
	ctx, cancel := context.WithCancelCause(l.Context)
	stop := context.AfterFunc(l.c.ctx, func() { cancel(ErrClosed) })
	l.inner, l.cancel = ctx, func() { stop(); cancel(nil) }
	if !l.deadline.IsZero() {
		t := time.AfterFunc(time.Until(l.deadline), func() { cancel(errDeadline) })
		l.cancel = func() { t.Stop(); stop(); cancel(nil) }
	}
	return l.inner
}

// Deadline is the call's.
func (l *limits) Deadline() (time.Time, bool) { return l.deadline, !l.deadline.IsZero() }

// Done is closed when the call, its caller's context or the Client ends.
func (l *limits) Done() <-chan struct{} { return l.derive().Done() }

// Err says why.
func (l *limits) Err() error { return l.derive().Err() }

// AfterFunc keeps contexts made of this one from needing a goroutine each.
func (l *limits) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(l.derive(), f) }

// cause is the reason behind err, where the limits ended it.
func (l *limits) cause(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil && l.inner.Err() != nil {
		return context.Cause(l.inner)
	}
	return err
}

// end lets go of what was made. Who still holds the context sees it cancelled.
func (l *limits) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}
