package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is a typed call.
type Request struct {
	Method string // "" is GET
	// Path is relative to Options.BaseURL and begins with a slash; what stands in for a segment has to be escaped. A
	// whole URL is taken as it is.
	Path   string
	Query  url.Values
	Header http.Header
	Body   any // sent as JSON, nil for none
	Call   Call
}

// Do sends r as JSON and reads the answer as JSON into a T; an answer without a body, such as 204, leaves it zero.
// Every error is an *Error. An answer other than 2xx is one that matches ErrStatus or tells why it couldn't be mended,
// with its problem decoded. A reply that can't be understood was answered all the same: the request isn't sent again.
// Redirects aren't followed.
func Do[T any](ctx context.Context, c *Client, r Request) (T, error) {
	var out T
	err := c.do(ctx, r, func(b []byte) error { return json.Unmarshal(b, &out) })
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

func (c *Client) do(ctx context.Context, r Request, decode func([]byte) error) error {
	if r.Call != (Call{}) {
		ctx = With(ctx, r.Call)
	}
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return &Error{Op: r.Method, Kind: ErrFailed, Fault: FaultCaller, Err: err}
	}
	cl := call{c: c, req: req, bounded: true}
	defer func() { cl.body.close(cl.req) }()
	if err := cl.prepare(); err != nil {
		return err
	}
	defer c.wg.Done()
	for {
		res, err := cl.run()
		if err != nil {
			return err
		}
		again, err := cl.read(res, decode)
		if !again {
			return err
		}
	}
}

// read takes an answer in. One that broke off is asked for again where that is safe.
func (cl *call) read(res *http.Response, decode func([]byte) error) (again bool, err error) {
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return false, cl.refusal(res)
	}
	limit := cl.c.opts.MaxReply
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return cl.brokeOff(res, err)
	case int64(len(body)) > limit:
		return false, cl.reply(res, fmt.Errorf("longer than Options.MaxReply, %d bytes", limit))
	case len(bytes.TrimSpace(body)) == 0:
		return false, nil
	}
	if decode(body) != nil { // its text may hold what the answer holds
		return false, cl.reply(res, errors.New("not the JSON that was expected"))
	}
	return false, nil
}

// brokeOff decides on an answer whose body broke off.
func (cl *call) brokeOff(res *http.Response, err error) (again bool, _ error) {
	switch {
	case cl.c.endedBy(cl.ctx) != nil:
		return false, cl.ended(cl.c.endedBy(cl.ctx))
	case errors.Is(err, errDeadline):
		return false, cl.ended(err)
	}
	cl.status = res.StatusCode
	err = fmt.Errorf("read reply: %w", err)
	if !cl.idempotent {
		return false, cl.fail(ErrReply, FaultPath, err)
	}
	wait, stop := cl.decide(verdict{fault: FaultPath, again: true, kind: ErrReply}, nil, err)
	if stop != nil {
		return false, stop
	}
	err = cl.pause(wait)
	return err == nil, err
}

// newRequest makes the request; its errors hold no URL.
func (c *Client) newRequest(ctx context.Context, r Request) (*http.Request, error) {
	target := r.Path
	if !strings.Contains(r.Path, "://") {
		if c.base == nil || !strings.HasPrefix(r.Path, "/") {
			return nil, errors.New("a path needs Options.BaseURL and begins with a slash")
		}
		target = c.base.String() + r.Path
	}
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text may quote a part of the address
			err = errors.New("the address isn't a URL; escape what stands in the path")
		}
		return nil, err
	}
	maps.Copy(req.Header, r.Header.Clone())
	if r.Body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	if req.Header["Accept"] == nil {
		req.Header["Accept"] = []string{"application/json"}
	}
	return req, nil
}

// refusal is the error of a refusing answer.
func (cl *call) refusal(res *http.Response) error {
	cl.status, cl.contentType = res.StatusCode, res.Header.Get("Content-Type")
	answer, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what came of it is better than nothing
	cl.answer = cl.redact(answer)
	kind, fault := ErrStatus, FaultCaller
	if cl.kind != nil {
		kind, fault = cl.kind, cl.fault
	}
	e := cl.fail(kind, fault, cl.cause)
	if wait, ok := retryAfter(res.Header, time.Now()); ok && e.RetryAt.IsZero() {
		e.RetryAt = time.Now().Add(wait)
	}
	return e
}

// reply is the error of an answer that says yes in a way that can't be understood.
func (cl *call) reply(res *http.Response, err error) error {
	cl.status = res.StatusCode
	return cl.fail(ErrReply, FaultServer, err)
}
