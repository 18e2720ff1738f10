package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// Result is the outcome of one entry of a batch.
type Result struct {
	Seq  uint64    // number that the server gave the message in its channel; not 0 if Err is nil
	Time time.Time // when the server stored it
	Err  error     // a *Refusal, or nil; anything else means that the outcome isn't known
}

// SendFunc sends a batch and returns one result for each entry, in order. A batch holds entries of one or more
// channels, each channel's in its order. An error, or another number of results, means that the outcome isn't known for
// any of them: they are sent again with the same ids and numbers.
//
// Calls overlap, up to Options.Window; a call that began later may not overtake on its way, or costs a round trip more.
// It must return when ctx ends, which it does when the queue is no longer ready, is closed, or Options.SendTimeout is
// over. It may call the queue.
type SendFunc func(ctx context.Context, batch []Entry) ([]Result, error)

// Options configure a Queue. Send and Store are required; a zero value elsewhere takes the default.
type Options struct {
	Send  SendFunc
	Store Store

	// Window is how many batches may be under way at once. Defaults to 8: at RTT 300 ms and full batches that is more
	// than a server's usual rate limit lets through. 1 waits for each reply.
	Window int
	// BatchEntries is the most entries in one batch. Defaults to 50.
	BatchEntries int
	// BatchBytes is the most bytes in one batch, as JSON; a longer entry goes alone. Defaults to 48 KiB, which with its
	// frame stays under the 64 KiB that servers of the Centrifuge protocol accept.
	BatchBytes int
	// MaxEntries is the most open and parked entries. Defaults to 100,000.
	MaxEntries int
	// MaxBytes is the most bytes of open and parked entries, as JSON. Defaults to 64 MiB.
	MaxBytes int64
	// MaxChannelEntries is MaxEntries for one channel of one account. Defaults to MaxEntries.
	MaxChannelEntries int
	// MaxChannelBytes is MaxBytes for one channel of one account. Defaults to MaxBytes.
	MaxChannelBytes int64
	// MaxTextBytes is the longest text. Defaults to 16 KiB, the reference server's limit.
	MaxTextBytes int
	// MaxEntryBytes is the largest entry, as JSON: more than a frame can't be sent, however short the text was before
	// its escapes. Defaults to 60 KiB.
	MaxEntryBytes int
	// SendTimeout bounds one call of Send. Defaults to 30s: the connection's own detection is much faster, this is for
	// a Send that has none.
	SendTimeout time.Duration
	// Pace is how fast entries are sent, over all channels. The zero value is no limit; Queue.SetPace follows what a
	// server tells. What a server asks us to wait is respected in any case.
	Pace Pace
	// Expiry is how long an entry that doesn't say so itself is of use while it is queued. Defaults to 0: for ever. Time
	// that the machine sleeps doesn't count on Linux and macOS, unless the process ends meanwhile: there it can't be told
	// from a clock that was set.
	Expiry time.Duration
	// OnParked says what becomes of a channel when one of its entries is refused for good. It is called by the queue's
	// own goroutine and must return at once. Nil, and the zero Policy, let the channel go on.
	OnParked func(channel string) Policy
	// InletEvery is how often a Store that is an Inlet is asked what other processes handed over. Defaults to 250ms.
	InletEvery time.Duration
	// RetryMin and RetryMax bound the backoff after failures while ready: exponential from RetryMin, capped at RetryMax,
	// jittered to between half and all of it. Becoming ready ends it. Default to 100ms and 1s.
	RetryMin, RetryMax time.Duration
	// MaxRetryAfter bounds what a server may ask us to wait. Defaults to 10m.
	MaxRetryAfter time.Duration
	// Rand is the source of jitter, used by the queue alone. Nil means one of its own, seeded from crypto/rand.
	Rand *rand.Rand
	// Logger gets what is out of the ordinary, never a text. Nil discards.
	Logger *slog.Logger

	wall func() time.Time // this machine's clock; for tests, which set it
}

// Policy is what becomes of a channel's later entries when one is refused for good. What is under way behind it
// arrives in any case: the refusal is known a round trip later.
type Policy struct {
	Block bool          // they wait until the entry is retried or discarded
	For   time.Duration // they wait this long; above 0 it goes before Block. A new run begins to count anew
}

// Defaults that Check needs too.
const (
	maxTextBytes  = 16 << 10
	maxEntryBytes = 60 << 10
)

func (o Options) withDefaults() (Options, error) {
	if o.Send == nil {
		return o, errors.New("outbox: Options.Send is required")
	}
	if o.Store == nil {
		return o, errors.New("outbox: Options.Store is required; NewMemory makes one that forgets")
	}
	orDefault(&o.Window, 8)
	orDefault(&o.BatchEntries, 50)
	orDefault(&o.BatchBytes, 48<<10)
	orDefault(&o.MaxEntries, 100_000)
	orDefault(&o.MaxBytes, 64<<20)
	orDefault(&o.MaxChannelEntries, o.MaxEntries)
	orDefault(&o.MaxChannelBytes, o.MaxBytes)
	orDefault(&o.InletEvery, 250*time.Millisecond)
	orDefault(&o.MaxTextBytes, maxTextBytes)
	orDefault(&o.MaxEntryBytes, maxEntryBytes)
	orDefault(&o.SendTimeout, 30*time.Second)
	orDefault(&o.RetryMin, 100*time.Millisecond)
	orDefault(&o.RetryMax, time.Second)
	orDefault(&o.MaxRetryAfter, 10*time.Minute)
	o.Rand = backoff.Rand(o.Rand)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.wall == nil {
		o.wall = func() time.Time { return time.Now().Round(0) }
	}
	return o, nil
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// backoff is the wait before retry number n (1, 2, …).
func (o *Options) backoff(n int) time.Duration {
	return backoff.Delay(o.Rand, o.RetryMin, o.RetryMax, n)
}
