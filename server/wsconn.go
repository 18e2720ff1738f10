package server

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// wsConn is the network connection of a WebSocket, as Centrifuge gets it. It ends the reading as soon as a close frame
// was written.
//
// Centrifuge sends a close frame and waits up to 5s for the peer's, with the client's mutex held: whoever closes the
// same connection for another reason meanwhile (its device is back, its session ended, the server stops) would wait for
// a dead peer too, and in virtual time for ever, since no clock moves while anybody waits for a mutex. Here that wait is
// over at once, and netConn does the waiting, where nobody is in its way.
//
// Reads don't come through here: Centrifuge reads from net/http's buffer over the connection underneath.
type wsConn struct {
	net.Conn
	raw      *netConn // the connection at the bottom of Conn
	upgraded bool     // the answer to the handshake is written; only writers touch it, one at a time
	frames   frames   // likewise
	closing  atomic.Bool
}

// Write writes, and looks for a close frame.
func (c *wsConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if !c.upgraded {
		c.upgraded = true // it is written in one piece
		return n, err
	}
	if c.frames.closes(p[:n]) {
		c.raw.told.Store(true)
		c.closing.Store(true)
		_ = c.Conn.SetReadDeadline(longAgo)
	}
	return n, err
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// SetReadDeadline does nothing once a close frame was written.
func (c *wsConn) SetReadDeadline(t time.Time) error {
	if c.closing.Load() {
		return nil
	}
	err := c.Conn.SetReadDeadline(t)
	if c.closing.Load() { // Write came in between
		err = c.Conn.SetReadDeadline(longAgo)
	}
	return err
}

// frames follows the frames that a server writes (RFC 6455 section 5.2; they aren't masked).
type frames struct {
	head []byte // of the frame that begins, until it is whole
	op   byte
	left uint64 // bytes of payload to come
}

// opClose is the opcode of a close frame.
const opClose = 8

// closes takes the next bytes of the stream and tells whether a close frame ended in them.
func (f *frames) closes(p []byte) bool {
	for len(p) > 0 {
		if f.left == 0 {
			f.head, p = append(f.head, p[0]), p[1:]
			size, whole := payloadSize(f.head)
			if !whole {
				continue
			}
			f.op, f.left, f.head = f.head[0]&0xf, size, f.head[:0]
		}
		n := min(f.left, uint64(len(p)))
		f.left, p = f.left-n, p[n:]
		if f.left == 0 && f.op == opClose {
			return true
		}
	}
	return false
}

// payloadSize reads the length in a frame's head, if the head is whole.
func payloadSize(head []byte) (size uint64, whole bool) {
	if len(head) < 2 {
		return 0, false
	}
	switch l := head[1] & 0x7f; {
	case l < 126:
		return uint64(l), true
	case l == 126 && len(head) == 4:
		return uint64(binary.BigEndian.Uint16(head[2:])), true
	case l == 127 && len(head) == 10:
		return binary.BigEndian.Uint64(head[2:]), true
	}
	return 0, false
}

// hijacking makes the connection that a WebSocket handshake takes over a wsConn.
type hijacking struct{ http.ResponseWriter }

// Hijack takes the connection over.
func (h hijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return c, rw, err
	}
	if raw := bottom(c); raw != nil {
		c = &wsConn{Conn: c, raw: raw}
	}
	return c, rw, nil
}

// Unwrap serves http.ResponseController.
func (h hijacking) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// bottom finds our own connection under TLS; nil if another server than Serve's accepted it.
func bottom(c net.Conn) *netConn {
	for {
		if nc, ok := c.(*netConn); ok {
			return nc
		}
		u, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = u.NetConn()
	}
}
