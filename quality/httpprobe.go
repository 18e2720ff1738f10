package quality

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

const (
	// challengeHeader gives the query's c back.
	challengeHeader = "Chatsdk-Challenge"
	// idleFor is how long a connection is kept for the next probe: longer than the time between any two.
	idleFor = time.Minute
	// mostHeader bounds the header of an answer.
	mostHeader = 64 << 10
)

// httpProber is the default Prober. It keeps a connection for the next probe, and makes others on demand: each is a
// transport of its own, so that it is known which of them a probe goes by, and what is dead can be left.
type httpProber struct {
	url     *url.URL
	header  http.Header // of each question
	timeout time.Duration
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	proxy   func(*http.Request) (*url.URL, error)
	tls     *tls.Config
	dials   sync.WaitGroup

	mu     sync.Mutex // guards below
	closed bool
	kept   *http.Transport
}

// connectedKey is the context's key for a probe's callback.
type connectedKey struct{}

func newHTTPProber(o Options) (*httpProber, error) {
	u, err := pingURL(o.PingURL)
	if err != nil {
		return nil, err
	}
	p := &httpProber{
		url: u, header: o.Header.Clone(), timeout: o.ProbeTimeout, dial: o.DialContext, proxy: o.Proxy, tls: o.TLSConfig,
	}
	if p.dial == nil {
		p.dial = new(net.Dialer).DialContext
		if p.proxy == nil {
			p.proxy = http.ProxyFromEnvironment
		}
	}
	return p, nil
}

// Probe is Prober's.
func (p *httpProber) Probe(ctx context.Context, probe Probe, connected func(handshake time.Duration)) Outcome {
	t := p.pick(probe.Fresh)
	if !p.proxied() { // that of a proxy says nothing of the path
		ctx = context.WithValue(ctx, connectedKey{}, connected)
	}
	ask := p.ask
	if probe.Fresh {
		ask = p.askFresh
	}
	outcome := ask(ctx, t)
	p.settle(t, outcome.Cause == 0)
	return outcome
}

// proxied says whether probes go through an HTTP proxy.
func (p *httpProber) proxied() bool {
	if p.proxy == nil {
		return false
	}
	via, err := p.proxy(&http.Request{URL: p.url})
	return via != nil || err != nil
}

// pick returns the transport with the connection that was kept, or a new one.
func (p *httpProber) pick(fresh bool) *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept != nil && (!fresh || planted == bugOneConnection) {
		return p.kept
	}
	return &http.Transport{
		DialContext: p.connect, Proxy: p.proxy, TLSClientConfig: p.tls.Clone(), IdleConnTimeout: idleFor, MaxIdleConnsPerHost: 2,
		TLSHandshakeTimeout: p.timeout, MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode == http.StatusProxyAuthRequired {
				return errProxyLogin
			}
			return nil
		},
	}
}

// settle keeps a connection that works, and gives up one that doesn't, or that another one took the place of.
func (p *httpProber) settle(t *http.Transport, works bool) {
	p.mu.Lock()
	var left *http.Transport
	switch {
	case works:
		if p.kept != t {
			left, p.kept = p.kept, t
		}
	default:
		if left = t; p.kept == t {
			p.kept = nil
		}
	}
	p.mu.Unlock()
	if left != nil && planted != bugDialsStay {
		left.CloseIdleConnections() // ends its dials that nobody waits for, too
	}
}

// close gives up all connections. Probes have ended.
func (p *httpProber) close() {
	p.mu.Lock()
	kept := p.kept
	p.kept, p.closed = nil, true
	p.mu.Unlock()
	if kept != nil {
		kept.CloseIdleConnections()
	}
	p.dials.Wait()
}

// begin counts a dial, unless it comes too late.
func (p *httpProber) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.dials.Add(1)
	}
	return !p.closed
}

// connect dials, and tells the probe how long the handshake took. The transport dials beside the probe, whose end isn't
// the dial's: that has a limit of its own, and ends with its transport.
func (p *httpProber) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if !p.begin() {
		return nil, ErrClosed
	}
	defer p.dials.Done()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, took, err := dialing.Timed(ctx, p.dial, network, addr)
	if err != nil {
		return nil, err
	}
	if connected, ok := ctx.Value(connectedKey{}).(func(time.Duration)); ok && connected != nil {
		connected(took)
	}
	return conn, nil
}

// ask sends one request. By a transport of its own there are neither redirects nor cookies.
func (p *httpProber) ask(ctx context.Context, t *http.Transport) Outcome {
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, with(p.url, challenge), nil)
	if err != nil {
		return Outcome{Cause: CauseServerError} // can't be: the address was read before
	}
	maps.Copy(req.Header, p.header) // its values are only read
	req.Header.Set("Cache-Control", "no-cache, no-store")
	var timing timing
	req = req.WithContext(httptrace.WithClientTrace(ctx, timing.trace()))
	began := time.Now()
	res, err := t.RoundTrip(req)
	if err != nil {
		return Outcome{Cause: CauseOf(err)}
	}
	defer res.Body.Close()
	if cause := judge(res, challenge); cause != 0 {
		return Outcome{Cause: cause}
	}
	if planted == bugProbeSetup {
		return Outcome{RTT: time.Since(began)}
	}
	return Outcome{RTT: timing.rtt()}
}

// with adds the challenge to an address's own query.
func with(at *url.URL, challenge string) string {
	u := *at
	q := u.Query()
	q.Set("c", challenge)
	u.RawQuery, u.Fragment = q.Encode(), ""
	return u.String()
}

// hostOf is an address's host without its port.
func hostOf(u *url.URL) string {
	if host := u.Hostname(); strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return u.Hostname()
}

// timing takes the times of a request. The transport calls from several goroutines.
type timing struct {
	mu     sync.Mutex // guards below
	got    time.Time  // the connection; what is left to do then is to send and to wait
	reused bool
	first  time.Time // byte of the answer
}

func (t *timing) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.got, t.reused = time.Now(), info.Reused
		},
		GotFirstResponseByte: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.first = time.Now()
		},
	}
}

// rtt is 0 if the connection was new: the first answer on it waits for what setting it up left behind.
func (t *timing) rtt() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.reused || t.first.IsZero() {
		return 0
	}
	return max(t.first.Sub(t.got), 1)
}
