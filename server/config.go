package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Limits are the server's bounds, told to clients in every reply. See the fields of the wire type for their units.
type Limits = wire.Limits

// Config says how a Server behaves. Only Store and Key are needed. New copies it.
type Config struct {
	// Store keeps everything. Needed. The Server doesn't close it.
	Store Store
	// Key signs access tokens (HMAC SHA-256), and a key derived from it refresh tokens: with another key everybody has
	// to sign in again. Needed, at least 32 bytes (RFC 7518 section 3.2: as long as the hash).
	Key []byte
	// AccessTTL is how long an access token lives. Defaults to 15m.
	AccessTTL time.Duration
	// RefreshTTL is how long a session lives after its last refresh. Defaults to 720h (30 days).
	RefreshTTL time.Duration
	// RefreshBurst is how many refreshes of one session may come at once; then one every RefreshPause. More are
	// answered with 429 and Retry-After. Defaults to 20: several processes on one profile, each with some retries.
	RefreshBurst int
	// RefreshPause is the time after which a session may be refreshed once more. Defaults to 10s, or a quarter of
	// AccessTTL if that is less.
	RefreshPause time.Duration
	// StrictRotation ends a session as soon as a refresh token comes that was replaced, even if the reply with its
	// successor was lost, and knows no Idempotency-Key, as some authorization servers do. For tests of clients.
	StrictRotation bool
	// Limits bound what clients may send. Zero fields take the values of DefaultLimits.
	Limits Limits
	// Uploads say where and how long files are kept.
	Uploads Uploads
	// AllowedOrigins are the pages of other hosts whose scripts may talk to this server, as scheme://host[:port].
	// Pages of the server's own host and clients that send no Origin (they are no browsers) are always allowed.
	AllowedOrigins []string
	// Logger takes the server's log. Defaults to slog.Default().
	Logger *slog.Logger
	// Registry takes the metrics. Defaults to a registry of the Server's own. Two servers can't share one.
	Registry *prometheus.Registry
	// Argon sets the cost of password hashes. Zero means DefaultArgon.
	Argon Argon
	// DrainRate is to how many reconnects a second Shutdown spreads its clients. Defaults to 200: each costs a TLS
	// handshake and a few reads, about a millisecond of one core.
	DrainRate int
	// HistorySize is how many publications of a channel the stream keeps for recovery. Defaults to 1000.
	HistorySize int
	// HistoryTTL is how long the stream keeps them. Defaults to 10m. Older ones come from the message table.
	HistoryTTL time.Duration
	// Rand places jitter. Nil means a source of the Server's own with a random seed.
	Rand *rand.Rand
	// PingInterval is the time between pings on the realtime connection. Defaults to 25s, at least 1s.
	PingInterval time.Duration
	// PongTimeout is how long a ping may stay unanswered. Defaults to 20s, or four fifths of PingInterval if that is
	// less: on a link that loses a fifth of its packets 8s is too short for a live client.
	PongTimeout time.Duration
	// MaxConnections bounds realtime connections of all users; more are refused with 503. Defaults to 20000.
	MaxConnections int
	// UpgradeRate is how many realtime connections a second are let in, with as many at once; more are refused with
	// 503 and Retry-After. Defaults to 1000.
	UpgradeRate int
	// LoginFailures is how many wrong passwords a user may give at once; then one every LoginPause. An address has
	// four times as many, since users share addresses. Defaults to 10.
	LoginFailures int
	// LoginPause is the time in which one failed login is forgiven. Defaults to 6s (10 a minute: hopeless against an
	// 8 character password).
	LoginPause time.Duration
	// TLS makes Serve speak TLS with these settings. Nil means plain. HTTP/1.1 only, which WebSocket needs.
	TLS *tls.Config
	// Wrap, unless it is nil, puts a handler before all others, for what isn't the Server's business: logs of your own,
	// faults in tests.
	Wrap func(http.Handler) http.Handler
}

// DefaultLimits are the bounds that zero fields of Config.Limits take.
func DefaultLimits() Limits {
	return Limits{
		TextBytes:         wire.UsualTextBytes,
		BatchEntries:      50,       // one round trip for a burst of typing after an outage
		FrameBytes:        64 << 10, // what stock Centrifuge clients expect
		HistoryEntries:    1000,     // 200 kB of usual messages; pageBytes bounds long ones
		MessagesPerSecond: 50,       // a fast bot; a human does 1
		MessageBurst:      200,      // what an outbox holds after some minutes offline
		UserConnections:   10,       // devices of one person
		ConnectionSubs:    128,      // Centrifuge's own default
		Attachments:       wire.UsualAttachments,
	}
}

const (
	// minKeyBytes is the least length of Config.Key.
	minKeyBytes = 32
	// recoveryEntries is the most publications that one subscribe reply recovers. A client that missed more reads
	// pages of history, which are bounded in bytes; a reply must fit the client's queue or it is cut off for being slow.
	recoveryEntries = 256
	// entryOverhead bounds what a message needs on the wire beside text and attachments: names, id, time, quotes.
	entryOverhead = 1 << 10
	// pageBytes bounds the texts and attachments in one page of history. A page is one frame, and whatever else the
	// connection has to say waits behind it: 2s at 1 Mbit/s, which a client's probes of the link still bear.
	pageBytes = 256 << 10
	// pageEscapes is by how much JSON may lengthen a text: "<" becomes "\u003c".
	pageEscapes = 6
	// queuedPages is how many of the longest pages a connection's queue holds: a client that catches up asks for those
	// of several channels at once.
	queuedPages = 4
)

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil {
		return c, errors.New("server: Config.Store is needed")
	}
	if len(c.Key) < minKeyBytes {
		return c, fmt.Errorf("server: Config.Key has %d bytes, at least %d are needed", len(c.Key), minKeyBytes)
	}
	orDuration(&c.AccessTTL, 15*time.Minute)
	orDuration(&c.RefreshTTL, 720*time.Hour)
	orDuration(&c.RefreshPause, min(10*time.Second, c.AccessTTL/4))
	orInt(&c.RefreshBurst, 20)
	orDuration(&c.HistoryTTL, 10*time.Minute)
	orDuration(&c.PingInterval, 25*time.Second)
	orDuration(&c.LoginPause, 6*time.Second)
	c.PingInterval = max(c.PingInterval, time.Second)
	orDuration(&c.PongTimeout, min(20*time.Second, c.PingInterval*4/5))
	orInt(&c.DrainRate, 200)
	orInt(&c.HistorySize, 1000)
	orInt(&c.MaxConnections, 20000)
	orInt(&c.UpgradeRate, 1000)
	orInt(&c.LoginFailures, 10)
	c.Limits = limitsWithDefaults(c.Limits)
	c.Uploads = c.Uploads.withDefaults()
	c.Limits.UploadBytes = 0
	if c.Uploads.on() {
		c.Limits.UploadBytes = c.Uploads.MaxBytes
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Argon == (Argon{}) {
		c.Argon = DefaultArgon()
	}
	if c.Rand == nil {
		c.Rand = backoff.Rand(nil)
	}
	for _, o := range c.AllowedOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			return c, fmt.Errorf("server: allowed origin %q is not scheme://host[:port]", o)
		}
	}
	return c, c.Argon.check()
}

func limitsWithDefaults(l Limits) Limits {
	d := DefaultLimits()
	orInt(&l.TextBytes, d.TextBytes)
	orInt(&l.BatchEntries, d.BatchEntries)
	orInt(&l.FrameBytes, d.FrameBytes)
	orInt(&l.HistoryEntries, d.HistoryEntries)
	orInt(&l.MessagesPerSecond, d.MessagesPerSecond)
	orInt(&l.MessageBurst, d.MessageBurst)
	orInt(&l.UserConnections, d.UserConnections)
	orInt(&l.ConnectionSubs, d.ConnectionSubs)
	orInt(&l.Attachments, d.Attachments)
	return l
}

func orDuration(v *time.Duration, d time.Duration) {
	if *v <= 0 {
		*v = d
	}
}

func orInt(v *int, d int) {
	if *v <= 0 {
		*v = d
	}
}
