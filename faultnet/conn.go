package faultnet

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Conn is one end of a connection in memory. It behaves as a net.TCPConn does: deadlines, half-close, errors as
// *net.OpError around a syscall.Errno, net.ErrClosed after Close. It may be used concurrently.
type Conn struct {
	circuit       *circuit
	in, out       *pipe
	local, remote net.Addr
	broken        chan struct{} // closed with err

	// Guarded by the link's lock.
	err           error // ECONNRESET or ETIMEDOUT, once the connection is broken
	closed        bool
	writeClosed   bool
	readClosed    bool
	abortive      bool // SetLinger(0): Close sends RST
	readDeadline  time.Time
	writeDeadline time.Time
}

var _ net.Conn = (*Conn)(nil)

func newConn(c *circuit, out, in *pipe, local, remote net.Addr) *Conn {
	return &Conn{circuit: c, out: out, in: in, local: local, remote: remote, broken: make(chan struct{})}
}

// Read takes what has arrived. After a reset it returns what had arrived before, then ECONNRESET.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n := 0
		wake, deadline, err := c.tryRead(func(p *pipe) { n = p.takeLocked(b) }, len(b) == 0)
		if wake == nil {
			return n, err
		}
		wait(wake, deadline)
	}
}

// next is Read without a copy: it returns the oldest piece that has arrived, which the caller then owns.
func (c *Conn) next() ([]byte, error) {
	for {
		var piece []byte
		wake, deadline, err := c.tryRead(func(p *pipe) { piece = p.takePieceLocked() }, false)
		if wake == nil {
			return piece, err
		}
		wait(wake, deadline)
	}
}

// tryRead takes what has arrived, or returns the channel to wait for and until when. A read of nothing never waits.
func (c *Conn) tryRead(take func(*pipe), nothing bool) (wake <-chan struct{}, deadline time.Time, err error) {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	switch {
	case c.closed:
		err = c.opError("read", net.ErrClosed)
	case expired(c.readDeadline):
		err = c.opError("read", os.ErrDeadlineExceeded)
	case nothing:
	case c.in.pending > 0:
		take(c.in)
	case c.in.ended || c.readClosed:
		err = io.EOF
	case c.err != nil:
		err = c.opError("read", c.err)
	default:
		wake, deadline = waitLocked(&c.in.readable), c.readDeadline
	}
	return wake, deadline, err
}

// Write queues b to be sent. It blocks only while a bounded buffer is full.
func (c *Conn) Write(b []byte) (int, error) {
	total := 0
	for {
		n, wake, deadline, err := c.tryWrite(b[total:])
		total += n
		switch {
		case err != nil:
			return total, c.opError("write", err)
		case wake == nil:
			return total, nil
		}
		wait(wake, deadline)
	}
}

// tryWrite writes what fits. The channel is nil when all was written.
func (c *Conn) tryWrite(b []byte) (n int, wake <-chan struct{}, deadline time.Time, err error) {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	switch {
	case c.closed:
		return 0, nil, deadline, net.ErrClosed
	case c.err != nil:
		return 0, nil, deadline, c.err
	case c.writeClosed:
		return 0, nil, deadline, syscall.EPIPE
	case expired(c.writeDeadline):
		return 0, nil, deadline, os.ErrDeadlineExceeded
	}
	if n = min(len(b), max(c.out.roomLocked(len(b)), 0)); n > 0 {
		c.out.sendLocked(append([]byte(nil), b[:n]...), false)
	}
	if n == len(b) {
		return n, nil, deadline, nil
	}
	return n, waitLocked(&c.out.writable), c.writeDeadline, nil
}

// Close sends what is queued and then the end of the stream, as TCP does in the background, and gives the connection
// up: data that arrives from now on is answered with a reset. A second Close returns net.ErrClosed.
func (c *Conn) Close() error {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	switch {
	case c.err != nil:
	case c.abortive:
		c.abortLocked()
	case !c.writeClosed:
		c.out.sendLocked(nil, true)
	}
	c.writeClosed, c.readClosed = true, true
	c.in.unread, c.in.pending = nil, 0
	c.wakeLocked()
	c.circuit.retireLocked()
	return nil
}

// CloseWrite sends the end of the stream after what is queued. Reading goes on.
func (c *Conn) CloseWrite() error {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.err != nil:
		return c.opError("close", syscall.ENOTCONN)
	case !c.writeClosed:
		c.writeClosed = true
		c.out.sendLocked(nil, true)
		wakeLocked(&c.out.writable)
	}
	return nil
}

// CloseRead throws away what arrives from now on; Read returns io.EOF.
func (c *Conn) CloseRead() error {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.readClosed = true
	c.in.unread, c.in.pending = nil, 0
	c.wakeLocked()
	return nil
}

// SetLinger with 0 makes Close throw away what is queued and reset the connection. Any other value is the default.
func (c *Conn) SetLinger(sec int) error {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.abortive = sec == 0
	return nil
}

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on. Zero means never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline makes Write fail with os.ErrDeadlineExceeded from t on. Zero means never.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *Conn) setDeadlines(read, write *time.Time) error {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	if read != nil {
		c.readDeadline = *read
		wakeLocked(&c.in.readable)
	}
	if write != nil {
		c.writeDeadline = *write
		wakeLocked(&c.out.writable)
	}
	return nil
}

// failLocked breaks this end: what it had queued is gone, what had arrived can still be read.
func (c *Conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.out.acks.settle(time.Now(), &c.in.tr)
	c.err = err
	close(c.broken)
	c.out.line.clear()
	c.wakeLocked()
	c.circuit.retireLocked()
}

// abortLocked throws away what is queued and tells the peer with RST, behind what is on the wire.
func (c *Conn) abortLocked() {
	last := c.out.line.abandon(time.Now())
	c.out.sendResetLocked()
	if !c.out.resetAt.IsZero() && c.out.resetAt.Before(last) {
		c.out.resetAt = last
	}
}

// reset closes this end with RST.
func (c *Conn) reset() {
	_ = c.SetLinger(0) // both only fail on a closed end
	_ = c.Close()
}

// isBroken says whether the connection was broken from outside.
func (c *Conn) isBroken() bool {
	select {
	case <-c.broken:
		return true
	default:
		return false
	}
}

// goneLocked says whether the peer would find no socket here any more.
func (c *Conn) goneLocked() bool { return c.err != nil || c.closed }

func (c *Conn) wakeLocked() {
	wakeLocked(&c.in.readable)
	wakeLocked(&c.out.writable)
}

func (c *Conn) opError(op string, err error) error {
	return opError(op, c.local, c.remote, err)
}

// opError wraps as package net does: system errors in an *os.SyscallError inside a *net.OpError.
func opError(op string, source, addr net.Addr, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		call := op
		if op == "dial" {
			call = "connect"
		}
		err = os.NewSyscallError(call, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: source, Addr: addr, Err: err}
}

// expired says whether a deadline has passed.
func expired(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

// wait waits for a wake-up or a deadline.
func wait(wake <-chan struct{}, deadline time.Time) {
	if deadline.IsZero() {
		<-wake
		return
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	}
}
