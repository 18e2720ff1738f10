package faultnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const (
	// DefaultControlVersion is the version that GET /version tells: the Toxiproxy whose API this is.
	DefaultControlVersion = "2.9.0"
	// defaultMaxBody bounds a request body: some thousand proxies for /populate.
	defaultMaxBody = 1 << 20
	// defaultMaxProxies bounds the proxies, each of which costs a port.
	defaultMaxProxies = 1024
	// maxToxics bounds the toxics of one proxy, all of which every change looks at.
	maxToxics = 128
	// maxNameLen bounds names of proxies and toxics.
	maxNameLen = 256
)

// ControlOptions configures a Control.
type ControlOptions struct {
	// Seed seeds the links of the proxies that are created through the API. Any value will do.
	Seed uint64
	// Version is what GET /version tells. Defaults to DefaultControlVersion, which clients take for Toxiproxy's.
	Version string
	// Logger gets what goes wrong, also for the proxies that are created. Defaults to no logging.
	Logger *slog.Logger
	// MaxBody bounds a request body in bytes. Defaults to 1 MiB.
	MaxBody int64
	// MaxProxies bounds the number of proxies. Defaults to 1024.
	MaxProxies int
}

// Control is an http.Handler that speaks Toxiproxy's HTTP API over a set of proxies. Beside Toxiproxy's toxics it knows
// down, stall, loss {"loss": 0..1} and strand, which have a stream, and hang, unreachable and refused, which concern
// both. Strand is done once, when it is added, to the connections that live then; removing it brings nothing back.
//
// The types of HTTPKind are toxics too. Their toxicity is the share of the requests, not of the connections; the
// attributes method, path and limit choose the requests, and the answer tells in injected how many met the toxic. Further
// attributes: http_status {"status", "headers", "body", "retry_after" in s, "retry_after_date", "upgrades"},
// http_token_expired {"upgrades"}, http_captive_portal {"status", "location", "upgrades"}, http_request_lost and http_reply_lost {"hang"}, http_slow_body {"bytes_per_second"},
// http_cut_body {"bytes"}, http_date {"skew" in s}.
//
// Anyone who reaches it can open ports on this machine: serve it on a loopback address. Requests of browsers are
// refused, as Toxiproxy does, so that a web page can't use it. It may be used concurrently.
type Control struct {
	opts   ControlOptions
	logger *slog.Logger
	mux    *http.ServeMux

	gate chan struct{} // 1-slot lock: changes of the set of proxies are made one at a time

	mu      sync.Mutex // guards all below
	proxies map[string]*Proxy
	closed  bool
}

// NewControl makes a control API without proxies.
func NewControl(opts ControlOptions) *Control {
	opts.Version = cmp.Or(opts.Version, DefaultControlVersion)
	if opts.MaxBody <= 0 {
		opts.MaxBody = defaultMaxBody
	}
	if opts.MaxProxies <= 0 {
		opts.MaxProxies = defaultMaxProxies
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Control{
		opts: opts, logger: opts.Logger,
		mux:     http.NewServeMux(),
		gate:    make(chan struct{}, 1),
		proxies: make(map[string]*Proxy),
	}
	c.route()
	return c
}

// Add puts a proxy under control, which Close then closes. It fails if its name is taken.
func (c *Control) Add(p *Proxy) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("faultnet: add proxy: %w", http.ErrServerClosed)
	case c.proxies[p.name] != nil:
		return errProxyExists
	case len(c.proxies) >= c.opts.MaxProxies:
		return &apiError{fmt.Sprintf("too many proxies, at most %d", c.opts.MaxProxies), http.StatusTooManyRequests}
	}
	c.proxies[p.name] = p
	return nil
}

// Proxy returns a proxy by name, or nil.
func (c *Control) Proxy(name string) *Proxy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proxies[name]
}

// Close closes all proxies under control and waits for them. It is idempotent; later requests that would open a proxy
// fail.
func (c *Control) Close() error {
	c.gate <- struct{}{}
	defer func() { <-c.gate }()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	var errs []error
	for _, p := range c.list() {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// ServeHTTP answers one request of the API.
func (c *Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" || strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		writeError(w, &apiError{"User agent not allowed", http.StatusForbidden})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, c.opts.MaxBody)
	c.mux.ServeHTTP(w, r)
}

// route binds the routes. Those that change the set of proxies wait for each other.
func (c *Control) route() {
	read := func(pattern string, f func(*http.Request) (int, any, error)) {
		c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			status, body, err := f(r)
			c.answer(w, status, body, err)
		})
	}
	write := func(pattern string, f func(*http.Request) (int, any, error)) {
		read(pattern, func(r *http.Request) (int, any, error) {
			if err := c.lock(r.Context()); err != nil {
				return 0, nil, err
			}
			defer func() { <-c.gate }()
			return f(r)
		})
	}
	read("GET /version", c.getVersion)
	read("GET /proxies", c.getProxies)
	write("POST /proxies", c.createProxy)
	write("POST /populate", c.populate)
	write("POST /reset", c.reset)
	read("GET /proxies/{proxy}", c.getProxy)
	write("POST /proxies/{proxy}", c.updateProxy)
	write("PATCH /proxies/{proxy}", c.updateProxy)
	write("DELETE /proxies/{proxy}", c.deleteProxy)
	read("GET /proxies/{proxy}/toxics", c.getToxics)
	write("POST /proxies/{proxy}/toxics", c.createToxic)
	read("GET /proxies/{proxy}/toxics/{toxic}", c.getToxic)
	write("POST /proxies/{proxy}/toxics/{toxic}", c.updateToxic)
	write("PATCH /proxies/{proxy}/toxics/{toxic}", c.updateToxic)
	write("DELETE /proxies/{proxy}/toxics/{toxic}", c.deleteToxic)
}

// lock takes the gate.
func (c *Control) lock(ctx context.Context) error {
	select {
	case c.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// list returns the proxies by name.
func (c *Control) list() []*Proxy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.proxies), func(a, b *Proxy) int { return strings.Compare(a.name, b.name) })
}

func (c *Control) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.proxies, name)
}

// find returns the proxy that a request names.
func (c *Control) find(r *http.Request) (*Proxy, error) {
	if p := c.Proxy(r.PathValue("proxy")); p != nil {
		return p, nil
	}
	return nil, errProxyNotFound
}

func (c *Control) getVersion(*http.Request) (int, any, error) {
	return http.StatusOK, map[string]string{"version": c.opts.Version}, nil
}

// reset starts every proxy and removes every toxic. Conditions that were set on the links otherwise stay.
func (c *Control) reset(*http.Request) (int, any, error) {
	for _, p := range c.list() {
		if err := p.Start(); err != nil {
			return 0, nil, err
		}
		_ = p.link.changeToxics(func([]*toxic) ([]*toxic, error) { return nil, nil })
	}
	return http.StatusNoContent, nil, nil
}
