package realtime

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/dialing"
)

// Protocol is the encoding of commands and replies. The zero value is JSON.
type Protocol int

const (
	// JSON sends text frames; RPC data must be valid JSON.
	JSON Protocol = iota
	// Protobuf sends binary frames; data may be any bytes.
	Protobuf
)

// TokenSource gives connection tokens. Both calls may block; they get a context with Options.TokenTimeout.
type TokenSource interface {
	// Token returns the present token. An error that wraps ErrUnauthorized is final.
	Token(ctx context.Context) (string, error)
	// Renew returns a token other than stale, which the server refused or which is about to expire.
	Renew(ctx context.Context, stale string) (string, error)
}

// TokenWatcher is a TokenSource that is told which tokens the server took: what is refused later was good before.
type TokenWatcher interface {
	TokenSource
	// Accepted must not block.
	Accepted(token string)
}

// Options configure a Client. The zero value of every field but URL works.
type Options struct {
	// URL of the WebSocket endpoint, ws or wss (http and https are taken for them).
	URL string
	// Token gives connection tokens, or nil to connect without.
	Token TokenSource
	// DialContext opens the TCP connection, or nil for a plain net.Dialer. Proxies are its business.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLSConfig for wss, or nil for the system's roots. It is cloned; a session cache is added.
	TLSConfig *tls.Config
	// Header is sent with the upgrade request.
	Header http.Header
	// Protocol defaults to JSON.
	Protocol Protocol
	// Profile defaults to Foreground; see Effort for its numbers.
	Profile Profile
	// Name and Version of the program, told to the server.
	Name, Version string
	// Data for the connect command. Valid JSON with the JSON protocol.
	Data []byte
	// Rand is the source of all jitter, used by one goroutine. nil makes one from system randomness.
	Rand *rand.Rand
	// Logger gets one line for each change of state, or nil for none.
	Logger *slog.Logger

	// AttemptTimeout tells how long a dial with TLS and upgrade, and then the answer to connect, may take on a path of which
	// there has been no answer yet, as at first and after NetworkChanged: somebody else may know it already. It is called on
	// the client's inner goroutine before each attempt and must not block nor call back. 0 is unknown, as is nil: 10 s, or
	// what the path before asks for.
	AttemptTimeout func() time.Duration
	// OnReached is told each time that an attempt got through to the server and the token isn't there yet: the network
	// works, so that whatever the token source waits for may be worth another try. The first attempt after a connection
	// counts as soon as it is dialed, which saves a round trip; the others when the server has answered, since one that
	// hangs mustn't be asked for tokens again and again. It is called on the client's inner goroutine and must not block
	// nor call back.
	OnReached func()
	// OnRoundTrip hears of every probe and every command that was answered, and of those that were not (err). It is
	// called on the client's inner goroutine and must not block nor call back.
	OnRoundTrip func(rtt time.Duration, err error)
	// OnExchange hears more of the same: when each probe and each command began, and how it ended; see Exchange. It is
	// called under the rules of OnRoundTrip.
	OnExchange func(Exchange)
	// OnConnected is called on the dispatch goroutine with the data of the connect reply, before any event of that
	// connection. If the application is slow and connections change meanwhile, only the newest is told.
	OnConnected func(data []byte)
	// OnServerEvent gets the events of server-side subscriptions, under the rules of SubscribeOptions.OnEvent.
	OnServerEvent func(Event)

	// FrameLimit is the longest frame sent, in bytes. Defaults to 60 KiB, below the 64 KiB that a Centrifuge server
	// takes by default. Commands are packed into frames up to it.
	FrameLimit int
	// FrameCommands is the most commands packed into a frame. Defaults to 128.
	FrameCommands int
	// ReadLimit is the longest frame taken, in bytes. Defaults to 16 MiB: a recovered batch is far above 32 KiB.
	ReadLimit int64
	// CommandTimeout ends an RPC that a working link leaves unanswered, and reconnects if it was a subscribe. It begins
	// when the command should have been uploaded, at the rate that the path showed. Defaults to 10 s.
	CommandTimeout time.Duration
	// TokenTimeout bounds one call of the token source. Defaults to 10 s: the server closes sockets that don't
	// authenticate after 15 s.
	TokenTimeout time.Duration
	// StableUptime is how long a connection must last before pauses start from the shortest again. Defaults to 5 s.
	StableUptime time.Duration
	// SuspendAfter is the time without success after which the state is Suspended. Defaults to 2 min.
	SuspendAfter time.Duration
	// AttemptLimit ends in Failed after that many failed attempts in a row. Defaults to 0, never.
	AttemptLimit int
	// QueueLimit and QueueBytes bound the events that wait for handlers. Default to 8192 and 16 MiB.
	QueueLimit int
	QueueBytes int
	// PendingLimit is the most unanswered RPCs; SendLimit the most bytes that wait to be written. Default to 1024 and
	// 4 MiB. Beyond them RPC fails with ErrBusy.
	PendingLimit int
	SendLimit    int
}

func (o Options) withDefaults() Options {
	def(&o.FrameLimit, 60<<10)
	def(&o.FrameCommands, 128)
	def(&o.ReadLimit, 16<<20)
	def(&o.CommandTimeout, 10*time.Second)
	def(&o.TokenTimeout, 10*time.Second)
	def(&o.StableUptime, 5*time.Second)
	def(&o.SuspendAfter, 2*time.Minute)
	def(&o.QueueLimit, 8192)
	def(&o.QueueBytes, 16<<20)
	def(&o.PendingLimit, 1024)
	def(&o.SendLimit, 4<<20)
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Rand = backoff.Rand(o.Rand)
	return o
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// endpoint is where to dial: host:port, and the URL of the upgrade request.
type endpoint struct {
	addr   string
	host   string
	url    string
	secure bool
}

func (o Options) endpoint() (endpoint, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return endpoint{}, errors.New("realtime: URL can't be parsed") // err would repeat a password in it
	}
	e := endpoint{host: u.Hostname()}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme, e.secure = "https", true
	default:
		return endpoint{}, fmt.Errorf("realtime: URL scheme %q is not ws or wss", u.Scheme)
	}
	if e.host == "" {
		return endpoint{}, errors.New("realtime: URL has no host")
	}
	e.addr = dialing.Addr(u)
	if o.Protocol == Protobuf {
		q := u.Query()
		q.Set("cf_protocol", "protobuf")
		u.RawQuery = q.Encode()
	}
	e.url = u.String()
	return e, nil
}

func (o Options) validate() error {
	if o.Protocol == JSON && len(o.Data) > 0 && !json.Valid(o.Data) {
		return fmt.Errorf("connect data: %w", ErrInvalidData)
	}
	if len(o.Data) > o.FrameLimit/2 {
		return fmt.Errorf("connect data: %w", ErrTooLarge)
	}
	return nil
}
