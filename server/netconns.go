package server

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeWait is how long a connection whose peer was told to close is kept for the peer's answer.
const closeWait = 5 * time.Second

// netConns are the open network connections, those of WebSockets included, which net/http forgets.
type netConns struct {
	lingers sync.WaitGroup // of the connections that wait for their peer; none begins once killed

	mu        sync.Mutex
	open      map[*netConn]struct{} // guarded by mu
	lingering int                   // guarded by mu; how many of open wait for their peer
	killed    bool                  // guarded by mu
	empty     chan struct{}         // guarded by mu; closed when open becomes empty, nil if nobody waits
	quiet     chan struct{}         // guarded by mu; closed when lingering becomes 0, nil if nobody waits
}

func newNetConns() *netConns { return &netConns{open: map[*netConn]struct{}{}} }

// netConn tells its netConns when it is closed.
type netConn struct {
	net.Conn
	set *netConns

	told      atomic.Bool // the peer was sent a close frame: Close lingers
	asked     atomic.Bool // a request came
	lingering bool        // guarded by set.mu
}

// NetConn is the connection underneath.
func (c *netConn) NetConn() net.Conn { return c.Conn }

// Close closes the connection. If its peer was sent a close frame that happens later, in the background: see linger.
func (c *netConn) Close() error {
	if c.told.Load() && c.set.linger(c) {
		return nil
	}
	c.set.remove(c)
	return c.Conn.Close()
}

// linger ends the stream and waits for the peer to end its own, for closeWait at most. Closing at once would answer
// what the peer still sends with a reset, and a reset overtakes the close frame and its code (RFC 6455 section 7.1.1,
// RFC 9293 section 3.6.1).
func (c *netConn) linger() {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite() // it fails on a connection that is broken, and then there is nothing to wait for
	}
	_ = c.SetReadDeadline(time.Now().Add(closeWait))
	_, _ = io.Copy(io.Discard, c.Conn) // ends with the peer's end, the deadline, or kill
	c.set.remove(c)
	_ = c.Conn.Close() // nobody is left to be told
}

// reset closes without a word: RST instead of FIN, where the connection can.
func (c *netConn) reset() {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0) // best effort on a connection that goes anyway
	}
	_ = c.Close()
}

// listener counts what it accepts.
type listener struct {
	net.Listener
	set *netConns
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	nc := &netConn{Conn: c, set: l.set}
	if !l.set.add(nc) {
		nc.reset()
	}
	return nc, nil
}

func (s *netConns) add(c *netConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

// linger begins to wait for c's peer; false if connections are to be closed at once.
func (s *netConns) linger(c *netConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; !open || s.killed {
		return false
	}
	if !c.lingering {
		c.lingering = true
		s.lingering++
		s.lingers.Go(c.linger)
	}
	return true
}

func (s *netConns) remove(c *netConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; open && c.lingering {
		if s.lingering--; s.lingering == 0 && s.quiet != nil {
			close(s.quiet)
			s.quiet = nil
		}
	}
	delete(s.open, c)
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// kill resets every connection, also those to come.
func (s *netConns) kill() {
	s.mu.Lock()
	s.killed = true
	all := make([]*netConn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.reset()
	}
}

// dropSilent closes the connections on which no request came yet: somebody accepted them, and then the network kept
// what was sent, or nothing was.
func (s *netConns) dropSilent() {
	s.mu.Lock()
	var silent []*netConn
	for c := range s.open {
		if !c.asked.Load() {
			silent = append(silent, c)
		}
	}
	s.mu.Unlock()
	for _, c := range silent {
		_ = c.Close() // nothing was promised on it
	}
}

// answered returns when every peer that was told to close has answered or has been given up, or ctx's error.
func (s *netConns) answered(ctx context.Context) error {
	s.mu.Lock()
	if s.lingering == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.quiet == nil {
		s.quiet = make(chan struct{})
	}
	quiet := s.quiet
	s.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gone is closed when no connection is open.
func (s *netConns) gone() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.open) == 0 {
			close(s.empty)
			defer func() { s.empty = nil }()
		}
	}
	return s.empty
}
