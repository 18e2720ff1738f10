package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// handedStore is a memory with an inlet.
type handedStore struct {
	*outbox.Memory
	mu      sync.Mutex
	handed  []outbox.Handed
	refused []string
	lost    error // or nil: no entry can be looked up
	n       int
}

// hand leaves something in the inlet.
func (s *handedStore) hand(op outbox.HandOp, e outbox.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.handed = append(s.handed, outbox.Handed{Key: fmt.Sprint(s.n), Op: op, Entry: e})
}

// left is what is still there, by its keys.
func (s *handedStore) left() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handed {
		keys = append(keys, h.Key)
	}
	return keys
}

func (s *handedStore) setLost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
}

func (s *handedStore) Handed(_ context.Context, limit int) ([]outbox.Handed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.handed[:min(limit, len(s.handed))]), nil
}

func (s *handedStore) Get(ctx context.Context, id string) (outbox.Entry, bool, error) {
	s.mu.Lock()
	err := s.lost
	s.mu.Unlock()
	if err != nil {
		return outbox.Entry{}, false, err
	}
	return s.Memory.Get(ctx, id)
}

func (s *handedStore) Commit(ctx context.Context, tx outbox.Tx) error {
	if err := s.Memory.Commit(ctx, tx); err != nil {
		return err
	}
	s.done(tx)
	return nil
}

// done removes what a transaction did.
func (s *handedStore) done(tx outbox.Tx) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = slices.DeleteFunc(s.handed, func(h outbox.Handed) bool {
		return slices.Contains(tx.Taken, h.Key) || slices.Contains(tx.Refused, h.Key)
	})
	s.refused = append(s.refused, tx.Refused...)
}

func handedID(n int) string { return fmt.Sprintf("0190b6a4-5f3c-7c1e-8a2b-%012d", n) }

// handedEntry is a message with an id of its own.
func handedEntry(n int, channel, text string) outbox.Entry {
	return outbox.Entry{ID: handedID(n), Channel: channel, Text: text}
}

func TestHandedOver(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f, store := newFake(), &handedStore{Memory: outbox.NewMemory()}
		hand := func(op outbox.HandOp, n int) { store.hand(op, handedEntry(n, "a", "x")) }
		hand(outbox.HandSend, 1)
		hand(outbox.HandSend, 2)
		hand(outbox.HandCancel, 1)
		hand(outbox.HandRetry, 2)         // it isn't parked: in vain
		hand(outbox.HandSend, -1)         // no id: refused
		hand(outbox.HandOp("dance"), 123) // nobody knows how: refused
		hand(outbox.HandDiscard, 99)      // there is none: in vain
		store.handed[2].Entry.ID = strings.ToUpper(store.handed[2].Entry.ID)
		store.handed = append(store.handed, outbox.Handed{Key: "unread", Err: errors.New("no JSON")})
		q := start(t, outbox.Options{Send: f.Send, Store: store})
		time.Sleep(300 * time.Millisecond)
		if err := errors.Join(isState(q, handedID(1), outbox.Cancelled), isBlocked(q, handedID(2), outbox.BlockedNetwork)); err != nil {
			t.Error(err)
		}
		if want := []string{"5", "6", "unread"}; !slices.Equal(store.refused, want) || q.State().Aside != 3 {
			t.Errorf("refused %v, want %v; %d set aside", store.refused, want, q.State().Aside)
		}
		hand(outbox.HandSend, 2) // again, as after a crash
		q.SetReady(true)
		time.Sleep(time.Second)
		wantStored(t, f, "a", []string{handedID(2)})
		if left := store.left(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

// checkHandedInDoubt has a store that can't tell whether it knows an id: what was handed over stays until it can, and what
// comes behind it too.
func checkHandedInDoubt(t *testing.T) error {
	f, store := newFake(), &handedStore{Memory: outbox.NewMemory(), lost: errStore}
	store.hand(outbox.HandSend, handedEntry(1, "a", "x"))
	store.hand(outbox.HandSend, handedEntry(2, "a", "x"))
	q := start(t, outbox.Options{Send: f.Send, Store: store})
	q.SetReady(true)
	time.Sleep(time.Minute)
	if left := store.left(); len(left) != 2 {
		return fmt.Errorf("in doubt, %v of 1 and 2 are left", left)
	}
	store.setLost(nil)
	time.Sleep(time.Minute)
	return isStored(f, "a", handedID(1), handedID(2))
}

// checkHandedNoRoom hands over more than fits: what is large waits, and nothing of its channel or after it overtakes it;
// another channel goes on; what makes room is done, however much waits before it.
func checkHandedNoRoom(t *testing.T) error {
	f, store := newFake(), &handedStore{Memory: outbox.NewMemory()}
	q := start(t, outbox.Options{Send: f.Send, Store: store, MaxChannelBytes: 2000})
	first, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: strings.Repeat("x", 1000)})
	if err != nil {
		return err
	}
	store.hand(outbox.HandSend, handedEntry(1, "a", strings.Repeat("x", 1000)))
	want := []string{handedID(1)}
	for n := 2; n < 150; n++ {
		store.hand(outbox.HandSend, handedEntry(n, "a", "x"))
		want = append(want, handedID(n))
	}
	after := handedEntry(200, "b", "x")
	after.After = []string{handedID(1)}
	store.hand(outbox.HandSend, after)
	store.hand(outbox.HandSend, handedEntry(300, "c", "x"))
	store.hand(outbox.HandCancel, handedEntry(149, "", "")) // of what isn't queued yet
	time.Sleep(10 * time.Second)
	if left := store.left(); len(left) != 151 || q.State().Aside != 0 {
		return fmt.Errorf("%d are left, and %d set aside: %v", len(left), q.State().Aside, left)
	}
	store.hand(outbox.HandCancel, outbox.Entry{ID: first.ID})
	time.Sleep(time.Second)
	q.SetReady(true)
	if err := drainedInlet(q, store); err != nil {
		return err
	}
	return errors.Join(isStored(f, "a", want[:148]...), isStored(f, "b", handedID(200)), isStored(f, "c", handedID(300)),
		isState(q, first.ID, outbox.Cancelled), isState(q, handedID(149), outbox.Cancelled))
}

// doubtful is a handedStore with a commit that is kept and reported as failed, after which one entry can't be looked up.
type doubtful struct {
	*handedStore
	doubt atomic.Bool
	lost  string
	known atomic.Bool // it can be looked up again
}

func (s *doubtful) Commit(ctx context.Context, tx outbox.Tx) error {
	if s.doubt.CompareAndSwap(true, false) {
		_ = s.Memory.Commit(ctx, tx)
		return errStore
	}
	return s.handedStore.Commit(ctx, tx)
}

func (s *doubtful) Get(ctx context.Context, id string) (outbox.Entry, bool, error) {
	if id == s.lost && !s.doubt.Load() && !s.known.Load() {
		return outbox.Entry{}, false, errStore
	}
	return s.handedStore.Get(ctx, id)
}

// TestHandedOverKeepsItsPlace: two are kept by a commit that is reported as failed, and then only the first can be looked
// up before the process ends. The next one still sends it first.
func TestHandedOverKeepsItsPlace(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f, store := newFake(), &doubtful{handedStore: &handedStore{Memory: outbox.NewMemory()}, lost: handedID(2)}
		store.hand(outbox.HandSend, handedEntry(1, "a", "x"))
		store.hand(outbox.HandSend, handedEntry(2, "a", "x"))
		store.doubt.Store(true)
		q := start(t, outbox.Options{Send: f.Send, Store: store})
		time.Sleep(10 * time.Second)
		_ = q.Close()
		if left := store.left(); len(left) != 1 {
			t.Fatalf("left: %v", left)
		}
		store.known.Store(true)
		q = start(t, outbox.Options{Send: f.Send, Store: store})
		q.SetReady(true)
		settle(t, q, time.Minute)
		wantStored(t, f, "a", []string{handedID(1), handedID(2)})
	})
}

// drainedInlet waits until everything that was handed over is sent.
func drainedInlet(q *outbox.Queue, store *handedStore) error {
	for range 60 {
		time.Sleep(time.Second)
		if len(store.left()) == 0 && q.Len() == 0 {
			return nil
		}
	}
	return fmt.Errorf("left: %v, and %d in the queue", store.left(), q.Len())
}

// TestHandedManyAtOnce hands over more than is taken at once, while nothing else wakes the queue.
func TestHandedManyAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		store := &handedStore{Memory: outbox.NewMemory()}
		for n := range 250 {
			store.hand(outbox.HandSend, handedEntry(n, "a", "x"))
		}
		q := start(t, outbox.Options{Send: newFake().Send, Store: store})
		time.Sleep(time.Second)
		if n := q.Len(); n != 250 {
			t.Errorf("%d of 250 are taken", n)
		}
	})
}
