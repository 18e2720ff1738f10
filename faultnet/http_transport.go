package faultnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// hangLimit bounds a silence: TCP itself would have given up by then.
const hangLimit = giveUpAfter

// maxDrain bounds what is read of a body that nobody wants.
const maxDrain = 1 << 20

// RoundTripper puts the faults before next, on the client's side. A cut shows as ECONNRESET after the request was
// written, so that a client can't tell a lost request from a lost reply, as on a real network. Nil stands for
// http.DefaultTransport.
func (h *HTTPFaults) RoundTripper(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &roundTripper{next: next, stream: h.stream()}
}

type roundTripper struct {
	next   http.RoundTripper
	stream *httpStream
}

// CloseIdleConnections is what http.Client calls.
func (t *roundTripper) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip does one request.
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	v := t.stream.next(r)
	if v.decisive == nil {
		resp, err := t.next.RoundTrip(r)
		if err != nil {
			v.spareReply()
			return nil, err
		}
		v.change(r.Context(), resp)
		return resp, nil
	}
	if v.loses(HTTPReplyLost) {
		if err := t.loseReply(r); err != nil { // it failed by itself
			v.spare(v.decisive)
			return nil, err
		}
		return nil, v.lost(r.Context())
	}
	if err := swallowRequest(r); err != nil {
		v.spareAll()
		return nil, err
	}
	m, ok := v.decisive.answer(time.Now())
	if !ok {
		return nil, v.lost(r.Context())
	}
	resp := m.response(r)
	v.change(r.Context(), resp)
	return resp, nil
}

// loseReply carries the request out and throws the reply away.
func (t *roundTripper) loseReply(r *http.Request) error {
	ctx := r.Context()
	if trace := httptrace.ContextClientTrace(ctx); trace != nil { // the caller mustn't learn that a reply came
		quiet := *trace
		quiet.GotFirstResponseByte, quiet.Got100Continue, quiet.Got1xxResponse = nil, nil, nil
		ctx = httptrace.WithClientTrace(untraced{ctx}, &quiet)
	}
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // to the end if it has one, so that the connection can be used again
	_ = resp.Body.Close()
	return nil
}

// untraced is a context without its httptrace.
type untraced struct{ context.Context }

func (c untraced) Value(key any) any {
	v := c.Context.Value(key)
	if _, ok := v.(*httptrace.ClientTrace); ok {
		return nil
	}
	return v
}

// swallowRequest reads the request as a connection would that takes it and loses it, and says so to its trace.
func swallowRequest(r *http.Request) error {
	var err error
	if r.Body != nil {
		_, err = io.CopyN(io.Discard, r.Body, maxDrain)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		_ = r.Body.Close()
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
		if trace.WroteRequest != nil {
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
		}
	}
	return err
}

// lost is how a request without an answer ends on the client's side.
func (v *verdict) lost(ctx context.Context) error {
	if v.decisive.Hang {
		if err := sleepUntil(ctx, time.Now().Add(hangLimit), nil); err != nil {
			return err
		}
	}
	return opError("read", nil, nil, syscall.ECONNRESET)
}

// response is a made reply as a client gets it.
func (m made) response(r *http.Request) *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(m.status) + " " + http.StatusText(m.status),
		StatusCode: m.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, Request: r,
		Body:          http.NoBody,
		ContentLength: int64(len(m.body)),
	}
	if r.Method != http.MethodHead && bodyAllowed(m.status) {
		resp.Body = io.NopCloser(bytes.NewReader([]byte(m.body)))
		m.header.Set("Content-Length", strconv.Itoa(len(m.body)))
	}
	return resp
}

// bodyAllowed says whether a reply of the status has a body (RFC 9110 section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// spareReply takes back the counts of what changes replies, where there is none.
func (v *verdict) spareReply() {
	for _, f := range []*httpFault{v.slow, v.cut, v.date} {
		if f != nil {
			v.spare(f)
		}
	}
}

// spareAll takes back all counts, where there is no exchange.
func (v *verdict) spareAll() {
	if v.decisive != nil {
		v.spare(v.decisive)
	}
	v.spareReply()
}

// change applies what the verdict does to a reply.
func (v *verdict) change(ctx context.Context, resp *http.Response) {
	if v.date != nil {
		resp.Header.Set("Date", v.date.skewed(resp.Header.Get("Date"), time.Now()))
	}
	if v.slow == nil && v.cut == nil {
		return
	}
	body := &slowBody{ctx: ctx, body: resp.Body, closed: make(chan struct{}), left: -1}
	if v.slow != nil {
		body.rate = v.slow.Rate
	}
	if v.cut != nil {
		if n := resp.ContentLength; n >= 0 && n <= v.cut.Bytes || resp.Body == http.NoBody {
			v.spare(v.cut)
		} else {
			body.left, body.uncut = v.cut.Bytes, func() { v.spare(v.cut) }
		}
	}
	if resp.Body == http.NoBody {
		if v.slow != nil {
			v.spare(v.slow)
		}
		return
	}
	resp.Body = body
}

// slowBody is a reply's body that comes slowly, ends early, or both.
type slowBody struct {
	ctx    context.Context
	body   io.ReadCloser
	rate   int64  // bytes a second, 0 = unlimited
	left   int64  // bytes until the cut, -1 = none
	uncut  func() // called if the body ends before the cut
	once   sync.Once
	closed chan struct{}
}

// Read reads at most what comes in a tenth of a second.
func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return b.readCut()
	}
	if b.rate > 0 {
		p = p[:min(int64(len(p)), portion(b.rate))]
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.body.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
		if errors.Is(err, io.EOF) {
			b.uncut()
			b.left = -1
		}
	}
	if n > 0 && b.rate > 0 {
		if failed := sleepUntil(b.ctx, time.Now().Add(perByte(n, b.rate)), b.closed); failed != nil {
			return 0, failed
		}
	}
	return n, err
}

// readCut is a read at the cut: it fails unless the body ends here anyway.
func (b *slowBody) readCut() (int, error) {
	if n, err := b.body.Read(make([]byte, 1)); n == 0 && err == io.EOF {
		b.uncut()
		b.left = -1
		return 0, io.EOF
	}
	return 0, io.ErrUnexpectedEOF
}

// portion is what comes at a rate in a tenth of a second.
func portion(rate int64) int64 { return max(rate/10, 1) }

// Close closes the body and ends a Read that waits.
func (b *slowBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.body.Close()
}
