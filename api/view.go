package api

import (
	"context"
	"fmt"
	"io"
	"net/http/httptrace"
	"time"
)

// view is an attempt as its transport sees it, a context: the caller's, with the attempt's hooks, which ends with the
// attempt too. What that takes costs more than all the rest of a happy call, so that it is made only when somebody looks,
// as net/http does for a request that it sends. It is of the context package's own kinds then: what is derived from it
// costs no goroutine, and context.Cause knows why it ended.
type view attempt

var _ context.Context = (*view)(nil)

// look is what was made. It is never replaced.
type look struct {
	context.Context
	cancel context.CancelCauseFunc
	hooks  httptrace.ClientTrace
	trace  trace // what they saw
}

// look makes it, or finds what another made. No lock is held, since the caller's context may be of any kind.
func (a *attempt) look() *look {
	if l := a.looked.Load(); l != nil {
		return l
	}
	caller := a.caller
	if _, over := a.over(); over {
		caller = context.WithoutCancel(caller) // its end comes second
	}
	l := &look{trace: trace{start: a.start}}
	l.trace.hooks(&l.hooks, a.c.proof, a.sends, a.c.timed, a.c.opts.OnAttempt != nil)
	if a.c.opts.OnAttempt != nil || hooksKey == nil || caller.Value(hooksKey) != nil {
		caller = httptrace.WithClientTrace(caller, &l.hooks) // has more to do than to hold them
	}
	l.Context, l.cancel = context.WithCancelCause(caller)
	if !a.looked.CompareAndSwap(nil, l) {
		l.cancel(nil)
		return a.looked.Load()
	}
	// Whoever ended the attempt before saw nothing to cancel. Whoever does it from now on sees this.
	if cause, over := a.over(); over && planted != bugLateLook {
		l.cancel(cause)
	}
	return l
}

// unseen is the trace of an attempt whose transport never asked for hooks.
var unseen trace

// trace is what the hooks saw until now.
func (a *attempt) trace() *trace {
	if l := a.looked.Load(); l != nil {
		return &l.trace
	}
	return &unseen
}

// over says that the attempt ended, and why if it was cut short.
func (a *attempt) over() (cause error, over bool) {
	if cause := a.cause.Load(); cause != nil {
		return *cause, true
	}
	return nil, silence(a.silence.Load()).phase() == phaseDone
}

// cutShort cancels the attempt's context. The first cause counts, the caller's included.
func (a *attempt) cutShort(cause error) {
	if a.caller.Err() != nil { // it was first, though nobody looked
		cause = context.Cause(a.caller)
	}
	a.cause.CompareAndSwap(nil, &cause)
	if l := a.looked.Load(); l != nil {
		l.cancel(*a.cause.Load())
	}
}

// Deadline is the caller's.
func (v *view) Deadline() (time.Time, bool) { return v.caller.Deadline() }

// Done is closed when the attempt or the caller's context ends.
func (v *view) Done() <-chan struct{} { return (*attempt)(v).look().Done() }

// Err says why.
func (v *view) Err() error { return (*attempt)(v).look().Err() }

// Value finds the hooks, and what the caller's context holds.
func (v *view) Value(key any) any {
	l := (*attempt)(v).look()
	if key == hooksKey && key != nil {
		return &l.hooks
	}
	return l.Value(key)
}

// hooksKey is what httptrace looks for in a context, which it tells nobody but the context; nil if it doesn't look.
var hooksKey = func() any {
	var asked asking
	httptrace.ContextClientTrace(&asked)
	return asked.key
}()

// asking is a context that notes what it is asked for.
type asking struct {
	context.Context
	key any
}

func (a *asking) Value(key any) any { a.key = key; return nil }

// Format names the type only, whatever the verb: an attempt's request may hold a token.
func (v *view) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "api.attempt") }
