package chatsdk

import (
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// loop is what the client does about what the monitor knows. QualityOptions.MeasureOnly leaves it open: then nothing of it
// runs, and everybody goes by what they find out by themselves.
type loop struct {
	gate gate
	way  chan struct{} // 1-buffered: the server is reached again

	back  time.Time                 // when everybody was last told to try at once; of followQuality's goroutine, as what follows
	since time.Time                 // when the reach became what it is
	rand  *rand.Rand                // when to try a server that is back
	later <-chan time.Time          // then; nil if that isn't to come
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
	c.loop.since = time.Now()
	for {
		select {
		case <-c.loop.later:
			c.loop.later = nil
			c.tryServer()
			c.tellPathBack()
		case change, ok := <-changes:
			if !ok {
				return
			}
			c.loop.gate.setAway(change.Reach == quality.ReachOffline && c.asksServer())
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
	if change.Reach == change.FromReach {
		return
	}
	lasted := time.Since(c.loop.since)
	c.loop.since, c.loop.later = time.Now(), nil
	switch change.Edge() {
	case quality.EdgeOnline:
		c.followReturn(change.FromReach, lasted)
	case quality.EdgeOffline:
		if planted == bugOfflineDisconnects {
			c.rt.Disconnect()
			return
		}
		c.rt.PathLost()
	case quality.EdgeNone:
	}
}

// followReturn acts on the server being reached, after what was there instead and how long that lasted.
func (c *Client) followReturn(from quality.Reach, lasted time.Duration) {
	switch from {
	case quality.ReachServerDown: // the gate was open
		// At the end of an outage the server's machine answers a round trip before the server: that isn't one that was down.
		if lasted > sameReturn && planted != bugHerd {
			c.loop.later = time.After(c.turn(lasted))
			return
		}
		c.tryServer()
	case quality.ReachCaptive: // and here
		c.tryServer()
	case quality.ReachUnknown: // nothing is known to have died
		c.tokens.NetworkChanged()
		c.uploadsBack()
	case quality.ReachOffline, quality.ReachOnline: // the gate tells
	}
	if planted == bugEdgeKicksLive || planted == bugOfflineDisconnects {
		c.rt.Disconnect()
		c.rt.Connect()
	}
	c.tellPathBack()
}

// Clients of a server that was down try it again within the spread of their profile, or within a time that is the longer the
// longer it was down: they all see it come back, and it has to take all of them.
const (
	mostTurn  = 30 * time.Second
	turnShare = 20
)

// turn draws when to try a server that is back and was down for a time.
func (c *Client) turn(down time.Duration) time.Duration {
	within := min(max(c.profile().Effort().Spread, down/turnShare), mostTurn)
	return time.Duration(c.loop.rand.Int64N(int64(within)))
}

// tryServer has everybody but the connection try at once, unless they were just told to.
func (c *Client) tryServer() {
	if time.Since(c.loop.back) > sameReturn {
		c.wayBack()
	}
}

// tellPathBack tells the connection, and whatever looks for a way by HTTP.
func (c *Client) tellPathBack() {
	c.rt.PathBack()
	poke(c.loop.way)
}

// asksServer says whether what the monitor asks is the server itself: nothing is held back because something else isn't
// reached.
func (c *Client) asksServer() bool {
	ping := c.opts.Quality.PingURL
	if ping == "" {
		return true
	}
	u, err := url.Parse(ping)
	return err == nil && u.Host == c.ep.base.Host
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

// knownAdvice is the monitor's, if it has measured the network that the client is in now, and else all zero.
func (c *Client) knownAdvice() quality.Advice {
	if !c.loopClosed() {
		return quality.Advice{}
	}
	a, moved := c.quality.Advice(), c.loop.moved.Load()
	if a.Known && (moved == nil || c.quality.State().At.After(*moved) || planted == bugOldAdvice) {
		return a
	}
	return quality.Advice{}
}

// answerTime is how long an answer may take on an open connection, 0 if nothing is known. The API goes by it while it has
// no measure of its own.
func (c *Client) answerTime() time.Duration { return c.knownAdvice().Attempt }

// dialTime is how long a new connection and its first answer may take, 0 if nothing is known. The connection goes by it
// until it has an answer of its own.
func (c *Client) dialTime() time.Duration { return c.knownAdvice().Handshake }

// firstChunk is how many bytes take some 2 s on the way up, 0 if transfers told nothing yet. Uploads go by it until they
// have measured a rate.
func (c *Client) firstChunk() int64 {
	if c.quality.State().Goodput.Up > 0 {
		return c.knownAdvice().ChunkUp
	}
	return 0
}

// httpKnown says whether HTTP works, if the monitor has asked since the connection was lost, and no longer ago than tryHTTP
// itself would have: then nobody else has to, until the word is as old as that. It hasn't where it asks another address
// than this server's; and that there is a portal, or no server, is asked again: that ends without a word.
func (c *Client) httpKnown() (works, known bool, age time.Duration) {
	if !c.loopClosed() || !c.asksServer() {
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
