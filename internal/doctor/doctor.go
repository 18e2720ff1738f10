// Package doctor looks at everything between a client and its server, and at the client's folder, and says of each thing
// what works, what doesn't, and what a person can do.
//
// It mends nothing: a session is looked at and not renewed, a profile that isn't there isn't made. But a profile is held
// while it is looked at, and one of an older version brought forward, as by whatever opens it; and a block is written into
// its folder and removed. Nothing secret goes to anybody who hasn't proved to be the server, as far as http:// allows a proof, and no
// secret is in what it says.
package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
	"github.com/chatsdk/chatsdk/profile"
)

const (
	// stepTimeout bounds each check: longer than three SYNs of TCP take (0, 1 and 3 s), and what a person waits for.
	stepTimeout = 5 * time.Second
	// totalTimeout bounds all of them: four that follow on each other, each at its bound.
	totalTimeout = 20 * time.Second
)

// Resolver finds the addresses of a name. A *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options say what to look at. The zero value of all but Server and Profile works; without both nothing is looked at.
type Options struct {
	// Server is the server's address, http or https, without user or password. Nil means that of the profile.
	Server *url.URL
	// Profile is the client's folder, or "" for none.
	Profile string
	// API is the version of the server's API that the program speaks. 0 leaves it uncompared.
	API int

	// Resolver looks names up. Defaults to net.DefaultResolver.
	Resolver Resolver
	// DialContext makes every connection. Defaults to that of a net.Dialer. But for those to a proxy it gets addresses,
	// never names.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy says through which proxy an HTTP call goes, as that of http.Transport. Nil means none. The client's WebSocket
	// goes through none.
	Proxy func(*http.Request) (*url.URL, error)
	// RootCAs are the authorities to trust. Nil means the system's.
	RootCAs *x509.CertPool

	// Step bounds each check, Total all of them. Default to 5s and 20s.
	Step, Total time.Duration
	// Tell is told each check in order, as soon as it and those before it are done. It is called by the goroutine of Run.
	// Nil means nobody.
	Tell func(Check)

	open func(dir string) (*profile.Profile, error) // profile.Open; tests hang it
}

func (o Options) withDefaults() Options {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.Step <= 0 {
		o.Step = stepTimeout
	}
	if o.Total <= 0 {
		o.Total = totalTimeout
	}
	if o.Tell == nil {
		o.Tell = func(Check) {}
	}
	if o.open == nil {
		o.open = profile.Open
	}
	return o
}

// run is one examination. Its fields are written by one check and read by later ones.
type run struct {
	Options
	caller context.Context // of Run
	done   chan Check

	host, port string
	addrs      []netip.Addr    // dns
	addr       string          // tcp: host:port of an address that answers
	doubtful   bool            // tls: whoever answered may not be the server
	via        *url.URL        // proxy, or nil
	web        *http.Client    // what HTTP calls go through, from proxy on
	wire       *http.Transport // of web, or nil
	ping       ping            // portal
	home       home            // disk
}

// Run looks at everything, side by side where one thing doesn't need another, and returns after Options.Total at the
// latest. The end of ctx ends it early: what wasn't looked at is then skipped. A disk that doesn't answer is left behind
// with its goroutine, since a system call can't be taken back.
func Run(ctx context.Context, o Options) Report {
	r := &run{Options: o.withDefaults(), caller: ctx, done: make(chan Check, len(order))}
	ctx, cancel := context.WithTimeout(ctx, r.Total)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() { r.examine(ctx) })
	found := map[Name]Check{}
	report := Report{Profile: r.Profile, Checks: make([]Check, 0, len(order))}
	for len(report.Checks) < len(order) {
		c := <-r.done
		found[c.Name] = c
		for len(report.Checks) < len(order) {
			next, ok := found[order[len(report.Checks)]]
			if !ok {
				break
			}
			report.Checks = append(report.Checks, next)
			r.Tell(next)
		}
	}
	parts.Wait()
	if r.Server != nil {
		report.Server = r.Server.String()
	}
	return report
}

// examine makes all checks, each once.
func (r *run) examine(ctx context.Context) {
	disk := make(chan Check, 1)
	look := func() { disk <- r.step(ctx, Disk, r.disk) }
	var beside sync.WaitGroup
	defer beside.Wait()
	if r.Server != nil {
		beside.Go(look)
	} else { // the profile says which server
		look()
		r.Server = r.home.server
	}
	defer r.hangUp()
	portal := r.network(ctx)
	<-disk
	r.step(ctx, Session, func(ctx context.Context) Check { return r.session(ctx, portal) })
}

// network makes the checks that need a server, and returns that of the portal.
func (r *run) network(ctx context.Context) (portal Check) {
	var server []Check // what all of them need
	if r.Server == nil {
		server = []Check{{Outcome: Skipped, Seen: "no server is known; give --server"}}
	} else {
		r.host, r.port = dialing.HostPort(r.Server)
	}
	dns := r.step(ctx, DNS, r.dns, server...)
	tcp := r.step(ctx, TCP, r.tcp, dns)
	tls := r.step(ctx, TLS, r.tls, tcp)
	proxy := r.step(ctx, Proxy, r.proxy, server...)
	switch {
	case r.via != nil: // whoever can't be reached directly may be through it
		portal = r.step(ctx, Portal, r.portal, proxy)
	case r.doubtful:
		portal = r.step(ctx, Portal, func(ctx context.Context) Check { return r.plainPortal(ctx, tls) })
	default:
		portal = r.step(ctx, Portal, r.portal, tls)
	}
	var beside sync.WaitGroup
	beside.Go(func() { r.step(ctx, Server, r.ready, portal) })
	beside.Go(func() { r.step(ctx, Clock, r.clock, portal) })
	if r.via != nil {
		r.step(ctx, WebSocket, r.webSocket, tls)
	} else {
		r.step(ctx, WebSocket, r.webSocket, tls, portal)
	}
	beside.Wait()
	return portal
}

// step makes one check, unless one that it needs failed or time is up, and tells it.
func (r *run) step(ctx context.Context, name Name, look func(context.Context) Check, needs ...Check) Check {
	begun := time.Now()
	c := r.try(ctx, look, needs)
	c.Name, c.TookMS = name, ms(time.Since(begun))
	r.done <- c
	return c
}

func (r *run) try(ctx context.Context, look func(context.Context) Check, needs []Check) Check {
	for _, n := range needs {
		switch {
		case n.Outcome == Failed:
			return n.skips()
		case n.Outcome == Skipped && n.because != "":
			return Check{Outcome: Skipped, Seen: n.Seen, because: n.because}
		case n.Outcome == Skipped:
			return skip("%s", n.Seen)
		}
	}
	if c, over := r.over(ctx); over {
		return c
	}
	step, cancel := context.WithTimeout(ctx, r.Step)
	defer cancel()
	c := look(step)
	if r.caller.Err() != nil { // what it says comes of that
		c, _ = r.over(ctx)
	}
	return c
}

// over says whether there is no more time, and what that makes of a check.
func (r *run) over(ctx context.Context) (Check, bool) {
	switch {
	case r.caller.Err() != nil:
		return skip("stopped"), true
	case ctx.Err() != nil:
		return skip("not looked at within %v", r.Total), true
	}
	return Check{}, false
}

// skips is what becomes of a check that needs c, which failed.
func (c Check) skips() Check {
	s := skip("not looked at, since %s failed", c.Name)
	s.because = c.Name
	return s
}

// timedOut says whether an error is the end of a time limit.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
