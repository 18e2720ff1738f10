package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// TokenSource gives access tokens. It is called from many goroutines at once and has to answer from what it holds while
// that is good. An error with a method RetryAt() time.Time says that there may be a token then: the call waits for it, if
// its deadline allows that and it isn't to fail fast.
type TokenSource interface {
	// Token returns a token to use now.
	Token(ctx context.Context) (string, error)
	// Renew returns another token than stale, which the server refused: the present one if it is another already, else
	// a new one. Where stale is so young that its age may be what is wrong, it may wait and return stale.
	Renew(ctx context.Context, stale string) (string, error)
}

// Network knows whether there is a network.
type Network interface {
	// Online says what is known now. It is asked before each attempt, and while a call waits, and must not block.
	Online() bool
	// WaitOnline returns nil as soon as there is a network, or ctx's error.
	WaitOnline(ctx context.Context) error
}

// Options configures a Client. The zero value of every field works.
type Options struct {
	// BaseURL is the address that Do's paths are relative to, such as https://chat.example.com. Token and APIKey go to
	// its origin alone. "" means that Do needs whole URLs.
	BaseURL string

	// APIKey is sent to BaseURL's origin as X-API-Key. "" means none.
	APIKey string

	// Token is asked before each attempt to BaseURL's origin, unless the request brings an Authorization of its own.
	// nil means that none is sent.
	Token TokenSource

	// Transport sends the attempts. An *http.Transport, bare or wrapped, gives the most: what it tells by httptrace
	// proves what was never sent. Defaults to one of the Client's own, which Close ends.
	Transport http.RoundTripper

	// DialContext and TLSConfig are used by the Client's own transport. They default to a net.Dialer and the system's
	// roots. A dialer switches off the proxies that the environment names: whoever gives one has chosen the route.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config

	// Background makes the defaults below those of work that nobody waits for, named in brackets.
	Background bool

	// Deadline bounds a call until its response's header, all attempts and waits included; for Do, until the end.
	// Defaults to 30s [none]. Negative is none: only the caller's ctx ends it.
	Deadline time.Duration

	// MaxAttempts bounds how often a request is sent. Attempts that certainly sent nothing don't count; what bounds
	// those is Deadline. Defaults to 8: at 50% loss 99 calls of 100 come through in 7. Negative means no bound.
	MaxAttempts int

	// RetryMin and RetryMax bound the wait before a retry, which is drawn from 0 up to RetryMin doubled with each
	// attempt. Default to 100ms and 2s [1s and 60s].
	RetryMin, RetryMax time.Duration

	// AttemptMin and AttemptMax bound the adaptive timeout of an attempt until the response's header; each read of a
	// request's body starts it anew. Default to 2s, since a slow path isn't dead, and 30s.
	AttemptMin, AttemptMax time.Duration

	// AttemptTimeout tells how long to wait for an answer of BaseURL's host while the path to it isn't measured, as at first
	// and after NetworkChanged: somebody else may know it already. It is called before each attempt, by several goroutines
	// at once, and must not block. What it says is brought into the bounds above, and doesn't count any more once there is
	// a measure of the Client's own, or one from ObserveRTT. 0 is unknown, as is nil: 10s.
	AttemptTimeout func() time.Duration

	// MaxRetryAfter is the longest wait asked for by a server that a call sits out. One that asks for more fails the
	// call with ErrRateLimited, and is obeyed all the same. Defaults to 5m.
	MaxRetryAfter time.Duration

	// KeysHonoured says that the server keeps what it answered to an Idempotency-Key. Only then does the key, which
	// every call that isn't idempotent carries, make it one that may be sent again. Defaults to false.
	KeysHonoured bool

	// FailFast makes calls fail with ErrOffline, ErrCircuitOpen or ErrRateLimited instead of waiting until their
	// deadline. Call.FailFast is the same for one call.
	FailFast bool

	// Network holds calls back while there is none. nil means that there always is.
	Network Network

	// Breaker configures the circuit of each host.
	Breaker BreakerOptions

	// MaxHosts is how many hosts are remembered. Defaults to 256.
	MaxHosts int

	// MaxReplay is how much of a body that can't be had again is kept for a retry, in bytes. Defaults to 64 KiB.
	MaxReplay int64

	// MaxReply bounds a reply that Do reads, unpacked, in bytes. Defaults to 8 MiB.
	MaxReply int64

	// OnRoundTrip is told the time from a request's last byte to the answer's first, or the error of an attempt that
	// got no answer of the server's. OnAttempt is told each attempt, and asks for the timings of its connection too. OnStateChange is
	// told the changes of circuits, in order. All run outside of locks on the goroutine of a call, may call the Client,
	// and hold up that call. nil means nobody.
	OnRoundTrip   func(rtt time.Duration, err error)
	OnAttempt     func(Attempt)
	OnStateChange func(CircuitChange)

	// Rand is the source of jitter, used under a lock of the Client's. nil means one that is seeded at random.
	Rand *rand.Rand

	// Logger takes retries and changes of circuits, never a token, a key, a query or a body. nil discards.
	Logger *slog.Logger
}

const (
	defaultDeadline    = 30 * time.Second
	defaultMaxAttempts = 8
	noLimit            = 1 << 30 // attempts of a call without a bound
	defaultMaxReplay   = 64 << 10
	defaultMaxReply    = 8 << 20 // a page of 200 messages of 16 KiB, and its frame
)

// withDefaults returns a copy with every zero field filled in, and the base.
func (o Options) withDefaults() (Options, *url.URL, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return o, nil, err
	}
	if base == nil && (o.APIKey != "" || o.Token != nil) {
		return o, nil, errors.New("api: Options.Token and APIKey need Options.BaseURL, whose origin alone gets them")
	}
	if strings.ContainsAny(o.APIKey, "\r\n\x00") {
		return o, nil, errors.New("api: Options.APIKey holds a line break; trim what was read from a file")
	}
	retryMin, retryMax, deadline := 100*time.Millisecond, 2*time.Second, defaultDeadline
	if o.Background {
		retryMin, retryMax, deadline = time.Second, time.Minute, -1
	}
	if o.Deadline == 0 {
		o.Deadline = deadline
	}
	if o.MaxAttempts < 0 {
		o.MaxAttempts = noLimit
	}
	orDefault(&o.MaxAttempts, defaultMaxAttempts)
	orDefault(&o.RetryMin, retryMin)
	orDefault(&o.RetryMax, max(retryMax, o.RetryMin))
	orDefault(&o.AttemptMin, 2*time.Second)
	orDefault(&o.AttemptMax, max(30*time.Second, o.AttemptMin))
	orDefault(&o.MaxRetryAfter, 5*time.Minute)
	orDefault(&o.MaxHosts, 256)
	orDefault(&o.MaxReplay, defaultMaxReplay)
	orDefault(&o.MaxReply, defaultMaxReply)
	o.Breaker = o.Breaker.withDefaults(o.Background)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, base, nil
}

func orDefault[T int | int64 | time.Duration | float64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// parseBase checks a base address; "" is none.
func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil { // its text may hold a password: "invalid port" quotes what stands behind the user
		return nil, errors.New("api: Options.BaseURL isn't a URL; give it as https://host")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("api: Options.BaseURL has to be http://host or https://host, with a port and a path if need be")
	case u.User != nil:
		return nil, errors.New("api: Options.BaseURL holds a user or password; use Options.Token or APIKey")
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", "", ""
	return u, nil
}

// ownTransport is the transport of a Client that was given none. Pings find out that an HTTP/2 connection is dead,
// which a cancelled stream alone doesn't.
func (o *Options) ownTransport() *http.Transport {
	t := &http.Transport{
		DialContext: o.DialContext, TLSClientConfig: o.TLSConfig, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
	if t.DialContext == nil {
		t.Proxy = http.ProxyFromEnvironment
		// Below 3.2s a connect that lost its SYN twice would never make it: SYNs go again after 1s and 3s.
		t.DialContext = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	return t
}
