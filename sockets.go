package chatsdk

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/chatsdk/chatsdk/internal/dialing"
	"github.com/chatsdk/chatsdk/internal/tcpinfo"
	"github.com/chatsdk/chatsdk/quality"
)

// sockets are the live connections of the client, of any kind, with the counters of those that somebody counts for.
type sockets struct {
	dial dialFunc // the one of Options

	mu      sync.Mutex // guards live
	live    []*socket
	reading []*socket // by the monitor's goroutine
}

// socket is a connection that is forgotten when it is closed.
type socket struct {
	net.Conn
	id  uint64 // names it to the monitor
	set *sockets

	// Of the monitor's goroutine.
	stats     *tcpinfo.Reader
	opening   int64  // what was sent again before there was data: the opening of the connection
	delivered uint64 // as told last
}

// add takes a connection that was just opened.
func (s *sockets) add(conn net.Conn, id uint64) net.Conn {
	x := &socket{Conn: conn, id: id, set: s}
	reader, err := tcpinfo.Open(conn)
	if err != nil {
		return x // nobody counts
	}
	x.stats = reader
	if first, err := reader.Read(); err == nil && first.Sent == 0 {
		x.opening = first.Retransmitted
	}
	s.mu.Lock()
	s.live = append(s.live, x)
	s.mu.Unlock()
	return x
}

func (s *sockets) forget(x *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.live, x); i >= 0 {
		s.live = slices.Delete(s.live, i, i+1)
	}
}

// tell tells the counters of all; see quality.Options.Sockets.
func (s *sockets) tell(tell func(socket uint64, c quality.Counters)) {
	s.mu.Lock()
	s.reading = append(s.reading[:0], s.live...)
	s.mu.Unlock()
	for _, x := range s.reading {
		if stats, err := x.stats.Read(); err == nil {
			tell(x.id, x.counters(stats))
		} else {
			s.forget(x)
		}
	}
	clear(s.reading)
}

// counters are what the monitor wants of a socket's.
func (x *socket) counters(s tcpinfo.Stats) quality.Counters {
	sent := max(s.Sent, 0)
	again := min(max(s.Retransmitted-x.opening, 0), sent)
	if s.BytesAcked > 0 { // the system tells what arrived
		x.delivered = max(x.delivered, uint64(max(sent-again-s.Unacked, 0)))
	}
	return quality.Counters{
		Sent: uint64(sent), Retransmitted: uint64(again), Spurious: uint64(min(max(s.Duplicates, 0), again)),
		Delivered: min(x.delivered, uint64(sent)), SRTT: max(s.SRTT, 0),
	}
}

// Close forgets the socket and closes it.
func (x *socket) Close() error {
	x.set.forget(x)
	return x.Conn.Close()
}

// NetConn is the connection underneath, for whoever looks for its counters or its descriptor.
func (x *socket) NetConn() net.Conn { return x.Conn }

// CloseWrite ends what is sent, where the connection can.
func (x *socket) CloseWrite() error {
	if w, ok := x.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// socketID names a connection that dial made, 0 any other.
func socketID(conn net.Conn) uint64 {
	if x, ok := conn.(*socket); ok {
		return x.id
	}
	return 0
}

// dial makes every connection of the client but those of the monitor's own probes. The monitor is told how it went, where
// it goes to the server itself: a proxy's handshake says nothing of the way behind it.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	id := c.socketNumber()
	if addr != dialing.Addr(c.ep.base) {
		conn, err := c.sockets.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c.sockets.add(conn, id), nil
	}
	exchange := quality.Sample{Kind: quality.KindBegin, ID: c.quality.NextID(), Source: quality.SourceHandshake, Fresh: true}
	c.observe(exchange)
	conn, took, err := dialing.Timed(ctx, c.sockets.dial, network, addr)
	switch {
	case err == nil:
		exchange.Kind, exchange.RTT, exchange.Fresh = quality.KindRoundTrip, took, false
	case errors.Is(ctx.Err(), context.Canceled): // another one was quicker, or nobody wants it any more
		exchange.Kind = quality.KindEnd
	case planted == bugQuietDials && quality.CauseOf(err) == quality.CauseTimeout:
		exchange.Kind = quality.KindEnd
	default:
		exchange.Kind, exchange.Cause = quality.KindFailure, quality.CauseOf(err)
	}
	c.observe(exchange)
	if err != nil {
		return nil, err
	}
	return c.sockets.add(conn, id), nil
}

// socketNumber names a new connection.
func (c *Client) socketNumber() uint64 {
	if planted == bugOneSocket {
		return 1
	}
	return c.quality.NextID()
}
