package chatsdk

import (
	"context"
	"net"
	"sync"
)

// gate says whether there is a way out, as far as is known: what goes out by HTTP waits while there is none. It is closed
// only while the monitor says offline and looks for the way back, and nobody got through since. So it is open where nothing
// is known, behind a portal and without a server, where calls fail with what they get; and with a connection, whatever the
// monitor says.
type gate struct {
	mu      sync.Mutex // guards below
	away    bool       // the monitor says that there is no way out
	looking bool       // and probes until there is
	up      bool       // there is a connection
	through bool       // a dial got through since the monitor said so, or the connection was lost
	closed  bool       // what follows from these
	opens   chan struct{}

	news chan struct{} // 1-buffered: it opened or closed
}

func (g *gate) init() { g.opens, g.news = make(chan struct{}), make(chan struct{}, 1) }

// change changes what is known and wakes those who wait, if that opens the gate.
func (g *gate) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	closed := g.away && g.looking && !g.through && (!g.up || planted == bugGateOverConnection)
	if closed == g.closed {
		return
	}
	if g.closed = closed; !closed && planted != bugGateStays {
		close(g.opens)
		g.opens = make(chan struct{})
	}
	poke(g.news)
}

// setAway takes what the monitor says.
func (g *gate) setAway(away bool) {
	g.change(func() {
		if away != g.away {
			g.away, g.through = away, false
		}
	})
}

// setLooking says whether the monitor would see the way back.
func (g *gate) setLooking(looking bool) { g.change(func() { g.looking = looking }) }

// setUp says whether there is a connection.
func (g *gate) setUp(up bool) {
	g.change(func() {
		if g.up && !up {
			g.through = false // that was before
		}
		g.up = up
	})
}

// Online says whether something may be sent.
func (g *gate) Online() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.closed
}

// WaitOnline returns nil as soon as something may be sent, or ctx's error.
func (g *gate) WaitOnline(ctx context.Context) error {
	for {
		g.mu.Lock()
		closed, opens := g.closed, g.opens
		g.mu.Unlock()
		if !closed {
			return nil
		}
		select {
		case <-opens:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watching is dial that opens the gate as soon as it gets through, be it for a connection, a call or a probe.
func (g *gate) watching(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			g.change(func() { g.through = g.away })
		}
		return conn, err
	}
}
