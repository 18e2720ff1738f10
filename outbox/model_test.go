package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// dice is a random source for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
	on bool // misbehaving
}

func (d *dice) hit(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.on && d.r.Float64() < p
}

func (d *dice) wait(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.r.Int64N(int64(most)))
}

func (d *dice) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = false
}

// model is one random run: queue, misbehaving server and store, and what the application knows.
type model struct {
	d       *dice
	f       *fakeServer
	store   *fakeStore
	want    map[string][]string // acknowledged by Enqueue, in order
	dropped map[string]bool     // cancelled
	refused map[string]bool     // the server refuses these ids for good
}

func newModel(n uint64) *model {
	m := &model{
		d: &dice{r: rand.New(rand.NewPCG(n, 1)), on: true}, f: newFake(), store: &fakeStore{Memory: outbox.NewMemory()},
		want: map[string][]string{}, dropped: map[string]bool{}, refused: map[string]bool{},
	}
	fault := func(ctx context.Context, _ int) error {
		if m.d.hit(0.2) {
			return errLost
		}
		if m.d.hit(0.02) {
			panic("Send is broken")
		}
		select {
		case <-time.After(m.d.wait(80 * time.Millisecond)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.f.before, m.f.after = fault, fault
	m.f.refuse = func(e outbox.Entry) *outbox.Refusal {
		switch {
		case m.refused[e.ID]:
			return &outbox.Refusal{Code: "too_large", Permanent: true}
		case m.d.hit(0.03):
			return &outbox.Refusal{Code: "rate_limited", RetryAfter: 40 * time.Millisecond}
		}
		return nil
	}
	m.store.fail = func(outbox.Tx) (bool, bool) { return m.d.hit(0.1), m.d.hit(0.5) }
	return m
}

// step is one thing that the application or the network does.
func (m *model) step(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	switch k := r.IntN(20); {
	case k < 12:
		m.enqueue(t, q, r)
	case k < 14:
		q.SetReady(false)
	case k < 17:
		q.SetReady(true)
	case k < 18:
		m.deliver(q, r)
	case k < 19:
		ch := fmt.Sprint("c", r.IntN(3))
		m.f.mu.Lock()
		last := uint64(0)
		if c := m.f.channels[ch]; c != nil {
			last = c.last
		}
		m.f.mu.Unlock()
		q.Settle(ch, last)
	default:
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
	}
}

// deliver shows the queue something that the server stored, as the stream would.
func (m *model) deliver(q *outbox.Queue, r *rand.Rand) {
	if ids := m.f.stored(fmt.Sprint("c", r.IntN(3))); len(ids) > 0 {
		at := r.IntN(len(ids))
		q.Delivered(ids[at], uint64(at+1))
	}
}

func (m *model) enqueue(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	e := outbox.Entry{ID: seededID(r), Channel: fmt.Sprint("c", r.IntN(3)), Text: "text"}
	m.f.mu.Lock()
	m.refused[e.ID] = r.IntN(15) == 0
	m.f.mu.Unlock()
	for { // the store fails now and then; the same id again is safe
		if _, err := q.Enqueue(t.Context(), e); err == nil {
			break
		}
	}
	m.want[e.Channel] = append(m.want[e.Channel], e.ID)
	for again := r.IntN(10) == 0; again; {
		err := q.Cancel(t.Context(), e.ID)
		again = errors.Is(err, errStore) // it may have been kept or not; asking again tells
		m.dropped[e.ID] = err == nil
	}
}

func (m *model) check(t *testing.T, q *outbox.Queue) {
	for ch, ids := range m.want {
		var stored []string
		for _, id := range ids {
			e, ok := q.Get(id)
			want := outbox.Sent
			switch {
			case m.dropped[id]:
				want = outbox.Cancelled
			case m.refused[id]:
				want = outbox.Parked
			default:
				stored = append(stored, id)
			}
			if e.State == outbox.Parked && e.Err != "too_large" {
				t.Fatalf("%s is parked: %s", id, e.Err)
			}
			if !ok || e.State != want {
				t.Fatalf("%s is %v (%v), want %v", id, e.State, ok, want)
			}
			if want == outbox.Sent && e.Seq != uint64(slices.Index(m.f.stored(ch), id)+1) {
				t.Fatalf("%s has Seq %d", id, e.Seq)
			}
		}
		wantStored(t, m.f, ch, stored)
	}
}

// TestModel runs random use against a server, a network and a store that misbehave, with restarts: every entry is
// stored once and in order, changes form a chain, and all is settled soon after everything works again.
func TestModel(t *testing.T) {
	base := seed(t)
	for k := range uint64(12) {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) { runModel(t, base+k) })
		})
	}
}

func runModel(t *testing.T, n uint64) {
	m := newModel(n)
	r := rand.New(rand.NewPCG(n, 2))
	o := outbox.Options{
		Send: m.f.Send, Store: m.store, Window: 1 + r.IntN(5), BatchEntries: 1 + r.IntN(8),
		SendTimeout: 2 * time.Second, Rand: rand.New(rand.NewPCG(n, 3)),
	}
	q := start(t, o)
	chain := watchChain(t, q)
	for i := range 300 {
		m.step(t, q, r)
		if i%100 == 99 { // the process ends and begins again
			_ = q.Close()
			chain()
			q = start(t, o)
			chain = watchChain(t, q)
		}
	}
	m.d.heal()
	q.SetReady(false)
	q.SetReady(true)
	settle(t, q, 30*time.Second) // one at a time, 160ms each at most, a hundred take half of it
	_ = q.Close()
	chain()
	m.check(t, start(t, o))
}

// watchChain follows Watch; the function that it returns waits for its end and checks that each entry's changes follow
// on each other.
func watchChain(t *testing.T, q *outbox.Queue) func() {
	t.Helper()
	changes := q.Watch(t.Context())
	done := make(chan error, 1)
	go func() {
		at := map[string]outbox.State{}
		var err error
		for c := range changes {
			was, known := at[c.Entry.ID]
			fresh := c.Reason == outbox.ReasonPresent || c.Reason == outbox.ReasonEnqueued
			if err == nil && (fresh == known || known && was != c.From || c.Entry.State != c.To) {
				err = fmt.Errorf("%s was %v (known %v), and then %v -> %v (%s)", c.Entry.ID, was, known, c.From, c.To, c.Reason)
			}
			at[c.Entry.ID] = c.To
		}
		done <- err
	}()
	return func() {
		t.Helper()
		synctest.Wait()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
