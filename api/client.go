package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Client is the resilient HTTP client. It may be used concurrently. Make one with New and end it with Close.
type Client struct {
	opts   Options
	base   *url.URL // nil if there is none
	origin hostKey  // of base
	apiKey []string // header value, nil if there is none
	rt     http.RoundTripper
	own    *http.Transport // rt, if it is ours
	proof  evidence
	rng    *jitter
	http   *http.Client

	began  time.Time
	timed  bool // somebody hears of an answer's first byte
	bearer atomic.Pointer[bearer]
	wg     sync.WaitGroup
	ctx    context.Context // ends with Close
	stop   context.CancelFunc

	mu       sync.Mutex // guards what follows; never held over a wait or a callback
	closed   bool
	calls    uint64 // counts calls; orders who waits
	hosts    map[hostKey]*host
	last     *host         // that a call went to, nil if it is forgotten
	attempts attempt       // head of the ring of those under way, bodies that are read included
	network  chan struct{} // closed by NetworkChanged, nil while nobody waits for it
	alarms   *alarm        // those that no attempt has
	kept     int           // their number

	tell teller
}

var _ http.RoundTripper = (*Client)(nil)

// New makes a client. It starts nothing; end it with Close.
func New(opts Options) (*Client, error) {
	opts, base, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts: opts, base: base, rt: opts.Transport, rng: newJitter(opts.Rand), began: time.Now(),
		timed: opts.OnRoundTrip != nil || opts.OnAttempt != nil,
		hosts: map[hostKey]*host{}, tell: teller{to: opts.OnStateChange, log: opts.Logger},
	}
	if opts.Token != nil {
		c.opts.Token = &patient{opts.Token, opts.FailFast, opts.MaxRetryAfter, c.rng, opts.Logger}
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.attempts.next, c.attempts.prev = &c.attempts, &c.attempts
	if base != nil {
		c.origin = keyOf(base)
	}
	if opts.APIKey != "" {
		c.apiKey = []string{opts.APIKey}
	}
	if c.rt == nil {
		c.own = opts.ownTransport()
		c.rt = c.own
	}
	c.proof = evidenceOf(c.rt)
	c.http = &http.Client{Transport: c}
	return c, nil
}

// HTTP returns an http.Client whose requests go through c. Its Timeout is 0 and has to stay so: it would cover all
// attempts and the body.
func (c *Client) HTTP() *http.Client { return c.http }

// Close cancels the calls under way and the bodies that are read, and returns when the calls have returned: with
// ErrClosed, as do those that come later. It is safe to call more than once.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	var open []*attempt
	for a := c.attempts.next; a != &c.attempts; a = a.next {
		open = append(open, a)
	}
	c.mu.Unlock()
	c.stop()
	for _, a := range open {
		a.cutShort(ErrClosed)
	}
	c.wg.Wait()
	c.stopAlarms()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

// CloseIdleConnections serves http.Client's method of that name.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.rt.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// NetworkChanged tells the client that the device's network changed: as NetworkBack, and what was measured of the path is
// forgotten.
func (c *Client) NetworkChanged() {
	c.eachHost(func(h *host) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.path.forget()
	})
	c.NetworkBack()
}

// NetworkBack tells the client that there is a network again: idle connections are closed, since they may have died in the
// outage, open circuits let a call through at once, and calls whose wait only gave the path time go on within 500 ms.
func (c *Client) NetworkBack() {
	if planted == bugBackForgets {
		c.eachHost(func(h *host) { h.path.forget() })
	}
	c.CloseIdleConnections()
	c.mu.Lock()
	if c.network != nil && planted != bugChangeUnheard {
		close(c.network)
		c.network = nil
	}
	c.mu.Unlock()
	c.eachHost(func(h *host) { c.hint(h, "the network is back") })
}

// ServerUp tells the client that BaseURL's server was just seen to work, as by a connection of another kind: an open
// circuit lets a call through at once.
func (c *Client) ServerUp() {
	if c.base != nil {
		c.hint(c.hostOf(c.origin), "server was seen up")
	}
}

// ObserveRTT takes a round trip to BaseURL's server that was measured elsewhere, without the server's own time in it:
// timeouts follow.
func (c *Client) ObserveRTT(rtt time.Duration) {
	if c.base == nil || rtt <= 0 {
		return
	}
	h := c.hostOf(c.origin)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.path.observe(time.Now(), rtt)
}

// Hosts returns the state of every host that is remembered, in no order.
func (c *Client) Hosts() []HostState {
	var out []HostState
	now := time.Now()
	c.eachHost(func(h *host) { out = append(out, h.state(now)) })
	return out
}

// Format names the type only, whatever the verb: no %+v may show the key.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "api.Client") }

func (c *Client) eachHost(f func(*host)) {
	c.mu.Lock()
	all := make([]*host, 0, len(c.hosts))
	for _, h := range c.hosts {
		all = append(all, h)
	}
	c.mu.Unlock()
	for _, h := range all {
		f(h)
	}
}

// hint moves an open circuit to half-open.
func (c *Client) hint(h *host, reason string) {
	h.mu.Lock()
	moved := h.breaker.hint()
	if moved {
		c.tell.add(h.changeLocked(Open, reason))
		h.wakeLocked()
	}
	h.mu.Unlock()
	c.tell.deliver()
}

// now is the time by the clock that only goes on: one look less than at the wall's too, and each is felt in a call.
func (c *Client) now() time.Time { return c.began.Add(time.Since(c.began)) }

// begin counts a call to u's host in, unless the client is closed.
func (c *Client) begin(u *url.URL) (h *host, order uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, 0, false
	}
	c.wg.Add(1)
	c.calls++
	if h = c.last; h != nil && h.written == u.Host && h.key.scheme == u.Scheme { // as nearly always
		h.used = c.calls
		return h, c.calls, true
	}
	h = c.hostLocked(keyOf(u))
	h.written, c.last = u.Host, h
	return h, c.calls, true
}

func (c *Client) hostOf(k hostKey) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hostLocked(k)
}

// hostLocked finds a host, or makes it, forgetting the one that was used least recently and has nothing going on.
func (c *Client) hostLocked(k hostKey) *host {
	h := c.hosts[k]
	if h == nil {
		if len(c.hosts) >= c.opts.MaxHosts {
			c.forgetLocked()
		}
		h = &host{key: k, breaker: breaker{o: &c.opts.Breaker, rng: c.rng}}
		c.hosts[k] = h
	}
	h.used = c.calls
	return h
}

// forgetLocked forgets one host. One that the server's word or its faults hold back is kept as long as there is another.
func (c *Client) forgetLocked() {
	now := time.Now()
	var oldest, oldestIdle *host
	for _, h := range c.hosts {
		h.mu.Lock()
		idle := h.idleLocked(now)
		h.mu.Unlock()
		if oldest == nil || h.used < oldest.used {
			oldest = h
		}
		if idle && (oldestIdle == nil || h.used < oldestIdle.used) {
			oldestIdle = h
		}
	}
	if oldestIdle != nil {
		oldest = oldestIdle
	}
	delete(c.hosts, oldest.key)
	if c.last == oldest {
		c.last = nil
	}
}

// bearer is a token as a header's value, made once for each token.
type bearer struct {
	token  string
	header []string
}

func (c *Client) bearerOf(token string) []string {
	if b := c.bearer.Load(); b != nil && b.token == token {
		return b.header
	}
	b := &bearer{token, []string{"Bearer " + token}}
	c.bearer.Store(b)
	return b.header
}

// wait sleeps for d. It returns early with the error of who ended it, or because early is closed.
func (c *Client) wait(ctx context.Context, d time.Duration, early <-chan struct{}) (woken bool, _ error) {
	if d <= 0 {
		return false, ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false, nil
	case <-early:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-c.ctx.Done():
		return false, ErrClosed
	}
}

// networkEnd is closed by the next NetworkChanged.
func (c *Client) networkEnd() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.network == nil {
		c.network = make(chan struct{})
	}
	return c.network
}

// endedBy says whether the Client or the caller's context ended, or nil.
func (c *Client) endedBy(ctx context.Context) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	return ctx.Err()
}
