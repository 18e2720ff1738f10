package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

func TestChannelLimits(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		q := start(t, outbox.Options{Send: newFake().Send, MaxChannelEntries: 2, MaxBytes: 4000})
		enqueue(t, q, "a", 2)
		enqueue(t, q, "b", 1)
		var full *outbox.FullError
		_, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"})
		if !errors.As(err, &full) || !errors.Is(err, outbox.ErrFull) || full.Channel != "a" || full.Entries != 2 {
			t.Errorf("third of two in a channel: %v", err)
		}
		_, err = q.Enqueue(t.Context(), outbox.Entry{Channel: "b", Text: strings.Repeat("x", 4000)})
		if !errors.As(err, &full) || full.Channel != "" || full.MaxBytes != 4000 {
			t.Errorf("more bytes than fit: %v", err)
		}
		if q.Len() != 3 {
			t.Errorf("%d open", q.Len())
		}
	})
}

// TestPace drains 200 messages at 100 a second and 20 at once.
func TestPace(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		q := start(t, outbox.Options{Send: f.Send})
		q.SetPace(outbox.Pace{PerSecond: 100, Burst: 20})
		ids := enqueue(t, q, "a", 200)
		q.SetReady(true)
		synctest.Wait()
		if n := len(f.stored("a")); n != 20 {
			t.Errorf("%d at once, want 20", n)
		}
		if err := isBlocked(q, ids[199], outbox.BlockedRate); err != nil {
			t.Error(err)
		}
		if next := time.Until(q.State().NextTry); next <= 0 || next > 20*time.Millisecond {
			t.Errorf("next try in %v", next)
		}
		began := time.Now()
		settle(t, q, 3*time.Second)
		if took := time.Since(began); took < 1800*time.Millisecond || took > 2*time.Second {
			t.Errorf("the other 180 took %v", took)
		}
		wantStored(t, f, "a", ids)
	})
}

func TestBlockedAndPause(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		q := start(t, outbox.Options{Send: f.Send})
		ids := enqueue(t, q, "a", 2)
		s := q.State()
		if s.Blocked[outbox.BlockedNetwork] != 2 || s.Oldest.IsZero() || s.Err != nil {
			t.Errorf("state: %+v", s)
		}
		q.Pause(true)
		q.SetReady(true)
		time.Sleep(time.Minute)
		if err := errors.Join(isBlocked(q, ids[0], outbox.BlockedPaused), isStored(f, "a")); err != nil {
			t.Error(err)
		}
		if e := q.Entries(); len(e) != 2 || e[1].ID != ids[1] || e[1].Blocked != outbox.BlockedPaused {
			t.Errorf("entries: %+v", e)
		}
		q.Pause(false)
		settle(t, q, time.Second)
		q.SetReady(false)
		q.SetSession(false)
		id := enqueue(t, q, "a", 1)[0]
		if err := isBlocked(q, id, outbox.BlockedAuth); err != nil {
			t.Errorf("signed out: %v", err)
		}
		q.SetSession(true)
		if err := isBlocked(q, id, outbox.BlockedNetwork); err != nil {
			t.Errorf("signed in again: %v", err)
		}
	})
}

func TestBlockForATime(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		f.refuse = func(e outbox.Entry) *outbox.Refusal {
			if e.Text == "text 0" {
				return &outbox.Refusal{Code: "forbidden", Permanent: true}
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send, BatchEntries: 1, Window: 1, OnParked: func(string) outbox.Policy {
			return outbox.Policy{For: time.Minute}
		}})
		ids := enqueue(t, q, "a", 2)
		q.SetReady(true)
		time.Sleep(59 * time.Second)
		if err := isBlocked(q, ids[1], outbox.BlockedEarlier); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		wantStored(t, f, "a", ids[1:])
	})
}

// TestDiskFullWhileReplyComes has a store that can't write when the reply comes: the message is sent, and told, once, and
// the store learns of it when it can.
func TestDiskFullWhileReplyComes(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f, store := newFake(), &fakeStore{Memory: outbox.NewMemory()}
		q := start(t, outbox.Options{Send: f.Send, Store: store})
		told := make(chan int, 1)
		changes := q.Watch(t.Context())
		go func() {
			n := 0
			for c := range changes {
				if c.To == outbox.Sent {
					n++
				}
			}
			told <- n
		}()
		f.after = func(context.Context, int) error { store.setFull(true); return nil }
		ids := enqueue(t, q, "a", 2)
		q.SetReady(true)
		synctest.Wait()
		if err := errors.Join(isState(q, ids[0], outbox.Sent), isState(q, ids[1], outbox.Sent)); err != nil {
			t.Error(err)
		}
		_, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"})
		if !errors.Is(err, errStore) || q.Len() != 0 || !errors.Is(q.State().Err, errStore) {
			t.Errorf("Enqueue on a full disk: %v, %+v", err, q.State())
		}
		if e, ok, _ := store.Get(t.Context(), ids[0]); !ok || e.State != outbox.Sending {
			t.Errorf("the store has %+v", e)
		}
		time.Sleep(time.Minute)
		if n := len(f.sent()); n != 1 {
			t.Errorf("%d batches", n)
		}
		store.setFull(false)
		time.Sleep(2 * time.Second)
		if e, _, _ := store.Get(t.Context(), ids[0]); e.State != outbox.Sent {
			t.Errorf("with room again the store has %+v", e)
		}
		_ = q.Close()
		if n := <-told; n != 2 {
			t.Errorf("%d times told that something is sent", n)
		}
	})
}

// checkStoreWatched has the disk fill up and get space again: both are told, once, without anybody doing anything.
func checkStoreWatched(t *testing.T) error {
	store := &fakeStore{Memory: outbox.NewMemory()}
	q := start(t, outbox.Options{Send: newFake().Send, Store: store})
	if err := q.SetAccount(t.Context(), "ada"); err != nil {
		return err
	}
	changes := q.WatchStore(t.Context())
	next := func() (outbox.StoreChange, bool) {
		time.Sleep(5 * time.Second)
		select {
		case c := <-changes:
			return c, true
		default:
			return outbox.StoreChange{}, false
		}
	}
	if c, ok := next(); !ok || c.Err != nil {
		return fmt.Errorf("at first: %v, %v", c, ok)
	}
	store.setFull(true)
	if _, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"}); !errors.Is(err, errStore) {
		return fmt.Errorf("on a full disk: %w", err)
	}
	if c, ok := next(); !ok || !errors.Is(c.Err, errStore) || !errors.Is(q.State().Err, errStore) {
		return fmt.Errorf("on a full disk: %v, %v, %+v", c, ok, q.State())
	}
	if c, ok := next(); ok {
		return fmt.Errorf("told again: %v", c)
	}
	store.setFull(false)
	if c, ok := next(); !ok || c.Err != nil || q.State().Err != nil {
		return fmt.Errorf("with space again: %v, %v, %+v", c, ok, q.State())
	}
	if c, ok := next(); ok {
		return fmt.Errorf("told again: %v", c)
	}
	if err := q.Close(); err != nil {
		return err
	}
	if _, ok := <-changes; ok {
		return errors.New("told after the end")
	}
	return nil
}

func (s *fakeStore) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = func(outbox.Tx) (bool, bool) { return full, false }
}

// TestOneCallerWaitsForOneCommit has a slow store: one caller waits for its own commit, many share two.
func TestOneCallerWaitsForOneCommit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const slow = 10 * time.Millisecond
		store := &slowStore{Memory: outbox.NewMemory(), d: slow}
		q := start(t, outbox.Options{Send: newFake().Send, Store: store})
		for range 3 {
			began := time.Now()
			enqueue(t, q, "a", 1)
			if took := time.Since(began); took != slow {
				t.Errorf("one caller waited %v for a commit of %v", took, slow)
			}
		}
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 2*slow {
			t.Errorf("100 callers waited %v", took)
		}
	})
}

type slowStore struct {
	*outbox.Memory
	d time.Duration
}

func (s *slowStore) Commit(ctx context.Context, tx outbox.Tx) error {
	time.Sleep(s.d)
	return s.Memory.Commit(ctx, tx)
}

func FuzzSize(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\n\t\"\\<>&\u2028\u2029☃\U0001F600\x7f\b\f\r")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // no such text gets into the queue
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if n := outbox.JSONLen(s); n != len(b) {
			t.Errorf("%q has %d bytes as JSON, not %d", s, len(b), n)
		}
	})
}
