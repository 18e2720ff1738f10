package inbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// FetchFunc reads history: up to limit messages of channel with Seq > after, in order, and the number of the newest
// message that the server has. It must return when ctx ends.
type FetchFunc func(ctx context.Context, channel string, after uint64, limit int) (msgs []Message, last uint64, err error)

// Options configure an Inbox. Store and Fetch are required; a zero value elsewhere takes the default.
type Options struct {
	Store Store
	Fetch FetchFunc

	// PageSize is the most messages that are asked for in a page; a server may send fewer, and less is asked for where a
	// page takes seconds. Defaults to 1,000: a round trip fetches what was missed in hours, about 200 kB of usual messages.
	PageSize int
	// Pages is the most pages that are asked for side by side, where much is missing and the link carries them, up
	// to about 512 kB. Defaults to 10, for servers with small pages; 1 asks for one after the other.
	Pages int
	// Ahead is how far a channel is fetched ahead of its slowest reader, in messages; it goes on when the reader has come
	// half as near. Defaults to 4,096, half of what a memory store keeps.
	Ahead int
	// Pending is the most messages of a channel that wait for a gap to be filled; what comes beyond is fetched.
	// Defaults to 4,096.
	Pending int
	// FetchTimeout bounds one call of Fetch. Defaults to 10s.
	FetchTimeout time.Duration
	// RetryMin and RetryMax bound the wait after a failed fetch: exponential, jittered to between half and all of it.
	// Default to 100ms and 1s.
	RetryMin, RetryMax time.Duration
	// Rand is the source of jitter. Nil means one of its own, seeded from crypto/rand.
	Rand *rand.Rand
	// Logger gets what is out of the ordinary, never a text. Nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Fetch == nil {
		return o, errors.New("inbox: Options.Store and Options.Fetch are required")
	}
	orDefault(&o.PageSize, 1000)
	orDefault(&o.Pages, 10)
	orDefault(&o.Ahead, 4096)
	orDefault(&o.Pending, 4096)
	orDefault(&o.FetchTimeout, 10*time.Second)
	orDefault(&o.RetryMin, 100*time.Millisecond)
	orDefault(&o.RetryMax, time.Second)
	o.Rand = backoff.Rand(o.Rand)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
