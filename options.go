package chatsdk

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// Options configures Open. Server and Store are required; the zero value of everything else works.
type Options struct {
	// Server is the server's address, such as https://chat.example.com. Without a scheme, http is taken.
	Server string

	// Store keeps what must not be lost. InMemory keeps it for the life of the process only.
	Store Store

	// From says where Messages begins in a channel. Defaults to inbox.Processed: after the last message that this
	// store's application took.
	From inbox.From

	// Queue sets limits, expiry, pace and policy of what goes out; Send, Store, Rand and Logger in it are ignored. The
	// zero value works.
	Queue outbox.Options

	// UploadRate bounds what uploads send together, in bytes a second. Defaults to 0, no bound: they leave room for
	// messages by themselves.
	UploadRate int64

	// Profile is how much effort goes into being quick. Defaults to realtime.Foreground.
	Profile realtime.Profile

	// Quality says how the network is measured. The zero value works.
	Quality QualityOptions

	// DialContext makes every network connection. Defaults to that of a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLSConfig is used for https and wss. nil means the system's roots.
	TLSConfig *tls.Config

	// APIKey is sent as X-API-Key with each HTTP call, upload, download and ping to Server, and with the WebSocket upgrade,
	// for gateways that ask for one. "" means none.
	APIKey string

	// CallTimeout bounds one HTTP call, all its attempts included. Defaults to 10s.
	CallTimeout time.Duration

	// OnRoundTrip is told each measured round trip, of the connection and of HTTP calls. It must not block, and is called
	// by several goroutines at once. nil means nobody.
	OnRoundTrip func(rtt time.Duration, err error)

	// Rand is the source of jitter. nil means one that is seeded at random. It is used under a lock of its own.
	Rand *rand.Rand

	// Logger takes what happens. nil means nothing is logged.
	Logger *slog.Logger

	proxy func(*http.Request) (*url.URL, error) // filled in by withDefaults
}

// defaultCallTimeout is longer than a login over a slow link takes: five round trips of 500 ms and the server's 100 ms
// of password hashing.
const defaultCallTimeout = 10 * time.Second

// withDefaults returns a copy with every zero field filled in.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil {
		return o, errors.New("chatsdk: Options.Store is nil; chatsdk.InMemory() is one that forgets with the process")
	}
	o.proxy = nil
	if o.DialContext == nil {
		o.proxy = http.ProxyFromEnvironment // whoever gives a dialer has chosen the route already
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = defaultCallTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Rand = backoff.Rand(o.Rand)
	return o, nil
}

// keyHeader is what a gateway asks for, or nil.
func (o Options) keyHeader() http.Header {
	if o.APIKey == "" {
		return nil
	}
	return http.Header{"X-Api-Key": {o.APIKey}}
}

// httpClient makes the client for the HTTP calls: a transport of our own, since a shared one would outlive Close.
func (o Options) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               o.proxy,
		DialContext:         o.DialContext,
		TLSClientConfig:     o.TLSConfig,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
	}}
}

// fork makes an independent source for one part, so that parts running side by side don't race on one.
func fork(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
