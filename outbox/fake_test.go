package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/outbox"
)

var errLost = errors.New("connection lost")

// counted is a device's count in one channel of the fake server, and what is stored there.
type counted struct {
	last uint64
	ids  []string // Seq is the place, from 1
}

// fakeServer keeps the rules of a server's Append, and misbehaves as told.
type fakeServer struct {
	mu       sync.Mutex
	channels map[string]*counted
	batches  [][]outbox.Entry
	taken    []outbox.Entry // what was stored, in the order of time
	starts   []time.Time
	refuse   func(outbox.Entry) *outbox.Refusal // for good, uses the number up
	before   func(ctx context.Context, n int) error
	after    func(ctx context.Context, n int) error
}

func newFake() *fakeServer { return &fakeServer{channels: map[string]*counted{}} }

func (f *fakeServer) Send(ctx context.Context, batch []outbox.Entry) ([]outbox.Result, error) {
	f.mu.Lock()
	f.batches = append(f.batches, batch)
	f.starts = append(f.starts, time.Now())
	n, before, after := len(f.batches), f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, n); err != nil {
			return nil, err
		}
	}
	out := f.apply(batch)
	if after != nil {
		if err := after(ctx, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *fakeServer) apply(batch []outbox.Entry) []outbox.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]outbox.Result, len(batch))
	for i, e := range batch {
		key := e.Channel
		if e.Account != "" {
			key = e.Account + "/" + e.Channel
		}
		c := f.channels[key]
		if c == nil {
			c = &counted{}
			f.channels[key] = c
		}
		if at := slices.Index(c.ids, e.ID); at >= 0 {
			c.last = max(c.last, min(e.DeviceSeq, c.last+1))
			out[i] = outbox.Result{Seq: uint64(at + 1), Time: time.Now()}
			continue
		}
		var no *outbox.Refusal
		if f.refuse != nil {
			no = f.refuse(e)
		}
		switch {
		case no != nil && !no.Permanent:
			out[i].Err = no
		case no != nil && e.DeviceSeq <= c.last+1:
			c.last = max(c.last, e.DeviceSeq)
			out[i].Err = no
		case e.DeviceSeq != c.last+1:
			out[i].Err = &outbox.Refusal{Code: outbox.CodeSeqGap, Expected: c.last + 1}
		default:
			c.last++
			c.ids = append(c.ids, e.ID)
			f.taken = append(f.taken, e)
			out[i] = outbox.Result{Seq: uint64(len(c.ids)), Time: time.Now()}
		}
	}
	return out
}

func (f *fakeServer) stored(channel string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.channels[channel]; c != nil {
		return slices.Clone(c.ids)
	}
	return nil
}

func (f *fakeServer) sent() [][]outbox.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.batches)
}

// fakeStore is a memory whose commits can be told to fail, with or without having been kept.
type fakeStore struct {
	*outbox.Memory
	mu   sync.Mutex
	fail func(tx outbox.Tx) (fail, kept bool)
	wait chan struct{} // or nil: a commit waits for it
	n    int
}

var errStore = errors.New("disk full")

func (s *fakeStore) Commit(ctx context.Context, tx outbox.Tx) error {
	s.mu.Lock()
	s.n++
	fail, wait := s.fail, s.wait
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if fail != nil {
		if failed, kept := fail(tx); failed {
			if kept {
				_ = s.Memory.Commit(ctx, tx)
			}
			return errStore
		}
	}
	return s.Memory.Commit(ctx, tx)
}

func start(t *testing.T, o outbox.Options) *outbox.Queue {
	t.Helper()
	if o.Store == nil {
		o.Store = outbox.NewMemory()
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	q, err := outbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func enqueue(t *testing.T, q *outbox.Queue, channel string, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range n {
		e, err := q.Enqueue(t.Context(), outbox.Entry{Channel: channel, Text: fmt.Sprint("text ", i)})
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = e.ID
	}
	return ids
}

// settle lets virtual time pass until the queue is empty, at most d.
func settle(t *testing.T, q *outbox.Queue, d time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) <= d {
		synctest.Wait()
		if q.Len() == 0 {
			return time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d entries still open after %v", q.Len(), d)
	return 0
}

// drained is settle for checks that return what they find.
func drained(q *outbox.Queue, d time.Duration) error {
	for began := time.Now(); time.Since(began) <= d; time.Sleep(time.Millisecond) {
		synctest.Wait()
		if q.Len() == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d entries still open after %v: %+v", q.Len(), d, q.Entries())
}

// isStored compares what the server has with what it should have.
func isStored(f *fakeServer, channel string, want ...string) error {
	if got := f.stored(channel); !slices.Equal(got, want) {
		return fmt.Errorf("server stored %q in %s, want %q", got, channel, want)
	}
	return nil
}

// isState compares an entry's state.
func isState(q *outbox.Queue, id string, want outbox.State) error {
	if e, ok := q.Get(id); !ok || e.State != want {
		return fmt.Errorf("entry is %+v (%v), want it %v", e, ok, want)
	}
	return nil
}

// isBlocked compares what an entry waits for.
func isBlocked(q *outbox.Queue, id string, want outbox.Blocked) error {
	if e, ok := q.Get(id); !ok || e.State != outbox.Queued || e.Blocked != want {
		return fmt.Errorf("entry waits for %q, want %q: %+v", e.Blocked, want, e)
	}
	return nil
}

func wantStored(t *testing.T, f *fakeServer, channel string, want []string) {
	t.Helper()
	if got := f.stored(channel); !slices.Equal(got, want) {
		t.Fatalf("server stored %d entries of %s, want %d in the order they were queued", len(got), channel, len(want))
	}
}

// seed is SEED of the environment, or a new one; it is printed where the test fails.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		n = v
	}
	t.Logf("SEED=%d", n)
	return n
}

func seededID(r *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return uuid.UUID(b).String()
}
