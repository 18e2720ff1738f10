package chatsdk

import (
	"context"
	"net"

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

// Dial makes a connection as the client's parts do.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) { return c.dial(ctx, "tcp", c.ep.addr()) }

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
