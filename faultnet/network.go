package faultnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// firstPort is where the ports that a Network hands out begin, clear of those that people name.
const firstPort = 40000

// Network connects goroutines in memory: hosts are names, between each two of them is a Link. It starts no goroutine
// and needs no Close. All methods may be called concurrently.
type Network struct {
	seed uint64

	mu        sync.Mutex // guards all below; taken before a link's lock, never after it
	links     map[[2]string]*Link
	listeners map[string]*listener
	initial   Conditions
	buffer    int
	port      int
}

// NewNetwork makes a network without hosts. The same seed gives the same jitter and losses.
func NewNetwork(seed uint64) *Network {
	return &Network{
		seed:      seed,
		links:     make(map[[2]string]*Link),
		listeners: make(map[string]*listener),
		port:      firstPort,
	}
}

// SetDefault sets the conditions of links that are made later. Perfect links are the default.
func (n *Network) SetDefault(cond Conditions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.initial = cond.sane()
}

// SetBuffer bounds what each direction of later connections holds, in flight and unread, in bytes: Write blocks while
// it is full, as with a full socket buffer. 0, the default, means unlimited: Write never blocks.
func (n *Network) SetBuffer(bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buffer = max(bytes, 0)
}

// Link returns the link between a client host and a server host, which is made on first use. Who dials is the client:
// Link("a", "b") and Link("b", "a") are two links.
func (n *Network) Link(client, server string) *Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{client, server}
	link := n.links[key]
	if link == nil {
		link = newLink(n.seed, client, server, n.initial)
		n.links[key] = link
	}
	return link
}

// Listen listens on "host:port"; port 0 picks a free one. Errors are *net.OpError, as those of net.Listen.
func (n *Network) Listen(addr string) (net.Listener, error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == 0 {
		port = n.nextPortLocked()
	}
	at := address(net.JoinHostPort(host, strconv.Itoa(port)))
	if n.listeners[string(at)] != nil {
		return nil, opError("listen", nil, at, syscall.EADDRINUSE)
	}
	ln := newListener(n, at)
	n.listeners[string(at)] = ln
	return ln, nil
}

// Dialer returns a DialContext of the host from. A dial costs one round trip; SYN is sent again after 1 s, 2 s, 4 s and
// so on, and gives up after 127 s. Unknown hosts and ports refuse. The error is a *net.OpError; ctx only bounds the dial.
func (n *Network) Dialer(from string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch network {
		case "tcp", "tcp4", "tcp6":
		default:
			return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
		}
		host, port, err := splitAddr(addr)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		to := address(net.JoinHostPort(host, strconv.Itoa(port)))
		conn, err := n.dial(ctx, from, host, to)
		if err != nil {
			return nil, opError("dial", nil, to, err)
		}
		return conn, nil
	}
}

func (n *Network) dial(ctx context.Context, from, host string, to address) (*Conn, error) {
	link := n.Link(from, host)
	number := link.nextNumber()
	h := handshake{
		link: link, number: number,
		rng:       newRand(n.seed, from, host, number, streamHandshake),
		listening: func() bool { return n.listener(to) != nil || link.hangs(number) },
	}
	if err := h.run(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	local, buffer, ln := address(net.JoinHostPort(from, strconv.Itoa(n.nextPortLocked()))), n.buffer, n.listeners[string(to)]
	n.mu.Unlock()

	link.mu.Lock()
	defer link.mu.Unlock()
	c := link.openLocked(number, buffer, local, to)
	switch {
	case c.hung: // somebody accepted, nobody will read
	case ln == nil: // closed while SYN-ACK was on its way
		c.server.closed = true
		c.server.abortLocked()
	default:
		// The listener sees the connection when the last ACK of the handshake arrives.
		time.AfterFunc(c.pipes[upward].tr.Delay, func() { ln.offer(c.server) })
	}
	return c.client, nil
}

func (n *Network) listener(at address) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listeners[string(at)]
}

func (n *Network) nextPortLocked() int {
	n.port++
	return n.port
}

func (l *Link) hangs(number int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hangsLocked(number)
}

// address is a "host:port" whose host is a name.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// splitAddr takes "host:port" apart. There is no name service and no table of services: ports are numbers.
func splitAddr(addr string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		return "", 0, &net.AddrError{Err: "missing host name", Addr: addr}
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, &net.AddrError{Err: "port isn't a number from 0 to 65535", Addr: addr}
	}
	return host, int(number), nil
}
