package upload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// TokenSource gives access tokens. Both calls may block, for as long as ctx lasts.
type TokenSource interface {
	// Token returns a token to use now.
	Token(ctx context.Context) (string, error)
	// Renew returns another token than stale, which the server refused: the present one if it is another already, else
	// a new one.
	Renew(ctx context.Context, stale string) (string, error)
}

// Options configure a Queue. Endpoint and Store are required; a zero value elsewhere takes the default.
type Options struct {
	// Endpoint is the URL that uploads are created at, such as https://chat.example.com/api/uploads/.
	Endpoint string
	// Store keeps the uploads; NewMemory makes one that forgets.
	Store Store

	// Token is asked before each request to Endpoint's origin. Nil means that none is sent.
	Token TokenSource
	// Origins are other origins, such as https://files.example.com, at which the server may place uploads. They get no
	// token. Nil means that Endpoint's is the only one.
	Origins []string
	// Header is sent with each request to Endpoint's origin, such as an API key.
	Header http.Header

	// Transport sends the requests. Defaults to one of the Queue's own, which Close ends.
	Transport http.RoundTripper
	// DialContext and TLSConfig are used by the Queue's own transport. They default to a net.Dialer and the system's
	// roots. A dialer switches off the proxies that the environment names.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config
	// Proxy chooses the HTTP proxy of a request where DialContext is set. Nil is none then.
	Proxy func(*http.Request) (*url.URL, error)

	// Concurrent is the most uploads that are under way at once. One that waits for network or token keeps its turn; one
	// that the server answers and doesn't let go on for 20 s gives it to another that waits. They go in the order in
	// which they were added, but first those whose copy the server forgets within a day. Defaults to 2.
	Concurrent int
	// MaxUploads is the most rows, settled ones included. Defaults to 10,000. Settled ones make room for new ones.
	MaxUploads int
	// KeepSettled is how many settled uploads are remembered, to answer for their ids. Defaults to 1,000.
	KeepSettled int
	// MaxRestarts is how often one upload begins anew, because the server lost it or the file changed, before it fails.
	// Defaults to 10.
	MaxRestarts int

	// ChunkMin and ChunkMax bound a chunk where the server takes checksums, in bytes. Default to 64 KiB and 64 MiB.
	// Without checksums a chunk may be up to 1 GiB: the server keeps what arrived of it.
	ChunkMin, ChunkMax int64
	// ChunkTime is how long a chunk is to take at the measured rate. Defaults to 2s.
	ChunkTime time.Duration
	// FirstChunk tells how many bytes the first chunk of an upload should have while no rate was measured here: somebody else
	// may know the network. It is called by several goroutines and must not block. What it says is brought into the bounds
	// above. 0 is unknown, as is nil: 256 KiB with checksums, 1 MiB without.
	FirstChunk func() int64
	// HashFirst is the size up to which a file's SHA-256 is computed before its creation, so that the server can be told
	// it beforehand. Defaults to 16 MiB. Negative never does.
	HashFirst int64
	// Rate bounds what all uploads send together, in bytes a second. 0 is no bound; see Queue.SetRate.
	Rate int64
	// BusyShare is the part of the measured rate that uploads may use while the chat is busy and nobody tells how long its
	// round trips take; see Queue.SetBusy and Queue.ObserveRTT.
	// Defaults to 0.5.
	BusyShare float64

	// StallAfter is how long a request may go without a byte moving, or without its answer once all are sent, before it
	// is given up; it grows with the round trip and doubles with each stall in a row. Defaults to 3s.
	StallAfter time.Duration
	// RetryMin and RetryMax bound the wait after a failed attempt: RetryMin doubled with each one since the last progress,
	// jittered to between half and all of it. Where no answer came the bound is half of RetryMax, counted from attempt to
	// attempt, and 10 s once that went on for 10 minutes. Default to 100ms and 1s.
	RetryMin, RetryMax time.Duration
	// LockBudget is how long a 423 is asked again every 100 ms to 2 s, before it is treated as a failed attempt. Defaults
	// to 30s.
	LockBudget time.Duration
	// MaxRetryAfter bounds what a server may ask us to wait. Defaults to 10m.
	MaxRetryAfter time.Duration
	// CheckpointEvery is how often an acknowledged offset is kept, at most. Defaults to 1s.
	CheckpointEvery time.Duration
	// ProgressEvery is the least time between two changes that tell of progress alone. Defaults to 100ms.
	ProgressEvery time.Duration

	// OnChunk is told of each chunk: began at its beginning, and at its end how much of it the server acknowledged and how
	// long that took; 0 if it didn't take all of it, or if our own pace held it back, so that the time tells nothing of
	// the path. It is called by several goroutines at once, and must not block. Nil means nobody.
	OnChunk func(began bool, acked int64, took time.Duration)

	// Rand is the source of jitter, used by the queue alone. Nil means one of its own, seeded from crypto/rand.
	Rand *rand.Rand
	// Logger gets what is out of the ordinary, never a token. Nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Store == nil {
		return o, errors.New("upload: Options.Store is required; NewMemory makes one that forgets")
	}
	if _, err := origin(o.Endpoint); err != nil {
		return o, fmt.Errorf("upload: Options.Endpoint: %w", err)
	}
	for _, allowed := range o.Origins {
		if _, err := origin(allowed); err != nil {
			return o, fmt.Errorf("upload: Options.Origins: %w", err)
		}
	}
	orDefault(&o.Concurrent, 2)
	orDefault(&o.MaxUploads, 10_000)
	orDefault(&o.KeepSettled, 1000)
	orDefault(&o.MaxRestarts, 10)
	orDefault(&o.ChunkMin, 64<<10)
	orDefault(&o.ChunkMax, 64<<20)
	o.ChunkMax = max(o.ChunkMax, o.ChunkMin)
	orDefault(&o.ChunkTime, 2*time.Second)
	if o.HashFirst == 0 {
		o.HashFirst = 16 << 20
	}
	if o.BusyShare <= 0 || o.BusyShare > 1 {
		o.BusyShare = 0.5
	}
	orDefault(&o.StallAfter, 3*time.Second)
	orDefault(&o.RetryMin, 100*time.Millisecond)
	orDefault(&o.RetryMax, time.Second)
	orDefault(&o.LockBudget, 30*time.Second)
	orDefault(&o.MaxRetryAfter, 10*time.Minute)
	orDefault(&o.CheckpointEvery, time.Second)
	orDefault(&o.ProgressEvery, 100*time.Millisecond)
	o.Rand = backoff.Rand(o.Rand)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// origin returns scheme and host of an address, as tokens are bound to them.
func origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("it can't be parsed") // err would repeat a password in it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("it must be an http or https address without a password, such as https://chat.example.com/api/uploads/")
	}
	return originOf(u), nil
}
