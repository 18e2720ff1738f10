package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// decide says after an attempt without success how long to wait for the next, or why there is none. In that order: can
// trying again help, is it safe, can the body be had again, is there an attempt, time and a token of the budget left.
func (cl *call) decide(v verdict, res *http.Response, err error) (wait time.Duration, stop *Error) {
	if v.fault == FaultAuth {
		return cl.renew(v, res)
	}
	if err == nil || v.sent != SentNothing {
		cl.counted++
	}
	h, now := cl.h, time.Now()
	switch {
	case err != nil && v.fault == FaultCaller && cl.c.endedBy(cl.ctx) != nil:
		return 0, cl.ended(cl.c.endedBy(cl.ctx))
	case !v.again:
		return 0, cl.fail(v.kind, v.fault, err)
	case v.sent == SentMaybe && !cl.idempotent && planted != bugRetrySent:
		return 0, cl.fail(orKind(v.kind, ErrUnsafe), v.fault, err)
	case !cl.body.replayable():
		return 0, cl.fail(orKind(v.kind, ErrNotReplayable), v.fault, err)
	case cl.counted >= cl.set.MaxAttempts:
		return 0, cl.fail(orKind(v.kind, ErrAttempts), v.fault, err)
	}
	wait = cl.backoff(v)
	h.mu.Lock()
	if h.breaker.state == Open && v.sent == SentNothing && err != nil && planted != bugOversleep {
		// The circuit holds everybody back anyway: who sleeps on after it would be the last to see the server's return. An
		// attempt that reached nobody costs no try, so that going first each time doesn't end the call early.
		wait = min(wait, max(h.breaker.until.Sub(now), 0))
	}
	held, expect := h.gate.until, h.path.rtt.mean
	h.mu.Unlock()
	switch {
	case held.Sub(now) > cl.c.opts.MaxRetryAfter, cl.late(held), cl.set.FailFast && held.After(now), wait > cl.c.opts.MaxRetryAfter:
		cl.retryAt = later(held, now.Add(wait))
		return 0, cl.fail(ErrRateLimited, v.fault, err)
	case cl.late(now.Add(wait + expect)):
		cl.retryAt = now.Add(wait)
		return 0, cl.fail(ErrDeadline, v.fault, err)
	case !h.pay(now, v.cost): // last, since only a retry that is made is to be paid
		return 0, cl.fail(orKind(v.kind, ErrBudget), v.fault, err)
	}
	if n := len(cl.history); n > 0 {
		cl.history[n-1].Wait = wait
	}
	cl.c.opts.Logger.Debug("trying again", "method", cl.req.Method, "path", cl.req.URL.Path, "attempt", cl.n,
		"fault", v.fault.String(), "sent", v.sent.String(), "wait", wait)
	cl.firm = v.told || v.fault != FaultPath
	cl.giveUp(res)
	return wait, nil
}

// pay takes the price of a retry from the host's budget, or says that there isn't enough.
func (h *host) pay(now time.Time, cost float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.budget.take(now, cost)
}

// orKind keeps a captive portal from being told as something less exact.
func orKind(kind, other error) error {
	if errors.Is(kind, ErrCaptive) {
		return kind
	}
	return other
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// late says that t is beyond the call's deadline.
func (cl *call) late(t time.Time) bool { return !cl.deadline.IsZero() && t.After(cl.deadline) }

// slowFirst is where waits begin when a server has too much to do or somebody else answers: soon again wouldn't help.
const slowFirst = time.Second

// backoff is the wait before the next attempt. What all calls to the host have to wait is the gate's.
func (cl *call) backoff(v verdict) time.Duration {
	o := &cl.c.opts
	if v.fresh && !cl.freshed {
		cl.freshed = true
		if v.result == resultNone {
			cl.c.CloseIdleConnections()
		}
		return 0
	}
	cl.fails++
	if v.all && (v.told || v.result == resultOK) {
		return 0
	}
	first, limit := o.RetryMin, o.RetryMax
	if v.slow || v.fault == FaultOverload {
		first = max(first, slowFirst)
		limit = max(limit, first)
	}
	wait := cl.c.rng.full(first, limit, cl.fails)
	if v.told {
		wait = max(wait, v.wait+cl.c.rng.upTo(v.wait/5))
	}
	return wait
}

// giveUp drains an answer and keeps its beginning for the Error that may come of the call.
func (cl *call) giveUp(res *http.Response) {
	if res == nil {
		return
	}
	cl.status = res.StatusCode
	cl.contentType = res.Header.Get("Content-Type")
	if a, ok := res.Body.(*attempt); ok {
		cl.answer = cl.redact(a.drain(res))
		return
	}
	_ = res.Body.Close()
}

const (
	// rejectHold is how long no other token is asked for after a new one was refused too: whatever it is, another token
	// isn't what helps. Doubled each time in a row, up to rejectLimit.
	rejectHold  = 30 * time.Second
	rejectLimit = 10 * time.Minute
)

// youth is how long a refused new token is waited for: its server's clock may be ahead of the one that it is shown to, or
// their machines don't all know it yet (nbf and iat, RFC 7519 4.1.5). Another token would be as young.
const youth = 2 * time.Second

// renew answers a 401: the request goes again, once with another token, and once with one that is older by a while where
// that is refused too. stop is nil if it does.
func (cl *call) renew(v verdict, res *http.Response) (wait time.Duration, stop *Error) {
	always := planted == bugRenewAlways
	switch {
	case !cl.tokens:
		return 0, cl.fail(v.kind, v.fault, nil)
	case cl.held() && !always, !renewable(res.Header.Values("Www-Authenticate")), !cl.body.replayable():
		return 0, cl.fail(ErrUnauthorized, v.fault, nil)
	case cl.aged && !always, cl.renewed && cl.late(time.Now().Add(youth)) && !always:
		cl.holdTokens()
		return 0, cl.fail(ErrUnauthorized, v.fault, nil)
	case cl.renewed && !always:
		cl.aged, cl.firm = true, true
		cl.giveUp(res)
		return youth, nil
	}
	cl.renewed = true
	ctx := cl.limits()
	defer ctx.end()
	token, err := cl.c.opts.Token.Renew(ctx, cl.token)
	if err != nil {
		stop = asError(cl.tokenFailed(ctx.cause(err)))
		cl.over = !errors.Is(stop.Kind, ErrToken)
		return 0, stop // the answer is the caller's, unless nobody waits for it any more
	}
	cl.giveUp(res)
	cl.aged = token == cl.token // the source has waited, or has no other: once more, and that's that
	if planted != bugTokenOnce {
		cl.token = token
	}
	return 0, nil
}

// held says that no other token is asked for now.
func (cl *call) held() bool {
	cl.h.mu.Lock()
	defer cl.h.mu.Unlock()
	return time.Now().Before(cl.h.noRenew)
}

// holdTokens notes that a new token was refused too.
func (cl *call) holdTokens() {
	cl.h.mu.Lock()
	defer cl.h.mu.Unlock()
	cl.h.rejected++
	cl.h.noRenew = time.Now().Add(min(rejectHold<<min(cl.h.rejected-1, 5), rejectLimit))
}

// asError is for the errors of a call, all of which are *Error.
func asError(err error) *Error {
	e, _ := err.(*Error) //nolint:errorlint // made by fail, never wrapped
	return e
}

// ended is the error of a call that its caller, its deadline or Close ended.
func (cl *call) ended(err error) *Error {
	switch {
	case errors.Is(err, ErrClosed):
		return cl.fail(ErrClosed, FaultCaller, nil)
	case errors.Is(err, errDeadline):
		return cl.fail(ErrDeadline, cl.lastFault(), nil)
	case errors.Is(err, context.DeadlineExceeded):
		return cl.fail(ErrDeadline, cl.lastFault(), err)
	}
	return cl.fail(ErrCancelled, FaultCaller, err)
}

// lastFault is whose fault it was that there was no success in time.
func (cl *call) lastFault() Fault {
	if n := len(cl.history); n > 0 {
		return cl.history[n-1].Fault
	}
	return FaultPath
}

// fail makes the call's error out of what it has seen.
func (cl *call) fail(kind error, fault Fault, err error) *Error {
	e := &Error{
		Op: methodOf(cl.req), Kind: kind, Fault: fault, Status: cl.status, Attempts: cl.history, Count: cl.n,
		RetryAt: cl.retryAt, Err: err,
	}
	if cl.req.URL != nil {
		e.Op += " " + cl.req.URL.Path
	}
	var t temporary
	if errors.As(err, &t) && e.RetryAt.IsZero() {
		e.RetryAt = t.RetryAt()
	}
	e.setBody(cl.answer, cl.contentType)
	return e
}
