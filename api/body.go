package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// source gives each attempt the request's body from its beginning.
type source struct {
	req    *http.Request
	limit  int64 // of what is kept
	size   int64 // of the body, -1 if it isn't known
	seeker io.Seeker
	start  int64         // where the body began, in seeker
	kept   *bytes.Buffer // what was read of one that can't be had again, nil for others
	over   bool          // more was read than is kept
	read   atomic.Int64  // bytes that attempts took
	turn   chan struct{} // held by who reads req.Body, for bodies without GetBody
	last   *sentBody
	first  bool // no attempt was made yet
}

// errBodyFailed is the caller's body's own error.
var errBodyFailed = errors.New("read request body")

func newSource(req *http.Request, limit int64) *source {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	s := &source{req: req, limit: limit, first: true, size: req.ContentLength}
	if req.GetBody != nil {
		return s
	}
	s.turn = make(chan struct{}, 1)
	if sk, ok := req.Body.(io.Seeker); ok {
		if at, err := sk.Seek(0, io.SeekCurrent); err == nil {
			s.seeker, s.start = sk, at
			return s
		}
	}
	s.kept = &bytes.Buffer{}
	return s
}

// replayable says whether another attempt could have the whole body.
func (s *source) replayable() bool {
	return s == nil || s.first || s.turn == nil || s.seeker != nil || s.read.Load() == 0 || s.kept != nil && !s.over
}

// next is the body of the next attempt. While an earlier attempt's transport is still reading, it waits for it.
func (s *source) next(ctx context.Context, a *attempt) (io.ReadCloser, error) {
	first := s.first
	s.first = false
	if s.turn == nil {
		if first {
			return &sentBody{a: a, src: s, r: s.req.Body}, nil
		}
		body, err := s.req.GetBody()
		if err != nil {
			return nil, errors.Join(errBodyFailed, err)
		}
		return &sentBody{a: a, src: s, r: body}, nil
	}
	if s.last != nil {
		s.last.closed.Store(true) // no read of it begins any more
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var r io.Reader = s.req.Body
	switch {
	case first || planted == bugNoRewind:
	case s.seeker != nil:
		if _, err := s.seeker.Seek(s.start, io.SeekStart); err != nil {
			return nil, errors.Join(errBodyFailed, err)
		}
	case s.kept.Len() > 0:
		r = io.MultiReader(bytes.NewReader(bytes.Clone(s.kept.Bytes())), keeping{s})
	}
	if s.kept != nil && s.kept.Len() == 0 {
		r = keeping{s}
	}
	s.last = &sentBody{a: a, src: s, r: r}
	return s.last, nil
}

// keeping reads the caller's body and keeps what it reads, up to the limit.
type keeping struct{ s *source }

func (k keeping) Read(p []byte) (int, error) {
	n, err := k.s.req.Body.Read(p)
	if n > 0 && !k.s.over {
		if int64(k.s.kept.Len()+n) > k.s.limit {
			k.s.over = true
		} else {
			k.s.kept.Write(p[:n])
		}
	}
	return n, err
}

// close ends the caller's body, as a RoundTripper has to.
func (s *source) close(req *http.Request) {
	if req.Body == nil {
		return
	}
	if s != nil && s.last != nil {
		s.last.closed.Store(true)
	}
	_ = req.Body.Close() // whoever made it knows how it went
}

// sentBody is a request's body on its way in one attempt. Each read is a sign of life.
type sentBody struct {
	a      *attempt
	src    *source
	r      io.Reader
	closed atomic.Bool
}

var errBodyClosed = errors.New("api: request body read after its attempt")

func (b *sentBody) Read(p []byte) (int, error) {
	if b.src.turn != nil {
		select {
		case b.src.turn <- struct{}{}:
			defer func() { <-b.src.turn }()
		case <-b.a.ctx().Done():
			return 0, context.Cause(b.a.ctx())
		}
	}
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	b.a.alive(phaseSend)
	n, err := b.r.Read(p)
	b.src.read.Add(int64(n))
	if err != nil && err != io.EOF {
		b.a.failed.Store(true)
	}
	return n, err
}

func (b *sentBody) Close() error {
	b.closed.Store(true)
	if c, ok := b.r.(io.Closer); ok && b.src.turn == nil {
		return c.Close()
	}
	return nil // the caller's own body ends with the call: another attempt may need it
}

const (
	// maxDrain is how much of an unwanted answer is read so that its connection can be used again.
	maxDrain = 64 << 10
	// drainTime bounds that, beside the attempt's own limit.
	drainTime = 2 * time.Second
)

// drain reads and closes an answer that nobody gets, and returns its beginning.
func (a *attempt) drain(res *http.Response) []byte {
	if planted == bugNoDrain {
		return nil
	}
	defer res.Body.Close()
	var kept bytes.Buffer
	a.patience = min(a.patience, drainTime)
	_, _ = io.CopyN(&kept, res.Body, maxErrorBody)
	_, _ = io.CopyN(io.Discard, res.Body, maxDrain-maxErrorBody) // what is longer costs a connection
	return kept.Bytes()
}
