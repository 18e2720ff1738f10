package chatsdk

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

const (
	// peerFrames and peerBytes are what has to come down until the server's counters are worth asking for: the answer is a
	// frame, too.
	peerFrames, peerBytes = 20, 32 << 10
	// peerEvery and peerEveryThrifty are the least time between two questions, in the foreground and in the background.
	peerEvery, peerEveryThrifty = 2 * time.Second, 30 * time.Second
	// peerTimeout bounds one question.
	peerTimeout = 5 * time.Second
	// peerCapability is what a server says that answers them.
	peerCapability = "net.stats"
)

// peer asks the server what it counts of the connection: our own counters see nothing of what is lost on the way down.
type peer struct {
	allowed atomic.Bool   // the server of the present connection can tell
	socket  atomic.Uint64 // of the present connection
	refused atomic.Uint64 // the socket that nobody counts for
	ask     chan uint64   // 1-buffered: the socket to ask about

	// Of realtime's inner goroutine: what had come when it was asked last, and when that was.
	frames, bytes uint64
	asked         time.Time
}

// connected takes what the server says of itself.
func (p *peer) connected(capabilities []string) {
	p.allowed.Store(slices.Contains(capabilities, peerCapability))
}

// heard takes what has come over the connection, and has the server asked if that is worth it.
func (p *peer) heard(x realtime.Exchange, profile realtime.Profile) {
	id := socketID(x.Conn)
	if p.socket.Swap(id) != id {
		p.frames, p.bytes, p.asked = x.Frames, x.Received, x.At
		return
	}
	if !p.allowed.Load() || p.refused.Load() == id || x.Frames-p.frames < peerFrames && x.Received-p.bytes < peerBytes {
		return
	}
	every := peerEvery
	if profile == realtime.Background {
		every = peerEveryThrifty
	}
	if x.At.Sub(p.asked) < every {
		return
	}
	p.frames, p.bytes, p.asked = x.Frames, x.Received, x.At
	select {
	case p.ask <- id:
	default: // the last answer is still waited for
	}
}

// followPeer asks the server.
func (c *Client) followPeer() {
	for {
		select {
		case id := <-c.peer.ask:
			c.askPeer(id)
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Client) askPeer(id uint64) {
	ctx, cancel := context.WithTimeout(c.ctx, peerTimeout)
	defer cancel()
	data, err := c.rt.RPC(ctx, wire.RPCNetStats, nil)
	if c.peer.socket.Load() != id {
		return // it may be another connection that was counted
	}
	refused, isRefused := errors.AsType[*realtime.RPCError](err)
	switch {
	case isRefused && !refused.Temporary:
		c.peer.refused.Store(id)
		return
	case err != nil:
		return // the next one will tell
	}
	var n wire.NetStats
	if json.Unmarshal(data, &n) != nil || n.Segments < 0 || n.Retransmitted < 0 || n.Duplicates < 0 {
		return
	}
	c.observe(quality.Sample{Kind: quality.KindPeer, Socket: id, Counters: quality.Counters{
		Sent: uint64(n.Segments), Retransmitted: uint64(n.Retransmitted), Spurious: uint64(n.Duplicates),
	}})
}
