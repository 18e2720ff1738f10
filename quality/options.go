package quality

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// defaultProbeTimeout is what other captive-portal checks take, and longer than any answer that a person waits for.
	defaultProbeTimeout = 3 * time.Second
	// leastInterval between probes, so that a mistake in the options doesn't become a flood.
	leastInterval = 100 * time.Millisecond
)

// ErrClosed is returned after Close. It matches net.ErrClosed too.
var ErrClosed = fmt.Errorf("quality: monitor closed: %w", net.ErrClosed)

// Prober makes probes. Several may be under way at once.
type Prober interface {
	// Probe asks the server for a sign of life and returns when it is there, when the attempt failed, or soon after ctx
	// ended, which Monitor.Close waits for. It calls connected, if the probe needed a new connection, as soon as there
	// is one, with the time of the TCP handshake: so a server that takes connections and doesn't answer is told from a
	// dead network. It doesn't call it for a connection to an HTTP proxy. With p.Fresh it makes a new connection, whatever it has.
	Probe(ctx context.Context, p Probe, connected func(handshake time.Duration)) Outcome
}

// Outcome is what came of a probe.
type Outcome struct {
	// Cause says why it failed; 0 says that the server answered.
	Cause Cause
	// RTT is the time from the request to the first byte of the answer on a connection that was open already. 0 says
	// that it isn't known: the answer is a sign of life then and no round trip. The first one on a new connection has to
	// stay unknown, since setting it up is in it.
	RTT time.Duration
}

// Options configures a Monitor. PingURL or Prober is required; the zero value of everything else works.
type Options struct {
	// PingURL is what the default prober asks (GET): the server's /api/health/ping or the like. It has to answer 204 and
	// to give the query's c back in the header Chatsdk-Challenge. No login is sent, and no redirect followed: that, any
	// other page without TLS and the certificate of somebody else count as a portal's. 5xx, 429, a refusal, and whatever
	// else is said under the server's own certificate, are trouble of the server. Where a new https connection gets no
	// answer, the same path, without its query, is asked by plain HTTP at port 80, which portals answer; a server that
	// leads to https from there, or has nothing there, is none, and neither is any that shows its certificate.
	PingURL string
	// Header goes with each question to PingURL, such as the key that a gateway asks for, and with none at port 80. Nil adds
	// nothing.
	Header http.Header
	// PingInterval is how long nothing may be heard before a probe is sent, instead of Effort.ProbeInterval, at least
	// 100ms. 0, the default, is the effort's. SetEffort ends it.
	PingInterval time.Duration
	// Prober makes the probes instead of the default one, which Close doesn't close. Nil is the default one.
	Prober Prober
	// ProbeTimeout bounds a probe's wait for a new connection, if it needs one, and then for the answer. Defaults to 3s.
	ProbeTimeout time.Duration
	// Ping is asked first for each probe that needs no new connection: whoever has a connection to the server open sends
	// a ping over it and tells by Observe, as SourcePing, that it began and what came of it. false says that there is no
	// such connection, and the prober gets the probe. It is called by the monitor's goroutine and must not block. Nil is none.
	Ping func() bool
	// TLSConfig is the default prober's, for https. Nil means the system's roots.
	TLSConfig *tls.Config
	// DialContext dials for the default prober, its proxy too. Nil is a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy says by which HTTP proxy the default prober asks, as http.Transport's does; a nil address is none. Nil is
	// http.ProxyFromEnvironment without a DialContext, and no proxy with one. Through a proxy nothing is asked at port 80,
	// and handshakes aren't told: they are the proxy's.
	Proxy func(*http.Request) (*url.URL, error)

	// Effort defaults to Foreground.Effort(). Times between probes are at least 100ms, and StaleAfter is at least three times
	// ProbeInterval, whatever it says.
	Effort Effort

	// Rand gives the seed that this monitor's waits for a return are spread by (see Effort.AwayMost): New draws once. Nil is a
	// seed of chance.
	Rand *rand.Rand

	// Links tells what the operating system says of the network: it calls on with what is so at first, and then at each
	// change, until ctx ends. up says whether there is a way out, changed whether addresses or the default route differ
	// from those before. It runs on a goroutine of its own, and may end early: then nothing is told any more. Nil is none.
	Links func(ctx context.Context, on func(up, changed bool)) error
	// Sockets tells the counters of the sockets that live, each under an id of its own (see KindSocket). It is asked
	// once a second while somebody watches or samples come in, by the monitor's goroutine, which mustn't be held up:
	// it must not block. Nil is none.
	Sockets func(tell func(socket uint64, c Counters))

	// Logger takes each change. Nil logs nothing.
	Logger *slog.Logger
}

// withDefaults checks a copy of the options and fills it. It makes no prober.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.PingURL == "" && o.Prober == nil:
		return o, errors.New("quality: set Options.PingURL to the server's ping address, or Options.Prober")
	case o.PingInterval < 0 || o.PingInterval > 0 && o.PingInterval < leastInterval:
		return o, fmt.Errorf("quality: Options.PingInterval is %v: use %v or more, or 0 for the effort's own", o.PingInterval, leastInterval)
	}
	if o.Prober == nil {
		if _, err := pingURL(o.PingURL); err != nil {
			return o, err
		}
	}
	if o.PingInterval > 0 {
		o.Effort.ProbeInterval = o.PingInterval
	}
	o.Effort = sane(o.Effort)
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = defaultProbeTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// seed draws one that isn't 0.
func (o Options) seed() uint64 {
	switch {
	case planted == bugInPhase:
		return 1
	case o.Rand != nil:
		return o.Rand.Uint64() | 1
	}
	return rand.Uint64() | 1
}

// staleProbes is how many times between probes evidence lasts at least: were it fewer, an idle client would be unknown before
// the next one.
const staleProbes = 3

// sane fills an effort, keeps it from being a flood, and evidence from being too old before the next probe.
func sane(e Effort) Effort {
	e = e.filled()
	e.ProbeInterval = max(e.ProbeInterval, leastInterval)
	e.OfflineInterval = max(e.OfflineInterval, leastInterval)
	e.OfflineMost = max(e.OfflineMost, e.OfflineInterval)
	e.AwayInterval = max(e.AwayInterval, leastInterval)
	e.AwayMost = max(e.AwayMost, e.AwayInterval)
	e.StaleAfter = max(e.StaleAfter, staleProbes*min(e.ProbeInterval, math.MaxInt64/staleProbes))
	return e
}

func pingURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("quality: Options.PingURL: %w", redacted(err))
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, errors.New("quality: Options.PingURL has to be like https://chat.example.org/api/health/ping")
	}
	if u.User != nil {
		return nil, errors.New("quality: Options.PingURL has a user in it: pings need no login, leave it out")
	}
	return u, nil
}

// redacted leaves out the address that could not be read: there may be a password in it.
func redacted(err error) error {
	if bad := (*url.Error)(nil); errors.As(err, &bad) {
		return bad.Err
	}
	return err
}
