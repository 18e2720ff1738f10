package api

import (
	"time"

	"github.com/chatsdk/chatsdk/internal/rto"
)

// estimate is a smoothed time and its variation, RFC 6298, section 2. The zero value knows nothing.
type estimate struct {
	mean, dev time.Duration
	known     bool
}

func (e *estimate) observe(d time.Duration) {
	d = max(d, 0)
	if !e.known {
		e.mean, e.dev = rto.First(d)
		e.known = true
		return
	}
	e.mean, e.dev = rto.Next(e.mean, e.dev, d)
}

// bound is what hardly any sample exceeds.
func (e *estimate) bound() time.Duration { return e.mean + 4*e.dev }

const (
	// unknownAnswer is the timeout for a host of which nothing is known, and nobody else knows anything.
	unknownAnswer = 10 * time.Second
	// unknownServer is taken for the server's time on a route before the first answer.
	unknownServer = time.Second
	// patience is how many attempts in a row have to go without an answer before the next ones get twice the time: one
	// lost request says little about the path's length, and in 30s there has to be room for 7 attempts of 2s.
	patience = 3
	// maxShift bounds the doublings.
	maxShift = 4
	// maxRoutes bounds the routes of a host that are measured apart.
	maxRoutes = 64
	// pureFor is how long a measure of the bare path keeps answers' times from being taken for one.
	pureFor = 10 * time.Minute
)

// path estimates how long a host's answers take: the round trip, and the server's own time on each route. For one
// goroutine at a time. The zero value knows nothing.
type path struct {
	rtt     estimate
	pure    time.Time // of the last measure of the bare path
	routes  map[string]*estimate
	last    *estimate // of routes, named latest; nil if there is none
	latest  string
	misses  int       // attempts in a row without an answer
	missed  time.Time // when the last that counted was noticed
	derived bool      // rtt comes from answers: the server's time is in it
}

// observe takes a measure of the bare path: a handshake, or somebody else's ping.
func (p *path) observe(now time.Time, rtt time.Duration) {
	if p.derived {
		p.rtt, p.derived = estimate{}, false
	}
	p.rtt.observe(rtt)
	p.pure = now
}

// answered takes the time from a request's last byte to the answer's first, and says what of it was the server's.
func (p *path) answered(now time.Time, route string, ttfb time.Duration) time.Duration {
	p.misses = 0
	if p.pure.IsZero() || now.Sub(p.pure) > pureFor {
		if !p.derived {
			p.rtt, p.derived = estimate{}, true
		}
		p.rtt.observe(ttfb)
	}
	server := max(ttfb-p.rtt.mean, 0)
	if e := p.route(route); e != nil {
		e.observe(server)
	}
	return server
}

// route finds a route's estimate; nil is one too many.
func (p *path) route(name string) *estimate {
	e := p.known(name)
	if e == nil && len(p.routes) < maxRoutes {
		if p.routes == nil {
			p.routes = map[string]*estimate{}
		}
		e = &estimate{}
		p.routes[name] = e
	}
	return e
}

// known is route for one that was measured; nil if it wasn't.
func (p *path) known(name string) *estimate {
	if p.last != nil && p.latest == name { // as nearly always
		return p.last
	}
	e := p.routes[name]
	if e != nil {
		p.last, p.latest = e, name
	}
	return e
}

// missed takes a censored sample: an attempt that began at start got no answer in time. Those that ran side by side
// count once.
func (p *path) miss(now, start time.Time) {
	if start.Before(p.missed) {
		return
	}
	p.misses++
	p.missed = now
}

// timeout is how long an attempt waits for an answer, before the Options' bounds. told is what somebody else knows of the
// path, or 0: it counts where nothing was measured here.
func (p *path) timeout(route string, told time.Duration) time.Duration {
	d := unknownAnswer
	if told > 0 && planted != bugTimeoutUntold {
		d = told
	}
	if p.rtt.known {
		server := unknownServer
		if e := p.known(route); e != nil && e.known {
			server = e.bound()
		}
		d = 3*p.rtt.bound() + server
	}
	return d
}

// shift doubles a timeout for each patience misses in a row (Karn: there are no samples to learn from meanwhile).
func (p *path) shift() int { return min(p.misses/patience, maxShift) }

// forget begins anew: the path is another one.
func (p *path) forget() { *p = path{} }
