package chatsdk

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// loop is what the client does about what the monitor knows. QualityOptions.MeasureOnly leaves it open: then nothing of it
// runs, and everybody goes by what they find out by themselves.
type loop struct {
	gate gate
	way  chan struct{} // 1-buffered: the server is reached again

	back  time.Time                 // when everybody was last told to try at once; of followQuality's goroutine
	moved atomic.Pointer[time.Time] // when the network was last told to be another one; nil if it never was
}

// sameReturn is how long after everybody was told to try at once further news are of the same return: a new connection comes
// before the server's first answer on it, and what was begun anew mustn't be given up again for that.
const sameReturn = 2 * time.Second

func (l *loop) init() {
	l.gate.init()
	l.way = make(chan struct{}, 1)
}

// closed says whether what is measured has an effect.
func (c *Client) loopClosed() bool { return !c.opts.Quality.MeasureOnly }

// watchQuality is what followQuality follows. Tests have it be wrong.
var watchQuality = func(c *Client) <-chan quality.Change { return c.quality.Follow(c.ctx) }

// followQuality tells everybody of the way that came or went, in order, from the one goroutine of the loop.
func (c *Client) followQuality() {
	changes := watchQuality(c)
	open := true
	for {
		select {
		case change, ok := <-changes:
			if !ok {
				return
			}
			c.loop.gate.setAway(change.Reach == quality.ReachOffline)
			c.followEdge(change)
		case <-c.loop.gate.news:
		}
		if now := c.loop.gate.Online(); now != open {
			if open = now; open {
				c.wayBack()
			} else {
				c.wayLost()
			}
		}
	}
}

// probeDial is the monitor's dial: one that gets through in an outage tells the connection at once, a round trip before the
// server's answer makes an edge of it.
func (c *Client) probeDial(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		away := !c.loop.gate.Online()
		conn, err := dial(ctx, network, addr)
		if err == nil && away && c.loopClosed() {
			c.rt.PathBack()
		}
		return conn, err
	}
}

// followEdge acts on what the gate doesn't tell.
func (c *Client) followEdge(change quality.Change) {
	switch change.Edge() {
	case quality.EdgeOnline:
		switch change.FromReach {
		case quality.ReachCaptive, quality.ReachServerDown: // the gate was open
			if time.Since(c.loop.back) > sameReturn {
				c.wayBack()
			}
		case quality.ReachUnknown: // nothing is known to have died
			c.tokens.NetworkChanged()
			c.uploadsBack()
		case quality.ReachOffline, quality.ReachOnline: // the gate tells
		}
		if planted == bugEdgeKicksLive || planted == bugOfflineDisconnects {
			c.rt.Disconnect()
			c.rt.Connect()
		}
		c.rt.PathBack()
		poke(c.loop.way)
	case quality.EdgeOffline:
		if planted == bugOfflineDisconnects {
			c.rt.Disconnect()
			return
		}
		c.rt.PathLost()
	case quality.EdgeNone:
	}
}

// wayBack lets everybody but the connection, which hears of edges, try at once: what they wait for is over.
func (c *Client) wayBack() {
	c.loop.back = time.Now()
	c.ep.api.NetworkBack()
	c.ep.auth.NetworkBack()
	c.back()
}

// wayLost keeps everybody from trying: it would be for nothing, and the monitor finds the end. The connection goes on by
// itself.
func (c *Client) wayLost() {
	c.setHTTP(false)
	c.uploadsAway()
}

// back gives up what may have died in an outage without a word, and has the session and the uploads try at once.
func (c *Client) back() {
	c.http.CloseIdleConnections()
	c.tokens.NetworkChanged()
	c.uploadsBack()
}

// knownAdvice is the monitor's, if it has measured the network that the client is in now.
func (c *Client) knownAdvice() (a quality.Advice, ok bool) {
	if !c.loopClosed() {
		return a, false
	}
	a = c.quality.Advice()
	moved := c.loop.moved.Load()
	return a, a.Known && (moved == nil || c.quality.State().At.After(*moved) || planted == bugOldAdvice)
}

// answerTime is how long an answer may take on an open connection, 0 if nothing is known. The API goes by it while it has
// no measure of its own.
func (c *Client) answerTime() time.Duration {
	a, ok := c.knownAdvice()
	if !ok {
		return 0
	}
	return a.Attempt
}

// dialTime is how long a new connection and its first answer may take, 0 if nothing is known. The connection goes by it
// until it has an answer of its own.
func (c *Client) dialTime() time.Duration {
	a, ok := c.knownAdvice()
	if !ok {
		return 0
	}
	return a.Handshake
}

// firstChunk is how many bytes take some 2 s on the way up, 0 if transfers told nothing yet. Uploads go by it until they
// have measured a rate.
func (c *Client) firstChunk() int64 {
	if a, ok := c.knownAdvice(); ok && c.quality.State().Goodput.Up > 0 {
		return a.ChunkUp
	}
	return 0
}

// httpKnown says whether HTTP works, if the monitor has asked since the connection was lost, and no longer ago than tryHTTP
// itself would have: then nobody else has to, until the word is as old as that. It hasn't where it asks another address
// than this server's; and that there is a portal, or no server, is asked again: that ends without a word.
func (c *Client) httpKnown() (works, known bool, age time.Duration) {
	if !c.loopClosed() || c.opts.Quality.PingURL != "" {
		return false, false, 0
	}
	q := c.quality.State()
	heard := q.At.Add(-q.Age)
	age = time.Since(heard)
	if q.Reach != quality.ReachOnline && q.Reach != quality.ReachOffline || age >= httpEvery || !heard.After(c.rt.State().Since) && planted != bugStaleWay {
		return false, false, 0
	}
	return q.Reach == quality.ReachOnline, true, age
}
