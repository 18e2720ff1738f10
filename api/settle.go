package api

import (
	"errors"
	"net/http"
	"time"
)

// settlement is what an attempt tells its host when it has ended.
type settlement struct {
	now     time.Time
	start   time.Time
	permit  permit
	verdict verdict
	header  http.Header   // of the server's answer, or nil
	route   string        // of the call
	ttfb    time.Duration // above 0 for an answer
	missed  bool          // no answer in time
	first   bool          // try of its call
	token   bool          // it carried one
}

// foreignAnswer says that somebody else than the server answered, such as a captive portal: what it says of itself, and how
// long it took, is no news of the server.
func foreignAnswer(v verdict) bool { return v.kind != nil && errors.Is(v.kind, ErrCaptive) }

// settle takes an attempt's news, and lets others go on.
func (h *host) settle(cl *call, s settlement) {
	rng := cl.c.rng
	h.mu.Lock()
	h.gate.inflight--
	v := s.verdict
	if s.header != nil {
		h.answered = true
		if server := h.path.answered(s.now, s.route, s.ttfb); v.result == resultOK && server >= cl.c.opts.Breaker.SlowCall {
			v.result = resultSlow
		}
		if q, ok := rateLimit(s.header, s.now); ok {
			h.gate.heed(s.now, q, rng)
		}
		if s.token && v.fault != FaultAuth {
			h.rejected, h.noRenew = 0, time.Time{}
		}
	}
	switch {
	case s.missed:
		h.path.miss(s.now, s.start)
	case v.all && v.told:
		h.gate.hold(s.now, v.wait, rng)
	case v.all && v.fault == FaultOverload && v.result == resultOK: // 429
		h.gate.holdUnknown(s.now, s.start, rng)
	case s.header != nil && v.fault != FaultOverload && v.fault != FaultServer:
		h.gate.succeeded()
		if s.first {
			h.budget.refund(s.now)
		}
	}
	before := h.breaker.state
	if reason := h.breaker.record(s.now, s.permit, v.result, v.wait); reason != "" {
		if h.breaker.state == Open {
			h.stats.Opened++
		}
		cl.c.tell.add(h.changeLocked(before, reason))
	}
	h.wakeLocked()
	h.mu.Unlock()
	cl.c.tell.deliver()
}

// attempt sends the request once. The permit is given back whatever happens, a panic of the transport included.
func (cl *call) attempt(p permit) (res *http.Response, v verdict, err error) {
	cl.n++
	c, h := cl.c, cl.h
	now := cl.now()
	cl.looked = time.Time{}
	a := cl.start(now)
	settled := false
	defer func() {
		if !settled && planted != bugPanicKeeps {
			a.finish()
			h.settle(cl, settlement{now: time.Now(), start: now, permit: p})
		}
	}()
	req, err := cl.request(a, cl.token)
	if err == nil {
		res, err = a.send(req)
	} else {
		a.finish()
	}
	end := c.now()
	seen := a.trace()
	o := outcome{
		res: res, err: err, reused: seen.reused.Load(), known: cl.known, json: cl.json, keyed: cl.keyed,
		body: a.failed.Load() || errors.Is(err, errBodyFailed),
	}
	if err != nil {
		o.unsent = seen.unsent(c.proof)
		o.ended = c.endedBy(cl.ctx) != nil
		o.lost = c.opts.Network != nil && !c.opts.Network.Online()
	}
	v = judge(o)
	s := settlement{
		now: end, start: now, permit: p, verdict: v, route: cl.route, first: cl.n == 1, token: cl.token != "",
		missed: errors.Is(err, ErrTimeout),
	}
	if res != nil && (!foreignAnswer(v) || planted == bugPortalCounts) {
		s.header, s.ttfb = res.Header, seen.timings(end.Sub(now)).FirstByte
	}
	settled = true
	h.settle(cl, s)
	cl.report(a.start, seen, o, v, end)
	return res, v, err
}

const (
	// minPatience and maxPatience bound the silence in which an answer's body is waited for: 8 times the path's bound.
	minPatience = 5 * time.Second
	maxPatience = 30 * time.Second
)

// report tells the observers about an attempt, and keeps what an Error would hold.
func (cl *call) report(start time.Time, seen *trace, o outcome, v verdict, end time.Time) {
	opts := &cl.c.opts
	failed := o.err != nil || v.kind != nil
	if opts.OnRoundTrip != nil && !o.ended {
		switch {
		case o.err == nil && foreignAnswer(v) && planted != bugPortalCounts:
			opts.OnRoundTrip(0, ErrCaptive)
		case o.err == nil:
			opts.OnRoundTrip(seen.timings(end.Sub(start)).FirstByte, nil)
		case v.fault == FaultPath || v.fault == FaultServer:
			opts.OnRoundTrip(0, o.err)
		}
	}
	if !failed && opts.OnAttempt == nil {
		return
	}
	at := Attempt{
		Method: methodOf(cl.req), Path: cl.req.URL.Path, N: cl.n, Start: start, Duration: end.Sub(start),
		Err: o.err, Fault: v.fault, Sent: v.sent, Reused: o.reused,
		Replays: max(int(seen.conns.Load())-1, 0), Timings: seen.timings(end.Sub(start)),
	}
	if o.res != nil {
		at.Status, at.Foreign = o.res.StatusCode, foreignAnswer(v)
		if opts.OnAttempt != nil {
			at.Timings.Server = serverTime(o.res.Header)
		}
	}
	if failed {
		if len(cl.history) == maxHistory {
			cl.history = append(cl.history[:0], cl.history[1:]...)
		}
		cl.history = append(cl.history, at)
	}
	if opts.OnAttempt != nil {
		opts.OnAttempt(at)
	}
}

func methodOf(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}
