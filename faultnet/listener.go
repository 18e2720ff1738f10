package faultnet

import (
	"net"
	"sync"
)

// backlogSize bounds the connections that wait for Accept: net.core.somaxconn of Linux. Further ones are reset.
const backlogSize = 4096

// listener is a net.Listener of a Network.
type listener struct {
	network *Network
	addr    address
	backlog chan *Conn
	done    chan struct{}

	mu     sync.Mutex // guards closed, and orders offers before the close
	closed bool
}

func newListener(n *Network, addr address) *listener {
	return &listener{network: n, addr: addr, backlog: make(chan *Conn, backlogSize), done: make(chan struct{})}
}

// Accept returns the next connection.
func (ln *listener) Accept() (net.Conn, error) {
	select {
	case <-ln.done:
		return nil, ln.errClosed()
	default:
	}
	select {
	case conn := <-ln.backlog:
		return conn, nil
	case <-ln.done:
		return nil, ln.errClosed()
	}
}

func (ln *listener) errClosed() error {
	return &net.OpError{Op: "accept", Net: "tcp", Addr: ln.addr, Err: net.ErrClosed}
}

// Close ends listening and resets what wasn't accepted yet. Accepted connections live on.
func (ln *listener) Close() error {
	ln.mu.Lock()
	if ln.closed {
		ln.mu.Unlock()
		return &net.OpError{Op: "close", Net: "tcp", Addr: ln.addr, Err: net.ErrClosed}
	}
	ln.closed = true
	ln.mu.Unlock()

	ln.network.mu.Lock()
	delete(ln.network.listeners, string(ln.addr))
	ln.network.mu.Unlock()
	close(ln.done)
	for {
		select {
		case conn := <-ln.backlog:
			conn.reset()
		default:
			return nil
		}
	}
}

// Addr is the address that dials use.
func (ln *listener) Addr() net.Addr { return ln.addr }

// offer puts a connection into the backlog, or resets it.
func (ln *listener) offer(conn *Conn) {
	ln.mu.Lock()
	taken := false
	if !ln.closed {
		select {
		case ln.backlog <- conn:
			taken = true
		default:
		}
	}
	ln.mu.Unlock()
	if !taken {
		conn.reset()
	}
}
