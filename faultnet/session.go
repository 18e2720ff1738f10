package faultnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// maxPumps is how many goroutines a session has beside its own: two for each of its sockets.
	maxPumps = 4
	// upstreamTimeout bounds the dial to the upstream, which should be near: after this it counts as refused.
	upstreamTimeout = 10 * time.Second
	// earlyBytes bounds what is read from a client before its connection is open.
	earlyBytes = 64 << 10
	// smallRead and largeRead bound the buffer of a reader, which grows while it gets filled: idle connections are
	// cheap, busy ones fast.
	smallRead, largeRead = 2 << 10, 64 << 10
	// breakGrace is how long what had arrived before a reset may take to be written to a peer that doesn't read.
	breakGrace = time.Second
)

// session is one proxied connection. Between its two sockets is a circuit of the link: what the client's socket says
// is written to the circuit's client end and comes out at its server end, to be written to the upstream's socket.
type session struct {
	proxy  *Proxy
	number int64
	client *net.TCPConn

	opened    chan struct{} // closed when near and far are set
	abandoned chan struct{} // closed when the client ends its stream before that
	over      chan struct{} // closed by kill
	near, far *Conn

	mu       sync.Mutex // guards all below
	killed   bool
	upstream *net.TCPConn // or nil
}

func newSession(p *Proxy, client *net.TCPConn) *session {
	return &session{
		proxy: p, client: client, number: p.link.nextNumber(),
		opened: make(chan struct{}), abandoned: make(chan struct{}), over: make(chan struct{}),
	}
}

// run forwards until both directions have ended, and leaves nothing behind.
func (s *session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pumps := pumps{ended: make(chan pumped, maxPumps)}
	defer pumps.wait.Wait()
	defer s.finish()

	pumps.start(pumped{pull: true}, func() { s.pullClient(cancel) })
	l := s.proxy.link
	h := handshake{
		link: l, number: s.number, abandoned: s.abandoned,
		rng:       newRand(l.seed, l.from, l.to, s.number, streamHandshake),
		listening: func() bool { return true },
	}
	if err := h.run(ctx); err != nil {
		abort(s.client)
		return
	}
	s.open()
	pumps.start(pumped{}, func() { push(s.near, s.client, nil) })
	if s.far.circuit.hung {
		pumps.first(s.over)
		return
	}
	if upstream := s.dial(ctx); upstream != nil {
		s.join(ctx, &pumps, upstream)
	} else {
		s.far.reset() // reaches the client as RST after the link's delay
	}
	s.supervise(&pumps)
}

// open puts the circuit in place and lets the client's reader go on.
func (s *session) open() {
	l := s.proxy.link
	l.mu.Lock()
	c := l.openLocked(s.number, s.proxy.opts.Buffer, s.client.RemoteAddr(), s.client.LocalAddr())
	l.mu.Unlock()
	s.near, s.far = c.client, c.server
	_ = s.client.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, who takes it back once opened is closed
	close(s.opened)
}

// dial connects to the upstream, or returns nil.
func (s *session) dial(ctx context.Context) *net.TCPConn {
	dialer := net.Dialer{Timeout: upstreamTimeout}
	addr := s.proxy.Upstream()
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		if ctx.Err() == nil {
			s.proxy.logger.Info("upstream doesn't answer", "upstream", addr, "error", err)
		}
		return nil
	}
	upstream := conn.(*net.TCPConn)
	s.mu.Lock()
	killed := s.killed
	s.upstream = upstream
	s.mu.Unlock()
	if killed {
		_ = upstream.Close()
	}
	return upstream
}

// join moves bytes between the circuit and the upstream.
func (s *session) join(ctx context.Context, p *pumps, upstream *net.TCPConn) {
	understood := make(chan *httpSession)
	ended := make(chan struct{}) // closed when nobody reads from the upstream any more
	p.start(pumped{pull: true}, func() {
		defer close(ended)
		if pull(upstream, s.far) {
			h := <-understood
			_ = upstream.SetReadDeadline(time.Time{})
			h.replies()
		}
	})
	p.start(pumped{}, func() {
		request := []byte{}
		if !s.proxy.http.active() {
			if request = push(s.far, upstream, s.proxy.http.beginsRequest); request == nil {
				return
			}
		}
		h := newHTTPSession(ctx, s, upstream, request, ended)
		_ = upstream.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		select {
		case understood <- h:
		case <-ended:
		}
		h.requests()
	})
}

// supervise waits until nothing can come of the session any more.
func (s *session) supervise(p *pumps) {
	near, far := s.near.broken, s.far.broken
	for p.running > 0 {
		select {
		case end := <-p.ended:
			p.note(end)
			if p.pulls == 0 && p.running == s.near.circuit.strandedCount() {
				return // both peers have said all, and who still waits would wait until TCP gives up
			}
		case <-near:
			near = nil
			_ = s.client.SetWriteDeadline(time.Now().Add(breakGrace))
		case <-far:
			far = nil
			if s.upstream != nil { // set by this goroutine
				_ = s.upstream.SetWriteDeadline(time.Now().Add(breakGrace))
			}
		case <-s.over:
			return
		}
	}
}

// kill closes the sockets, which ends run soon.
func (s *session) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed {
		return
	}
	s.killed = true
	close(s.over)
	_ = s.client.Close()
	if s.upstream != nil {
		_ = s.upstream.Close()
	}
}

// finish ends everything that a goroutine of the session may wait for.
func (s *session) finish() {
	s.kill()
	if s.near != nil {
		s.near.reset()
		s.far.reset()
	}
}

// pullClient reads from the client: at first into a bounded buffer, until the connection is open.
func (s *session) pullClient(cancel context.CancelFunc) {
	early, err := readEarly(s.client)
	switch {
	case errors.Is(err, io.EOF):
		close(s.abandoned)
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		cancel() // the client has gone: nobody waits for the handshake
	}
	select {
	case <-s.opened:
	case <-s.over:
		return
	}
	_ = s.client.SetReadDeadline(time.Time{})
	if _, failed := s.near.Write(early); failed != nil {
		return
	}
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		_ = pull(s.client, s.near) // nobody wakes it a second time
	case errors.Is(err, io.EOF):
		_ = s.near.CloseWrite()
	default:
		s.near.reset()
	}
}

// readEarly reads until the read deadline passes, the stream ends or the bound is reached.
func readEarly(conn net.Conn) ([]byte, error) {
	var early []byte
	buffer := make([]byte, smallRead)
	for len(early) < earlyBytes {
		n, err := conn.Read(buffer)
		early = append(early, buffer[:n]...)
		if err != nil {
			return early, err
		}
	}
	return early, nil
}

// pull writes what a socket says to an end of the circuit. It reports whether it was woken by a deadline; else one of
// them has ended.
func pull(socket *net.TCPConn, end *Conn) (woken bool) {
	buffer := make([]byte, smallRead)
	for {
		n, err := socket.Read(buffer)
		if n > 0 {
			if _, failed := end.Write(buffer[:n]); failed != nil {
				return false // push, which sees the same, closes the socket
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return true
		case err != nil:
			pullEnd(end, err)
			return false
		}
		if n == len(buffer) && n < largeRead {
			buffer = make([]byte, 2*n)
		}
	}
}

// pullEnd writes to an end of the circuit how its socket's stream ended.
func pullEnd(end *Conn, err error) {
	if errors.Is(err, io.EOF) {
		_ = end.CloseWrite()
		return
	}
	end.reset()
}

// push writes what arrives at an end of the circuit to a socket, and how it ends. If stop, unless it is nil, says so of
// a piece, that is returned and all goes on elsewhere.
func push(end *Conn, socket *net.TCPConn, stop func([]byte) bool) []byte {
	for {
		piece, err := end.next()
		if err == nil {
			if stop != nil && stop(piece) {
				return piece
			}
			_, err = socket.Write(piece)
			if err == nil {
				continue
			}
			end.reset()
		}
		pushEnd(end, socket, err)
		return nil
	}
}

// pushEnd writes to a socket how the stream of its end of the circuit ended.
func pushEnd(end *Conn, socket *net.TCPConn, err error) {
	switch {
	case !errors.Is(err, io.EOF):
		abort(socket)
	case end.isBroken(): // a toxic closed the connection: both directions have ended
		_ = socket.Close()
	default:
		_ = socket.CloseWrite()
	}
}

// abort closes a socket with RST.
func abort(socket *net.TCPConn) {
	_ = socket.SetLinger(0)
	_ = socket.Close()
}
