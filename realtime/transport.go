package realtime

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// closeGrace is the time for a close frame to leave before the socket is closed. Nobody needs the server's answer.
const closeGrace = 250 * time.Millisecond

// countedConn counts bytes and remembers when the last ones came: a frame that takes long to arrive is a sign of life
// long before it is complete.
type countedConn struct {
	net.Conn
	start    time.Time
	in, out  atomic.Uint64
	lastRead atomic.Int64 // since start
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.in.Add(uint64(n))
		c.lastRead.Store(int64(time.Since(c.start)))
	}
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.out.Add(uint64(n))
	}
	return n, err
}

// heard is when the last byte came.
func (c *countedConn) heard() time.Time { return c.start.Add(time.Duration(c.lastRead.Load())) }

// transport is one WebSocket after the upgrade: a reader and a writer goroutine that end with it.
type transport struct {
	gen   uint64
	c     *Client
	codec codec
	ws    *websocket.Conn
	raw   *countedConn
	ready time.Time // when the upgrade was answered

	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	mu      sync.Mutex // guards below
	queue   [][]byte   // encoded commands
	queued  int        // bytes in queue
	closing bool
}

// run starts the transport's goroutines.
func (t *transport) run() {
	t.c.wg.Go(t.read)
	t.c.wg.Go(t.write)
}

// post tells the owner, unless the client is closed.
func (c *Client) post(e event) bool {
	select {
	case c.events <- e:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (t *transport) read() {
	for {
		_, frame, err := t.ws.Read(t.ctx)
		if err != nil {
			t.gone(err)
			return
		}
		replies, err := t.codec.decode(frame)
		if len(replies) > 0 && !t.c.post(event{kind: evFrame, gen: t.gen, replies: replies, at: time.Now()}) {
			return
		}
		if err != nil {
			t.gone(err)
			return
		}
	}
}

// gone tells the owner of the end of the transport, once from each goroutine at most; the first one counts.
func (t *transport) gone(err error) {
	var ce websocket.CloseError
	switch {
	case errors.As(err, &ce):
		err = &CloseError{Code: uint32(ce.Code), Reason: ce.Reason} //nolint:gosec // 16 bits on the wire
	case !errors.Is(err, ErrProtocol):
		err = &sendError{err}
	}
	t.c.post(event{kind: evGone, gen: t.gen, err: err, at: time.Now()})
}

// send queues encoded commands and says whether there was room. Everything of one call is packed together.
func (t *transport) send(cmds ...[]byte) bool {
	n := size(cmds)
	t.mu.Lock()
	if t.queued+n > t.c.o.SendLimit && t.queued > 0 {
		t.mu.Unlock()
		return false
	}
	t.queue = append(t.queue, cmds...)
	t.queued += n
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return true
}

func (t *transport) write() {
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		}
		t.mu.Lock()
		cmds := t.queue
		t.queue, t.queued = nil, 0
		t.mu.Unlock()
		for _, frame := range t.codec.pack(cmds, t.c.o.FrameLimit, t.c.o.FrameCommands) {
			if err := t.ws.Write(t.ctx, t.codec.messageType(), frame); err != nil {
				t.writeFailed(err)
				return
			}
		}
	}
}

// writeFailed gives the reader a moment to find the server's close frame, which says more than a broken pipe.
func (t *transport) writeFailed(err error) {
	timer := time.NewTimer(lateTimer)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
	case <-timer.C:
		t.gone(err)
	}
}

// ping sends a control ping and tells the owner when its pong came. The server answers it out of its reader, so that
// it measures the path and not the server's work. before is the number of bytes sent before it that may be on their way.
func (t *transport) ping(id uint64, now time.Time, before int) {
	t.c.wg.Go(func() {
		if t.ws.Ping(t.ctx) == nil {
			t.c.post(event{kind: evPong, gen: t.gen, ping: id, sentAt: now, bytes: before, at: time.Now()})
		}
	})
}

// kill closes the socket at once. It doesn't block.
func (t *transport) kill() {
	if !t.markClosing() {
		return
	}
	t.cancel()
	t.c.wg.Go(func() {
		_ = t.raw.Close() // first, or TLS would try to say goodbye on a dead link
		_ = t.ws.CloseNow()
	})
}

// leave closes politely: close frame, then the socket. It doesn't block.
func (t *transport) leave() {
	if !t.markClosing() {
		return
	}
	t.c.wg.Go(func() {
		timer := time.AfterFunc(closeGrace, func() { _ = t.raw.Close() })
		_ = t.ws.Close(websocket.StatusNormalClosure, "")
		timer.Stop()
		t.cancel()
		_ = t.raw.Close()
	})
}

func (t *transport) markClosing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.closing
	t.closing = true
	return !was
}
