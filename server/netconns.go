package server

import (
	"net"
	"sync"
)

// netConns are the open network connections, those of WebSockets included, which net/http forgets.
type netConns struct {
	mu     sync.Mutex
	open   map[*netConn]struct{} // guarded by mu
	killed bool                  // guarded by mu
	empty  chan struct{}         // guarded by mu; closed when open becomes empty, nil if nobody waits
}

func newNetConns() *netConns { return &netConns{open: map[*netConn]struct{}{}} }

// netConn tells its netConns when it is closed.
type netConn struct {
	net.Conn
	set *netConns
}

// NetConn is the connection underneath.
func (c *netConn) NetConn() net.Conn { return c.Conn }

func (c *netConn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
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

func (s *netConns) remove(c *netConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
