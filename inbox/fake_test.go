package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

var errFetch = errors.New("no answer")

// history is a server's table of one channel, and how it misbehaves.
type history struct {
	mu      sync.Mutex
	n       uint64 // messages 1..n
	life    int    // counts restores from a backup
	fetches int
	handed  int                                                            // messages in all pages
	answer  func(after uint64, limit int) ([]inbox.Message, uint64, error) // or nil: the truth
	delay   time.Duration
}

func (h *history) message(seq uint64) inbox.Message {
	return inbox.Message{Channel: "c", Seq: seq, ID: fmt.Sprint(h.life, "-", seq), Text: "text"}
}

func (h *history) fetch(ctx context.Context, _ string, after uint64, limit int) ([]inbox.Message, uint64, error) {
	h.mu.Lock()
	h.fetches++
	delay, answer := h.delay, h.answer
	h.mu.Unlock()
	if answer != nil {
		return answer(after, limit)
	}
	out, last := h.page(after, limit)
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	return out, last, nil
}

func (h *history) page(after uint64, limit int) (out []inbox.Message, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for seq := after + 1; seq <= h.n && len(out) < limit; seq++ {
		out = append(out, h.message(seq))
	}
	h.handed += len(out)
	return out, h.n
}

func (h *history) set(n uint64) { h.mu.Lock(); defer h.mu.Unlock(); h.n = n }
func (h *history) setAnswer(f func(after uint64, limit int) ([]inbox.Message, uint64, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func (h *history) asked() int   { h.mu.Lock(); defer h.mu.Unlock(); return h.fetches }
func (h *history) gave() int    { h.mu.Lock(); defer h.mu.Unlock(); return h.handed }
func (h *history) last() uint64 { h.mu.Lock(); defer h.mu.Unlock(); return h.n }
func (h *history) push() inbox.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return h.message(h.n)
}

func (h *history) at(seq uint64) inbox.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.message(seq)
}

// brokenStore fails as told.
type brokenStore struct {
	*inbox.Memory
	fail func() bool
}

var errStore = errors.New("disk full")

func (s brokenStore) Commit(ctx context.Context, tx inbox.Tx) error {
	if s.fail() {
		return errStore
	}
	return s.Memory.Commit(ctx, tx)
}

func (s brokenStore) Page(ctx context.Context, ch string, after uint64, limit int) ([]inbox.Message, error) {
	if s.fail() {
		return nil, errStore
	}
	return s.Memory.Page(ctx, ch, after, limit)
}

func (s brokenStore) Forget(ctx context.Context, ch string, after uint64) error {
	if s.fail() {
		return errStore
	}
	return s.Memory.Forget(ctx, ch, after)
}

func start(t *testing.T, o inbox.Options) *inbox.Inbox {
	t.Helper()
	if o.Store == nil {
		o.Store = inbox.NewMemory()
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	i, err := inbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := i.Start(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = i.Close() })
	i.NetworkUp(true)
	return i
}

// reading is a loop over the channel that notes what it sees.
type reading struct {
	mu   sync.Mutex
	seen []inbox.Message
	end  error
	stop context.CancelFunc
	done chan struct{}
}

func read(t *testing.T, i *inbox.Inbox, from inbox.From, pause time.Duration) *reading {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &reading{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for m, err := range i.Read(ctx, "c", from) {
			r.mu.Lock()
			if r.end = err; err == nil {
				r.seen = append(r.seen, m)
			}
			r.mu.Unlock()
			time.Sleep(pause)
		}
	}()
	t.Cleanup(func() { cancel(); <-r.done })
	return r
}

func (r *reading) seqs() (out []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.seen {
		out = append(out, m.Seq)
	}
	return out
}

// want checks that a loop saw first..last once and in order.
func (r *reading) want(t *testing.T, first, last uint64) {
	t.Helper()
	got := r.seqs()
	for k, seq := range got {
		if seq != first+uint64(k) {
			t.Fatalf("message %d at place %d, which should be %d", seq, k, first+uint64(k))
		}
	}
	if want := int(last + 1 - first); len(got) != want {
		t.Fatalf("%d messages seen, want %d (%d to %d)", len(got), want, first, last)
	}
}
