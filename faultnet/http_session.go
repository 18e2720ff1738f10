package faultnet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// httpBuffer is what an understood connection reads at a time in each direction.
const httpBuffer = 16 << 10

// httpSession is the part of a session behind the link, once it understands HTTP/1.x: between the circuit's server end
// and the upstream's socket. Bytes pass as they came. One goroutine reads requests, one reads replies; they meet where
// an exchange begins and ends. As soon as either stream is something else (an upgrade, HTTP/2, TLS, a server that
// speaks first) both go on as in a session that understands nothing.
type httpSession struct {
	ctx      context.Context
	s        *session
	upstream *net.TCPConn
	stream   *httpStream
	up, down *bufio.Reader // of the client's requests, of the upstream's replies

	exchanges chan exchange // from requests to replies, before the request goes out; holds one
	silent    atomic.Bool   // whether the client is to hear nothing more, not even an end
	replied   chan outcome  // from replies to requests, behind each reply; holds one, and one that ends it all
	ended     chan struct{} // closed behind replies, when nothing more will be understood
}

// exchange is a request that was passed on, and what is to happen to its reply.
type exchange struct {
	request *http.Request
	verdict verdict
}

// outcome is how a connection goes on behind a reply.
type outcome int

const (
	passOn    outcome = iota // as bytes
	nextReply                // with the next exchange
	fallSilent
	cutOff
)

// newHTTPSession makes one of a session, at the beginning of a request that was read in part.
func newHTTPSession(ctx context.Context, s *session, upstream *net.TCPConn, request []byte, ended chan struct{}) *httpSession {
	return &httpSession{
		ctx: ctx, s: s, upstream: upstream, stream: s.proxy.http.stream(), ended: ended,
		up:        bufio.NewReaderSize(&sticky{from: io.MultiReader(bytes.NewReader(request), s.far)}, httpBuffer),
		down:      bufio.NewReaderSize(&sticky{from: upstream}, httpBuffer),
		exchanges: make(chan exchange, 1),
		replied:   make(chan outcome, 2),
	}
}

// beginsRequest says whether there are faults that want to know the request that begins here. A client that speaks HTTP
// has had the answer to what it asked before, so that a connection can be understood from any request on.
func (h *HTTPFaults) beginsRequest(piece []byte) bool {
	if !h.active() {
		return false
	}
	line, _, whole := bytes.Cut(piece, []byte("\r\n"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	return whole && token(string(method)) && (bytes.HasSuffix(rest, []byte(" HTTP/1.1")) || bytes.HasSuffix(rest, []byte(" HTTP/1.0")))
}

// requests reads what the client says.
func (h *httpSession) requests() {
	under := false // whether a reply is still to come
	for {
		if _, err := h.up.Peek(1); err != nil {
			h.endUp(err)
			return
		}
		if under {
			switch h.reply() {
			case nextReply:
			case fallSilent, cutOff:
				h.swallow()
				return
			case passOn:
				h.passUp(nil)
				return
			}
		}
		raw, r, err := readRequest(h.up)
		if err != nil {
			h.passUp(raw) // what is broken, the upstream will say
			return
		}
		v := h.stream.next(r)
		if v.decisive == nil || v.loses(HTTPReplyLost) {
			under = true
			if h.forward(raw, r, v) != nil {
				return
			}
			continue
		}
		if under = false; !h.answer(r, v) {
			return
		}
	}
}

// reply waits for the end of the exchange that is under way.
func (h *httpSession) reply() outcome {
	select {
	case out := <-h.replied:
		return out
	case <-h.ended:
	}
	select {
	case out := <-h.replied: // was said before the end
		return out
	default:
		return passOn
	}
}

// forward passes a request on. An error has ended the connection.
func (h *httpSession) forward(raw []byte, r *http.Request, v verdict) error {
	h.exchanges <- exchange{r, v} // has room: the exchange before is over
	_, err := h.upstream.Write(raw)
	body := requestBody(h.up, r)
	for err == nil {
		var piece []byte
		var failed error
		piece, _, failed = body.next(httpBuffer)
		if len(piece) > 0 {
			_, err = h.upstream.Write(piece)
		}
		switch {
		case err != nil:
		case errors.Is(failed, io.EOF):
			return nil
		case failed != nil:
			if errors.Is(failed, errNotHTTP) {
				h.passUp(nil)
			} else {
				h.endUp(stickyErr(failed))
			}
			return failed
		}
	}
	h.s.far.reset()
	abort(h.upstream)
	return err
}

// stickyErr is the error of the stream, which ended in the middle of a message.
func stickyErr(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// answer answers a request in the upstream's place, or loses it. It reports whether the connection goes on.
func (h *httpSession) answer(r *http.Request, v verdict) bool {
	m, ok := v.decisive.answer(time.Now())
	expects := strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	if ok && expects { // else the body never comes
		if _, err := io.WriteString(h.s.far, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			abort(h.upstream)
			return false
		}
	}
	if ok || !expects {
		body := requestBody(h.up, r)
		for {
			if _, _, err := body.next(httpBuffer); err == nil {
				continue
			} else if !errors.Is(err, io.EOF) {
				h.endUp(stickyErr(err))
				return false
			}
			break
		}
	}
	switch {
	case ok:
		return h.deliver(exchange{r, v}, bufio.NewReader(bytes.NewReader(m.wire(r)))) == nextReply
	case v.decisive.Hang:
		h.silent.Store(true)
		abort(h.upstream)
		h.swallow()
	default:
		h.s.far.reset()
		abort(h.upstream)
	}
	return false
}

// wire is a made reply as bytes.
func (m made) wire(r *http.Request) []byte {
	var b bytes.Buffer
	_ = m.response(r).Write(&b) //nolint:bodyclose // Write closes it, and a buffer takes everything
	return b.Bytes()
}

// swallow is a connection that has fallen silent: what the client says is thrown away until it closes.
func (h *httpSession) swallow() {
	_ = h.s.far.SetReadDeadline(time.Now().Add(hangLimit))
	_, _ = io.Copy(io.Discard, h.up)
	h.s.far.reset()
	abort(h.upstream)
}

// endUp passes on how the client's stream ended.
func (h *httpSession) endUp(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) { // of a silence
		h.s.far.reset()
	}
	pushEnd(h.s.far, h.upstream, err)
}

// passUp goes on without understanding.
func (h *httpSession) passUp(read []byte) {
	if !flush(h.up, read, h.upstream) {
		h.s.far.reset()
		abort(h.upstream)
		return
	}
	push(h.s.far, h.upstream, nil)
}

// passDown goes on without understanding.
func (h *httpSession) passDown(read []byte) {
	h.replied <- passOn
	if flush(h.down, read, h.s.far) {
		_ = pull(h.upstream, h.s.far) // nobody wakes it a second time
	}
}

// flush writes what was read of a stream already.
func flush(from *bufio.Reader, read []byte, to io.Writer) bool {
	rest, _ := from.Peek(from.Buffered()) // has them
	if len(read)+len(rest) == 0 {
		return true
	}
	_, err := to.Write(append(bytes.Clone(read), rest...))
	return err == nil
}

// replies reads what the upstream says.
func (h *httpSession) replies() {
	for {
		_, err := h.down.Peek(1)
		if h.silent.Load() {
			return
		}
		var e exchange
		select {
		case e = <-h.exchanges:
		default: // nobody asked: the end of an idle connection, or a server that speaks first
			if err == nil {
				h.passDown(nil)
			} else {
				pullEnd(h.s.far, err)
			}
			return
		}
		if err != nil {
			e.verdict.spareAll()
			pullEnd(h.s.far, err)
			return
		}
		switch out := h.deliver(e, h.down); out {
		case nextReply:
			h.replied <- out // has room: at most one is under way
		case passOn:
			return
		case fallSilent:
			_ = h.s.far.SetReadDeadline(time.Now().Add(hangLimit))
			h.replied <- out
			_, _ = io.Copy(io.Discard, h.down)
			return
		case cutOff:
			h.replied <- out
			return
		}
	}
}

// deliver passes the reply of an exchange on, as its verdict says.
func (h *httpSession) deliver(e exchange, from *bufio.Reader) outcome {
	v := &e.verdict
	raw, resp, err := h.finalHead(e.request, from) //nolint:bodyclose // it has read no body
	switch {
	case err != nil:
		v.spareAll()
		h.endDown(raw, err)
		return passOn
	case v.loses(HTTPReplyLost) && v.decisive.Hang:
		return fallSilent
	case v.loses(HTTPReplyLost):
		h.s.far.reset()
		abort(h.upstream)
		return cutOff
	case resp.StatusCode == http.StatusSwitchingProtocols, e.request.Method == http.MethodConnect && resp.StatusCode/100 == 2:
		h.passDown(raw)
		return passOn
	case v.date != nil:
		raw = v.date.skew(raw, time.Now())
	}
	if _, err := h.s.far.Write(raw); err != nil {
		v.spareReply()
		abort(h.upstream)
		return cutOff
	}
	return h.deliverBody(v, responseBody(from, e.request, resp))
}

// finalHead reads the head of the final reply and passes on the interim ones before it.
func (h *httpSession) finalHead(r *http.Request, from *bufio.Reader) ([]byte, *http.Response, error) {
	for {
		raw, resp, err := readResponse(from, r)
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return raw, resp, err
		}
		if _, err := h.s.far.Write(raw); err != nil {
			return nil, nil, err
		}
	}
}

// endDown goes on where a reply couldn't be read.
func (h *httpSession) endDown(read []byte, err error) {
	switch {
	case errors.Is(err, errNotHTTP):
		h.passDown(read)
	case flush(h.down, read, h.s.far):
		pullEnd(h.s.far, err)
	}
}

// deliverBody passes a reply's body on, slowly or up to the cut.
func (h *httpSession) deliverBody(v *verdict, body *rawBody) outcome {
	var sent int64
	for {
		limit := int64(httpBuffer)
		if v.slow != nil {
			limit = min(limit, portion(v.slow.Rate))
		}
		if v.cut != nil {
			limit = min(limit, max(v.cut.Bytes-sent, 1))
		}
		raw, payload, err := body.next(limit)
		if v.cut != nil && sent+payload > v.cut.Bytes {
			_ = h.s.far.Close() // in order, so that what came before arrives for sure
			abort(h.upstream)
			return cutOff
		}
		sent += payload
		if v.slow != nil && payload > 0 {
			if sleepUntil(h.ctx, time.Now().Add(perByte(int(payload), v.slow.Rate)), h.s.over) != nil {
				return cutOff
			}
		}
		if len(raw) > 0 {
			if _, failed := h.s.far.Write(raw); failed != nil {
				abort(h.upstream)
				return cutOff
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			v.spareUnused(sent)
			return nextReply
		case err != nil:
			v.spareUnused(sent)
			h.endDown(nil, stickyErr(err))
			return passOn
		}
	}
}

// spareUnused takes back what had nothing to do in a body of a size.
func (v *verdict) spareUnused(size int64) {
	if v.cut != nil {
		v.spare(v.cut)
	}
	if v.slow != nil && size == 0 {
		v.spare(v.slow)
	}
}
