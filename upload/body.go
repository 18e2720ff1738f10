package upload

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// errStalled ends a request on which nothing moves.
var errStalled = errors.New("no byte moved")

// alarm ends a request that stands still. Bytes put it off, time alone never does.
type alarm struct {
	timer *time.Timer
	after time.Duration
}

func newAlarm(after time.Duration, cancel context.CancelCauseFunc) *alarm {
	if planted == bugStallByTime {
		return &alarm{after: after, timer: time.AfterFunc(time.Hour, func() { cancel(errStalled) })}
	}
	return &alarm{after: after, timer: time.AfterFunc(after, func() { cancel(errStalled) })}
}

// moved puts it off: something moved.
func (a *alarm) moved() {
	if planted != bugStallByTime {
		a.timer.Reset(a.after)
	}
}

// hold stops it while we ourselves hold back.
func (a *alarm) hold() { a.timer.Stop() }

// body is a part of a file on its way into a request. Nothing of it is kept in memory.
type body struct {
	ctx    context.Context
	r      io.ReaderAt
	pos    int64 // of the next byte
	end    int64
	sent   atomic.Int64 // position up to which it was read
	pace   *pace
	alarm  *alarm
	answer time.Duration // how long the answer may take once all is sent
	moved  func(pos int64)
	err    atomic.Pointer[error] // why the file couldn't be read
}

// failed is why the file couldn't be read, or nil.
func (b *body) failed() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Read hands out what may be sent now.
func (b *body) Read(p []byte) (int, error) {
	if b.pos == b.end {
		return 0, io.EOF
	}
	if int64(len(p)) > b.end-b.pos {
		p = p[:b.end-b.pos]
	}
	n := b.pace.take(b.ctx, len(p), b.alarm.hold)
	if n == 0 {
		return 0, context.Cause(b.ctx)
	}
	p = p[:n]
	n, err := b.r.ReadAt(p, b.pos)
	if n < len(p) {
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			err = errChanged // it was cut short while it was being sent
		}
		b.err.Store(&err)
		return 0, err
	}
	b.pos += int64(n)
	b.sent.Store(b.pos)
	if b.pos == b.end {
		b.alarm.after = b.answer
	}
	b.alarm.moved()
	b.moved(b.pos)
	return n, nil
}

// Close is for the transport; the file stays open.
func (b *body) Close() error { return nil }
