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

// told is what the application knows of one entry.
type told struct {
	outbox.Entry      // as it was queued, with the text of the last edit that succeeded
	dropped      bool // cancelled or discarded by the application
	refused      bool // the server refuses it for good, for now
	retried      bool // so it may come after later ones
	handed       bool // by another process: in order among those alone, since nobody knows when they are taken
	maybe        bool // the other process wanted it cancelled, and may have been too late
	place        int  // in which order they were queued
}

// modelStore is a store with an inlet, which fails now and then like the rest of it.
type modelStore struct {
	*fakeStore
	d  *dice
	in *handedStore // its inlet alone
}

func (s *modelStore) Handed(ctx context.Context, limit int) ([]outbox.Handed, error) {
	all, err := s.in.Handed(ctx, limit)
	if s.d.hit(0.1) {
		return all[:len(all)/2], errStore
	}
	return all, err
}

func (s *modelStore) Get(ctx context.Context, id string) (outbox.Entry, bool, error) {
	if s.d.hit(0.1) {
		return outbox.Entry{}, false, errStore
	}
	return s.fakeStore.Get(ctx, id)
}

func (s *modelStore) Commit(ctx context.Context, tx outbox.Tx) error {
	err := s.fakeStore.Commit(ctx, tx)
	if err == nil {
		s.in.done(tx)
	}
	return err
}

// model is one random run: queue, misbehaving server and store, and what the application knows.
type model struct {
	d     *dice
	f     *fakeServer
	store *modelStore
	told  map[string]*told // guarded by f.mu
	ids   []string         // in the order of Enqueue
}

func newModel(n uint64) *model {
	d := &dice{r: rand.New(rand.NewPCG(n, 1)), on: true}
	m := &model{
		d: d, f: newFake(), told: map[string]*told{},
		store: &modelStore{fakeStore: &fakeStore{Memory: outbox.NewMemory()}, d: d, in: &handedStore{}},
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
		case m.told[e.ID] != nil && m.told[e.ID].refused:
			return &outbox.Refusal{Code: "too_large", Permanent: true}
		case m.d.hit(0.03):
			return &outbox.Refusal{Code: "rate_limited", RetryAfter: 40 * time.Millisecond}
		case m.d.hit(0.03):
			return &outbox.Refusal{Code: "token_expired"}
		}
		return nil
	}
	m.store.fail = func(outbox.Tx) (bool, bool) { return m.d.hit(0.1), m.d.hit(0.5) }
	return m
}

// step is one thing that the application or the network does.
func (m *model) step(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	switch k := r.IntN(28); {
	case k >= 26:
		m.handCancel(r)
	case k >= 24:
		m.handOver(q, r)
	case k < 12:
		m.enqueue(t, q, r)
	case k < 14:
		q.SetReady(false)
	case k < 17:
		q.SetReady(true)
	case k < 18:
		m.deliver(q, r)
	case k < 19:
		account, ch := q.State().Account, fmt.Sprint("c", r.IntN(3))
		m.f.mu.Lock()
		last := uint64(0)
		if c := m.f.channels[account+"/"+ch]; c != nil {
			last = c.last
		}
		m.f.mu.Unlock()
		q.Settle(ch, last)
	case k < 20:
		m.signIn(t, q, fmt.Sprint("u", r.IntN(2)))
		q.SetReady(true)
	case k < 22:
		m.edit(t, q, r)
	default:
		time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
	}
}

// insist repeats what a store that fails now and then refused.
func insist(f func() error) error {
	for {
		if err := f(); !errors.Is(err, errStore) {
			return err
		}
	}
}

func (m *model) signIn(t *testing.T, q *outbox.Queue, account string) {
	if err := insist(func() error { return q.SetAccount(t.Context(), account) }); err != nil {
		t.Fatal(err)
	}
}

// deliver shows the queue something that the server stored, as the stream would.
func (m *model) deliver(q *outbox.Queue, r *rand.Rand) {
	if ids := m.f.stored(fmt.Sprintf("u%d/c%d", r.IntN(2), r.IntN(3))); len(ids) > 0 {
		at := r.IntN(len(ids))
		q.Delivered(ids[at], uint64(at+1))
	}
}

func (m *model) enqueue(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	e := outbox.Entry{ID: seededID(r), Account: q.State().Account, Channel: fmt.Sprint("c", r.IntN(3)), Text: "text"}
	if len(m.ids) > 0 && r.IntN(8) == 0 {
		if id := m.ids[len(m.ids)-1-r.IntN(min(len(m.ids), 20))]; m.told[id].Account == e.Account && !m.told[id].handed {
			e.After = []string{id}
		}
	}
	m.f.mu.Lock()
	m.told[e.ID] = &told{Entry: e, refused: r.IntN(15) == 0, place: len(m.ids)}
	m.f.mu.Unlock()
	err := insist(func() error { _, err := q.Enqueue(t.Context(), e); return err }) // the same id again is safe
	var invalid *outbox.InvalidError
	if errors.As(err, &invalid) && len(e.After) > 0 && m.lost(e.After[0]) { // after what was given up
		m.f.mu.Lock()
		defer m.f.mu.Unlock()
		delete(m.told, e.ID)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.ids = append(m.ids, e.ID)
	if r.IntN(10) == 0 {
		err := insist(func() error { return q.Cancel(t.Context(), e.ID) })
		m.told[e.ID].dropped = err == nil
	}
}

// handOver has another process leave a few messages.
func (m *model) handOver(q *outbox.Queue, r *rand.Rand) {
	for range 1 + r.IntN(4) {
		e := outbox.Entry{ID: seededID(r), Account: q.State().Account, Channel: fmt.Sprint("c", r.IntN(3)), Text: "handed"}
		m.f.mu.Lock()
		m.told[e.ID] = &told{Entry: e, refused: r.IntN(15) == 0, handed: true, place: len(m.ids)}
		m.f.mu.Unlock()
		m.ids = append(m.ids, e.ID)
		m.store.in.hand(outbox.HandSend, e)
	}
}

// handCancel has another process cancel a recent message of its own.
func (m *model) handCancel(r *rand.Rand) {
	if len(m.ids) == 0 {
		return
	}
	if v := m.told[m.ids[len(m.ids)-1-r.IntN(min(len(m.ids), 10))]]; v.handed {
		v.maybe = true
		m.store.in.hand(outbox.HandCancel, outbox.Entry{ID: v.ID})
	}
}

// edit changes a recent entry, if it is still queued.
func (m *model) edit(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	if len(m.ids) == 0 {
		return
	}
	v := m.told[m.ids[len(m.ids)-1-r.IntN(min(len(m.ids), 20))]]
	text := fmt.Sprint("edited ", r.Uint32())
	err := insist(func() error { _, err := q.Edit(t.Context(), outbox.Entry{ID: v.ID, Text: text}); return err })
	if err == nil {
		v.Text = text
	} else if !errors.Is(err, outbox.ErrNotQueued) && (!v.handed || !errors.Is(err, outbox.ErrNotFound)) {
		t.Fatal(err)
	}
}

// lost says whether an entry, or one that it goes after, was given up.
func (m *model) lost(id string) bool {
	v := m.told[id]
	return v.dropped || len(v.After) > 0 && m.lost(v.After[0])
}

// finish lets everything arrive: each account in turn, and what is parked is sent again or given up.
func (m *model) finish(t *testing.T, q *outbox.Queue, r *rand.Rand) {
	for range 8 {
		for _, account := range []string{"u0", "u1"} {
			m.signIn(t, q, account)
			q.SetReady(true)
			time.Sleep(30 * time.Second) // one at a time, 160ms each at most, a hundred take half of it
		}
		for _, e := range q.Entries() {
			if e.State != outbox.Parked {
				continue
			}
			v := m.told[e.ID]
			if again := r.IntN(2) == 0; again {
				m.f.mu.Lock()
				v.retried, v.refused = true, false
				m.f.mu.Unlock()
				if err := q.Retry(t.Context(), e.ID); err != nil {
					t.Fatal(err)
				}
			} else if err := q.Discard(t.Context(), e.ID); err != nil {
				t.Fatal(err)
			} else {
				v.dropped = true
			}
		}
	}
	if s := q.State(); s.Queued+s.Sending+s.Parked+s.Aside != 0 || len(m.store.in.left()) != 0 {
		t.Fatalf("in the end: %+v, %+v; handed over and left: %v", s, q.Entries(), m.store.in.left())
	}
}

func (m *model) check(t *testing.T, q *outbox.Queue) {
	when := map[string]int{} // from 1
	type way struct {
		outbox.Lane
		handed bool
	}
	last := map[way]int{}
	for i, e := range m.f.taken {
		v := m.told[e.ID]
		switch {
		case when[e.ID] != 0:
			t.Fatalf("%s is stored twice", e.ID)
		case v == nil || e.Account != v.Account || e.Channel != v.Channel || e.Text != v.Text:
			t.Fatalf("stored %+v, of which was told %+v", e, v)
		case len(v.After) > 0 && when[v.After[0]] == 0:
			t.Fatalf("%s is stored before what it goes after", e.ID)
		case !v.retried && v.place < last[way{e.Lane(), v.handed}]:
			t.Fatalf("%s is stored after later ones", e.ID)
		}
		when[e.ID] = i + 1
		if !v.retried {
			last[way{e.Lane(), v.handed}] = v.place
		}
	}
	for _, id := range m.ids {
		e, ok := q.Get(id)
		want := outbox.Sent
		if m.lost(id) || m.told[id].maybe && when[id] == 0 {
			want = outbox.Cancelled
		}
		if !ok || e.State != want || (want == outbox.Sent) != (when[id] != 0) {
			t.Fatalf("%s is %v (%s), want %v; stored %v", id, e.State, e.Err, want, when[id] != 0)
		}
		stored := m.f.stored(e.Account + "/" + e.Channel)
		if want == outbox.Sent && e.Seq != uint64(slices.Index(stored, id)+1) {
			t.Fatalf("%s has Seq %d", id, e.Seq)
		}
	}
}

// TestModel runs random use against a server, a network and a store that misbehave, with restarts: every entry is
// stored once, in order, by its own account and with its last text, changes form a chain, and all is settled soon after
// everything works again.
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
		SendTimeout: 2 * time.Second, Rand: rand.New(rand.NewPCG(n, 3)), Pace: outbox.Pace{PerSecond: float64(r.IntN(2) * 200), Burst: 20},
	}
	q := start(t, o)
	m.signIn(t, q, "u0")
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
	m.finish(t, q, r)
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
			if !known && c.From == outbox.Parked { // of a former run
				was, known = outbox.Parked, true
			}
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
