package chatsdk

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
	"github.com/chatsdk/chatsdk/internal/linkwatch"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// QualityOptions say how the network is measured. The zero value works.
type QualityOptions struct {
	// PingURL is asked where nothing else tells how the network is; see quality.Options.PingURL. Defaults to the server's
	// /api/health/ping.
	PingURL string
	// PingInterval is how long nothing may be heard before the server is asked. Defaults to 0, the profile's own: see
	// quality.Effort.
	PingInterval time.Duration
	// Links tells what the operating system says of the network; see quality.Options.Links. Defaults to the system's own
	// notices, which make the client call NetworkChanged by itself, and to none where Options.DialContext is set, since
	// whoever gives a dialer has chosen the route, or where the server is on this machine.
	Links func(ctx context.Context, on func(up, changed bool)) error
	// MeasureOnly leaves the client's parts to their own devices: the network is measured, and nothing is done about it.
	// Otherwise calls, refreshes and uploads wait while there is no way out, everybody tries at once when there is one
	// again, and time-outs on paths that are new and the first chunk of an upload follow what was measured.
	MeasureOnly bool
}

// spareTime is how much later than the connection the monitor asks by itself: the connection's own pings are as good.
const spareTime = 250 * time.Millisecond

// effortOf is the effort of knowing the network that goes with one of keeping the connection.
func effortOf(p realtime.Profile) quality.Effort {
	if p == realtime.Background {
		return quality.Background.Effort()
	}
	e := quality.Foreground.Effort()
	e.ProbeInterval += spareTime
	return e
}

// openQuality makes the monitor. Once started it sends nothing before Connect.
func (c *Client) openQuality() (err error) {
	o := c.opts
	q := quality.Options{
		PingURL: o.Quality.PingURL, PingInterval: o.Quality.PingInterval, Effort: effortOf(o.Profile),
		TLSConfig: o.TLSConfig, Links: c.links(), Logger: c.log, Ping: c.pingByConnection, Sockets: c.sockets.tell,
	}
	if q.PingURL == "" {
		q.PingURL = c.ep.url("/api/health/ping")
		q.Header = o.keyHeader() // a server of somebody else isn't told
	}
	q.DialContext, q.Proxy = c.probeDial(c.sockets.dial), o.proxy
	spread := fnv.New64a() // by the device: clients of one server are apart, and each is the same again
	_, _ = spread.Write([]byte(c.device))
	q.Rand = rand.New(rand.NewPCG(spread.Sum64(), 0))
	if c.quality, err = quality.New(q); err != nil {
		return fmt.Errorf("measure the network: %w", err)
	}
	c.probing.monitor = c.quality
	c.probing.rest()
	return nil
}

// links tells the other parts, too, when the operating system says that the network is another one.
func (c *Client) links() func(ctx context.Context, on func(up, changed bool)) error {
	links := c.opts.Quality.Links
	if links == nil {
		if c.opts.proxy == nil || dialing.IsLoopback(c.ep.base.Hostname()) {
			return nil
		}
		links = systemLinks
	}
	return func(ctx context.Context, on func(up, changed bool)) error {
		return links(ctx, func(up, changed bool) {
			on(up, changed)
			if up && changed && !c.opts.Quality.MeasureOnly {
				c.moved()
			}
		})
	}
}

func systemLinks(ctx context.Context, on func(up, changed bool)) error {
	return linkwatch.Watch(ctx, linkwatch.Options{}, func(e linkwatch.Event) { on(e.Up, e.Changed) })
}

// Quality says how good the network is: level, reach, round trips, loss, and how sure that is. Watch tells of changes.
// It is measured by what the client sends and receives anyway, and by pings where that is nothing; while it is told to be
// disconnected it sends none, and what is known grows old.
func (c *Client) Quality() quality.Report { return c.quality.State() }
