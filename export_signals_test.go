package chatsdk

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// Planted mistakes of what the monitor is told, for tests.
const (
	OneSocket  = bugOneSocket
	QuietDials = bugQuietDials
	FreshCalls = bugFreshCalls
)

// QualityStats are the monitor's counts.
func (c *Client) QualityStats() quality.Stats { return c.quality.Stats() }

// OnExchange gives the client an exchange, as its connection does.
func (c *Client) OnExchange(x realtime.Exchange) { c.onExchange(x) }

// Dial makes a connection as the client's parts do; "" is the server's address.
func (c *Client) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return c.dial(ctx, "tcp", cmp.Or(addr, dialing.Addr(c.ep.base)))
}

// PeerRow is something that came over the connection with a number, and what is known of the server.
type PeerRow struct {
	Socket          uint64
	Frames, Bytes   uint64
	After           time.Duration // since the row before
	Unable, Refused bool
	Thrifty         bool
}

// PeerAsks says after which rows the server is asked for its counters.
func PeerAsks(rows []PeerRow) (asks []bool) {
	p := peer{ask: make(chan uint64, 1)}
	now := time.Now()
	for _, r := range rows {
		p.connected(map[bool][]string{false: {"message.send", "net.stats"}}[r.Unable])
		if r.Refused {
			p.refused.Store(r.Socket)
		}
		now = now.Add(r.After)
		p.heard(realtime.Exchange{
			Kind: realtime.ExchangeHeard, Conn: &socket{id: r.Socket}, At: now, Frames: r.Frames, Received: r.Bytes,
		}, map[bool]realtime.Profile{true: realtime.Background}[r.Thrifty])
		asks = append(asks, len(p.ask) == 1)
		if len(p.ask) == 1 {
			<-p.ask
		}
	}
	return asks
}

// LiveSockets is how many connections are open whose counters are read.
func (c *Client) LiveSockets() int {
	c.sockets.mu.Lock()
	defer c.sockets.mu.Unlock()
	return len(c.sockets.live)
}

// Sockets stands for those of a client.
type Sockets struct{ s sockets }

// Add takes a connection.
func (s *Sockets) Add(conn net.Conn, id uint64) net.Conn { return s.s.add(conn, id) }

// Counters are what is told of all.
func (s *Sockets) Counters() map[uint64]quality.Counters {
	all := map[uint64]quality.Counters{}
	s.s.tell(func(id uint64, c quality.Counters) { all[id] = c })
	return all
}
