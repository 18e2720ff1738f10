package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// call is one request on its way through all its attempts. For one goroutine.
type call struct {
	c        *Client
	h        *host
	req      *http.Request // the caller's: never changed
	ctx      context.Context
	set      Call
	order    uint64
	deadline time.Time // zero for none
	looked   time.Time // at the clock; zero once time may have passed since
	bounded  bool      // the deadline holds for the body of the answer too
	json     bool
	route    string
	body     *source // nil if there is none

	idempotent bool
	key        string // made for this call, "" if it needs none or brings its own
	keyed      bool   // it has one, and the server honours it
	ours       bool   // to Options.BaseURL's origin
	tokens     bool   // it gets a token

	told     time.Duration // Options.AttemptTimeout's, or 0
	limit    time.Duration // of the attempt that begins
	patience time.Duration // with its answer's body
	known    bool          // the host had answered before it

	n       int  // attempts made
	counted int  // of those, the ones that may have sent something
	fails   int  // in a row: grows the waits
	firm    bool // the next wait is the server's or a token's: nothing ends it early
	freshed bool
	renewed bool // another token was asked for
	aged    bool // the token was given time
	token   string
	history []Attempt

	fault       Fault
	status      int
	answer      []byte // the beginning of the last refusing answer that was given up
	contentType string
	retryAt     time.Time
	kind        error // why the call ended with a refusing answer
	cause       error // of that, or nil
	over        bool  // the call itself ended while another token was asked for
}

// safe methods have no effects, idempotent ones the same effect however often; RFC 9110, 9.2.1 and 9.2.2.
func safe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

func idempotent(method string) bool {
	return safe(method) || method == http.MethodPut || method == http.MethodDelete
}

// RoundTrip sends req until it is answered, or trying again isn't safe or can't help. A refusing answer that trying
// again didn't mend is returned as an answer, as by any RoundTripper; without one the error is an *Error. The response's
// body ends with ErrTimeout when nothing of it comes for a while. It serves http.RoundTripper: req stays as it is, its
// body is closed.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	cl := call{c: c, req: req}
	return cl.roundTrip()
}

func (cl *call) roundTrip() (*http.Response, error) {
	defer func() { cl.body.close(cl.req) }()
	if err := cl.prepare(); err != nil {
		return nil, err
	}
	defer cl.c.wg.Done()
	return cl.run()
}

// prepare looks at the request, and counts the call in if it returns nil.
func (cl *call) prepare() error {
	c, req := cl.c, cl.req
	switch {
	case req.URL == nil || req.URL.Hostname() == "":
		return cl.fail(ErrFailed, FaultCaller, errors.New("the request's URL has no host"))
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return cl.fail(ErrFailed, FaultCaller, fmt.Errorf("the request's URL begins with %q, not http or https", req.URL.Scheme))
	}
	cl.ctx, cl.set, cl.looked = req.Context(), callOf(req.Context()), c.now()
	var ok bool
	if cl.h, cl.order, ok = c.begin(req.URL); !ok {
		return cl.fail(ErrClosed, FaultCaller, nil)
	}
	cl.ours = c.base != nil && cl.h.key == c.origin
	cl.tokens = c.opts.Token != nil && (cl.ours || planted == bugTokenAnywhere) && req.Header[fieldAuthorization] == nil
	cl.body = newSource(req, c.opts.MaxReplay)
	cl.prepareKey()
	cl.prepareSettings()
	accept := req.Header["Accept"]
	cl.json = len(accept) == 1 && strings.Contains(accept[0], "json") && !strings.Contains(accept[0], "html")
	return nil
}

func (cl *call) prepareKey() {
	cl.idempotent = idempotent(cl.req.Method) || cl.set.Idempotent
	if idempotent(cl.req.Method) {
		return
	}
	if cl.req.Header[fieldKey] == nil {
		cl.key = newKey()
	}
	cl.keyed = cl.c.opts.KeysHonoured || planted == bugKeyTrusted
	cl.idempotent = cl.idempotent || cl.keyed
}

// newKey makes an Idempotency-Key, a string of a structured field (draft-ietf-httpapi-idempotency-key-header-07, 2.1).
func newKey() string { return `"` + rand.Text() + `"` }

func (cl *call) prepareSettings() {
	o := &cl.c.opts
	orDefault(&cl.set.MaxAttempts, o.MaxAttempts)
	cl.set.FailFast = cl.set.FailFast || o.FailFast
	if cl.set.Priority == PriorityDefault {
		cl.set.Priority = PrioritySend
		if safe(cl.req.Method) {
			cl.set.Priority = PriorityRead
		}
	}
	d := cl.set.Deadline
	if d == 0 {
		d = o.Deadline
	}
	if d > 0 {
		cl.deadline = cl.looked.Add(d)
	}
	if at, ok := cl.ctx.Deadline(); ok && (cl.deadline.IsZero() || at.Before(cl.deadline)) {
		cl.deadline = at
	}
	if cl.route = cl.set.Route; cl.route == "" {
		cl.route = routeOf(cl.req.URL.Path)
	}
}

// routeOf is the first two segments of a path: what follows is mostly ids.
func routeOf(path string) string {
	end := 0
	for range 2 {
		i := strings.IndexByte(path[min(end+1, len(path)):], '/')
		if i < 0 {
			return path
		}
		end += 1 + i
	}
	return path[:end]
}

// run makes attempts until one is the last.
func (cl *call) run() (*http.Response, error) {
	for {
		err := cl.online()
		if err != nil {
			return nil, err
		}
		if err := cl.fetchToken(); err != nil {
			return nil, err
		}
		p, waited, err := cl.admit()
		if err != nil {
			return nil, err
		}
		if waited { // the token may have run out meanwhile
			if err := cl.fetchToken(); err != nil {
				cl.h.settle(cl, settlement{now: time.Now(), permit: p})
				return nil, err
			}
		}
		res, v, err := cl.attempt(p)
		if err == nil && v.result == resultOK && v.kind == nil {
			return res, nil
		}
		wait, stop := cl.decide(v, res, err)
		if stop != nil {
			if res != nil && !cl.over && !replaces(stop.Kind) {
				cl.note(stop, v, res)
				return res, nil
			}
			if res != nil {
				stop.Status = res.StatusCode
				cl.giveUp(res)
			}
			return nil, stop
		}
		if err := cl.pause(wait); err != nil {
			return nil, err
		}
	}
}

// replaces says that a call fails with the error although there is an answer: it isn't the server's, or would do harm.
func replaces(kind error) bool { return errors.Is(kind, ErrCaptive) || errors.Is(kind, ErrRedirect) }

// note keeps why the call ended with a refusing answer, for Do.
func (cl *call) note(stop *Error, v verdict, res *http.Response) {
	cl.fault, cl.status = v.fault, res.StatusCode
	cl.kind, cl.cause, cl.retryAt = stop.Kind, stop.Err, stop.RetryAt
}

// online waits for a network.
func (cl *call) online() error {
	if err := cl.c.endedBy(cl.ctx); err != nil {
		return cl.ended(err)
	}
	n := cl.c.opts.Network
	if n == nil || n.Online() || planted == bugRetryOffline {
		return nil
	}
	cl.looked = time.Time{}
	if cl.set.FailFast {
		return cl.fail(ErrOffline, FaultPath, nil)
	}
	ctx := cl.limits()
	defer ctx.end()
	if err := n.WaitOnline(ctx); err != nil {
		return cl.ended(ctx.cause(err))
	}
	// Everybody else was waiting for the same moment.
	return cl.sleep(cl.c.rng.upTo(resumeSpread))
}

// resumeSpread is over how long calls resume after an outage.
const resumeSpread = 500 * time.Millisecond

// fetchToken asks for the token of the next attempt.
func (cl *call) fetchToken() error {
	if !cl.tokens || planted == bugTokenOnce && cl.token != "" {
		return nil
	}
	cl.looked = time.Time{}
	ctx := cl.limits()
	defer ctx.end()
	token, err := cl.c.opts.Token.Token(ctx)
	if err != nil {
		return cl.tokenFailed(ctx.cause(err))
	}
	cl.token = token
	return nil
}

// tokenFailed says why there is no token: the caller's end, or the source's reason.
func (cl *call) tokenFailed(err error) error {
	if end := cl.c.endedBy(cl.ctx); end != nil {
		return cl.ended(end)
	}
	if errors.Is(err, errDeadline) {
		return cl.ended(err)
	}
	return cl.fail(ErrToken, FaultAuth, err)
}

// networkLook is how often a call that waits looks whether there still is a network.
const networkLook = 500 * time.Millisecond

// pause waits before the next attempt. A wait that the server or a token needs is sat out. One that only gives the path
// time ends with the network that it was for: online waits for another, and NetworkChanged says that there is one.
func (cl *call) pause(d time.Duration) error {
	if cl.firm || planted == bugRetryOffline {
		return cl.sleep(d)
	}
	n := cl.c.opts.Network
	changed := cl.c.networkEnd()
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if n != nil {
			if !n.Online() {
				return nil
			}
			left = min(left, networkLook)
		}
		woken, err := cl.c.wait(cl.ctx, left, changed)
		switch {
		case err != nil:
			return cl.ended(err)
		case woken: // and so is everybody else
			return cl.sleep(min(cl.c.rng.upTo(resumeSpread), max(time.Until(end), 0)))
		case !time.Now().Before(end):
			return nil
		}
	}
}

func (cl *call) sleep(d time.Duration) error {
	if _, err := cl.c.wait(cl.ctx, d, nil); err != nil {
		return cl.ended(err)
	}
	return nil
}
