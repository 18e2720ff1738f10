package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// phase is what an attempt is busy with.
type phase int8

const (
	phaseSend phase = iota // until the answer's header
	phaseRead              // its body
	phaseDone
)

// attempt is one sending of a request, and then the body of its answer.
type attempt struct {
	c      *Client
	start  time.Time
	caller context.Context       // the caller's; the attempt's is the view of it
	looked atomic.Pointer[look]  // nil until somebody looks at the attempt's context
	cause  atomic.Pointer[error] // why it was cut short, nil if it wasn't
	req    http.Request          // the attempt's own copy, here to be made with it
	body   io.ReadCloser         // of the answer
	// deadline is the call's, in the alarm's time. It ends the sending, and for Do the reading too.
	deadline int64
	limit    time.Duration // of silence while sending
	patience time.Duration // of silence while reading
	// next and prev make the Client's ring of attempts under way; guarded by Client.mu.
	next, prev *attempt

	alarm   *alarm       // a's until the end
	silence atomic.Int64 // a silence: the phase, and when it has lasted too long
	failed  atomic.Bool  // the request's body did
	bounded bool         // the deadline holds for the body of the answer too
	sends   bool         // the request has a body
}

// ctx is the attempt's context.
func (a *attempt) ctx() context.Context { return (*view)(a) }

// Format names the type only, whatever the verb: an attempt is the body of its answer, and its request may hold a token.
func (a *attempt) Format(f fmt.State, verb rune) { (*view)(a).Format(f, verb) }

// silence is a phase and, in the alarm's time, when nothing has moved in it for too long; never where nothing is awaited.
// In one word, so that what moves in one phase can't put off the end of another.
type silence int64

func silenceOf(p phase, until int64) silence { return silence(min(until, never)<<2 | int64(p)) }
func (s silence) phase() phase               { return phase(s & 3) }
func (s silence) until() int64               { return int64(s >> 2) }

// errDeadline is the cause of an attempt that the call's deadline ended.
var errDeadline = errors.New("api: the call's deadline")

// start makes an attempt that the call's limit bounds and registers it, so that Close finds it.
func (cl *call) start(now time.Time) *attempt {
	c := cl.c
	a := &attempt{
		c: c, start: now, caller: cl.ctx, sends: cl.body != nil,
		deadline: never, limit: cl.limit, patience: cl.patience, bounded: cl.bounded,
	}
	if !cl.deadline.IsZero() {
		a.deadline = int64(cl.deadline.Sub(c.began))
	}
	until := a.within(int64(now.Sub(c.began)), cl.limit, true)
	a.silence.Store(int64(silenceOf(phaseSend, until)))
	c.mu.Lock()
	closed := c.closed
	a.next, a.prev = &c.attempts, c.attempts.prev
	a.prev.next, a.next.prev = a, a
	a.alarm = c.takeAlarmLocked()
	c.mu.Unlock()
	if a.alarm == nil {
		a.alarm = newAlarm(c.began)
	}
	a.alarm.owner.Store(a)
	a.alarm.watch(until)
	if closed {
		a.cutShort(ErrClosed)
	}
	return a
}

// within is when d from now is over, or the call's deadline where that counts.
func (a *attempt) within(now int64, d time.Duration, bounded bool) int64 {
	until := now + int64(d)
	if bounded {
		until = min(until, a.deadline)
	}
	return max(until, 1) // 0 is an alarm that isn't set
}

// expire is the alarm's: the time is until or later.
func (a *attempt) expire(until int64) {
	cause := ErrTimeout
	if until >= a.deadline {
		cause = errDeadline
	}
	a.cutShort(cause)
}

// alive starts the patience of a phase anew, unless the attempt is past it.
func (a *attempt) alive(p phase) {
	d, bounded := a.limit, true
	if p == phaseRead {
		d, bounded = a.patience, a.bounded
	}
	until := a.within(int64(time.Since(a.c.began)), d, bounded)
	for {
		old := a.silence.Load()
		if silence(old).phase() != p {
			return
		}
		if a.silence.CompareAndSwap(old, int64(silenceOf(p, until))) {
			a.alarm.watch(until)
			return
		}
	}
}

// enter begins a phase, in which nothing is awaited yet. The last one stays.
func (a *attempt) enter(p phase) (was phase) {
	for {
		old := a.silence.Load()
		if was = silence(old).phase(); was == phaseDone {
			p = phaseDone
		}
		if a.silence.CompareAndSwap(old, int64(silenceOf(p, never))) {
			return was
		}
	}
}

// finish ends the attempt and lets go of everything. It is safe to call more than once.
func (a *attempt) finish() {
	if a.enter(phaseDone) == phaseDone {
		return
	}
	a.alarm.owner.Store(nil)
	a.c.mu.Lock()
	a.prev.next, a.next.prev = a.next, a.prev
	a.c.keepAlarmLocked(a.alarm)
	a.c.mu.Unlock()
	if l := a.looked.Load(); l != nil { // who looks later finds the phase
		l.cancel(nil)
	}
}

// send gives the request to the transport. The answer's body is the attempt itself, which ends with it.
func (a *attempt) send(req *http.Request) (res *http.Response, err error) {
	defer func() {
		if err != nil || res == nil { // or a panic passes through
			a.finish()
		}
	}()
	res, err = a.c.rt.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(a.ctx()); cause != nil && a.ctx().Err() != nil {
			err = cause // in place of "context canceled"
		}
		if res != nil && res.Body != nil { // against the contract, but it happens
			_ = res.Body.Close()
		}
		return nil, err
	}
	if res == nil {
		return nil, errors.New("transport returned neither response nor error")
	}
	switch {
	case res.Body == nil, res.Body == http.NoBody:
		res.Body = http.NoBody
		a.finish()
	case res.StatusCode == http.StatusSwitchingProtocols:
		a.enter(phaseRead) // the connection is the caller's, and a writer too; Close still ends it
		res.Body = switched(a, res.Body)
	default:
		a.enter(phaseRead)
		a.body = res.Body
		res.Body = a
	}
	return res, nil
}

// Read reads the answer's body. It has no limit but that of its silence.
func (a *attempt) Read(p []byte) (int, error) {
	a.alive(phaseRead)
	n, err := a.body.Read(p)
	if err == nil {
		a.enter(phaseRead)
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		if cause := context.Cause(a.ctx()); cause != nil && a.ctx().Err() != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}
	a.finish()
	return n, err
}

// Close ends the answer's body, and with it the attempt.
func (a *attempt) Close() error {
	err := a.body.Close()
	a.finish()
	return err
}

// upgraded is the body of an answer that switched protocols: a connection.
type upgraded struct {
	io.ReadWriteCloser
	a *attempt
}

func (u upgraded) Close() error {
	err := u.ReadWriteCloser.Close()
	u.a.finish()
	return err
}

func switched(a *attempt, body io.ReadCloser) io.ReadCloser {
	if rwc, ok := body.(io.ReadWriteCloser); ok {
		return upgraded{rwc, a}
	}
	a.body = body
	return a
}

// Names of fields that requests get.
const (
	fieldAuthorization = "Authorization"
	fieldAPIKey        = "X-Api-Key"
	fieldKey           = "Idempotency-Key"
	fieldRetry         = "X-Retry-Attempt"
)

// request makes an attempt's request: a copy, since the caller's must stay as it is. The header is copied only if
// something is added.
func (cl *call) request(a *attempt, token string) (*http.Request, error) {
	a.req = *cl.req.WithContext(a.ctx())
	req := &a.req
	auth := token != ""
	if auth || cl.key != "" || cl.n > 1 || cl.ours && cl.c.apiKey != nil {
		req.Header = cl.req.Header.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		if auth {
			req.Header[fieldAuthorization] = cl.c.bearerOf(token)
		}
		if cl.ours && cl.c.apiKey != nil && req.Header[fieldAPIKey] == nil {
			req.Header[fieldAPIKey] = cl.c.apiKey
		}
		if cl.key != "" {
			if planted == bugFreshKey {
				cl.key = newKey()
			}
			req.Header[fieldKey] = []string{cl.key}
		}
		if cl.n > 1 {
			req.Header[fieldRetry] = []string{strconv.Itoa(cl.n - 1)}
		}
	}
	if cl.body == nil {
		if cl.hidden() {
			req.Body, req.GetBody = io.NopCloser(http.NoBody), nil
		}
		return req, nil
	}
	body, err := cl.body.next(a.ctx(), a)
	if err != nil {
		return nil, err
	}
	req.Body = body
	req.GetBody = nil // net/http would send it again by itself: see hidden
	return req, nil
}

// hidden says that net/http would send the request again by itself after a dead connection though it isn't safe: it
// trusts in any Idempotency-Key. What has no body, or one with GetBody, is in danger.
func (cl *call) hidden() bool {
	return !cl.idempotent && (cl.key != "" || cl.req.Header[fieldKey] != nil || cl.req.Header["X-Idempotency-Key"] != nil)
}
