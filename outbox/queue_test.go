package outbox_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

func TestPipelinedOrder(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		f.before = func(_ context.Context, n int) error { // a batch behind another arrives after it
			time.Sleep(50*time.Millisecond + time.Duration(n)*time.Microsecond)
			return nil
		}
		f.after = f.before
		q := start(t, outbox.Options{Send: f.Send, Window: 4, BatchEntries: 5})
		a, b := enqueue(t, q, "a", 40), enqueue(t, q, "b", 40)
		if n := len(f.sent()); n != 0 {
			t.Fatalf("%d batches sent before SetReady", n)
		}
		if e, _ := q.Get(a[0]); e.Attempt != 0 || e.DeviceSeq != 0 || e.State != outbox.Queued {
			t.Fatalf("not ready, and yet %+v", e)
		}
		q.SetReady(true)
		if took := settle(t, q, time.Second); took > 450*time.Millisecond {
			t.Errorf("80 entries in batches of 5, 4 at once, RTT 100ms took %v", took)
		}
		wantStored(t, f, "a", a)
		wantStored(t, f, "b", b)
	})
}

func TestUnknownOutcomeSendsTheSameAgain(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after bool
	}{{"before the server took it", true, false}, {"after", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				f := newFake()
				fail := func(_ context.Context, n int) error {
					if n <= 3 {
						return errLost
					}
					return nil
				}
				if tt.before {
					f.before = fail
				} else {
					f.after = fail
				}
				q := start(t, outbox.Options{Send: f.Send, Window: 1})
				ids := enqueue(t, q, "a", 3)
				q.SetReady(true)
				settle(t, q, 5*time.Second)
				wantStored(t, f, "a", ids)
				for _, batch := range f.sent() {
					for k, e := range batch {
						if e.ID != ids[k] || e.DeviceSeq != uint64(k+1) {
							t.Fatalf("sent %s as number %d at place %d", e.ID, e.DeviceSeq, k)
						}
					}
				}
				if e, _ := q.Get(ids[0]); e.State != outbox.Sent || e.Seq != 1 || e.Attempt != 4 || e.Err != "" {
					t.Errorf("in the end %+v", e)
				}
			})
		})
	}
}

// TestServerCountsDifferently has a server that was restored from a backup (it expects less), and a device that was
// (the server expects more).
func TestServerCountsDifferently(t *testing.T) {
	for name, last := range map[string]uint64{"server lost its count": 0, "server is ahead": 9} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				f := newFake()
				q := start(t, outbox.Options{Send: f.Send})
				q.SetReady(true)
				first := enqueue(t, q, "a", 5)
				settle(t, q, time.Second)
				f.mu.Lock()
				f.channels["a"].last = last
				f.mu.Unlock()
				more := enqueue(t, q, "a", 7)
				settle(t, q, 2*time.Second)
				wantStored(t, f, "a", append(first, more...))
			})
		})
	}
}

// TestStaleGapDoesNotReorder has a refusal for a gap that arrives after the gap was closed, and entries queued behind.
func TestStaleGapDoesNotReorder(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		f.before = func(_ context.Context, n int) error { // the first batch is overtaken by the second
			if n == 1 {
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		}
		f.after = func(_ context.Context, n int) error {
			if n == 2 {
				time.Sleep(50 * time.Millisecond)
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send, Window: 2, BatchEntries: 2})
		q.SetReady(true)
		ids := enqueue(t, q, "a", 2)
		ids = append(ids, enqueue(t, q, "a", 9)...)
		settle(t, q, 5*time.Second)
		wantStored(t, f, "a", ids)
	})
}

func TestPermanentRefusalParks(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		f.refuse = func(e outbox.Entry) *outbox.Refusal {
			if e.Text == "text 1" {
				return &outbox.Refusal{Code: "too_large", Permanent: true}
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send})
		ids := enqueue(t, q, "a", 3)
		q.SetReady(true)
		settle(t, q, time.Second)
		if e, _ := q.Get(ids[1]); e.State != outbox.Parked || e.Err != "too_large" || e.DeviceSeq != 2 {
			t.Errorf("refused: %+v", e)
		}
		wantStored(t, f, "a", []string{ids[0], ids[2]})
		if n := len(f.sent()); n > 3 {
			t.Errorf("%d batches", n)
		}
	})
}

func TestRetryAfterIsExact(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		began := time.Now()
		f.refuse = func(outbox.Entry) *outbox.Refusal {
			if time.Since(began) < 7*time.Second {
				return &outbox.Refusal{Code: "rate_limited", RetryAfter: 7 * time.Second}
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send})
		q.SetReady(true)
		ids := enqueue(t, q, "a", 2)
		time.Sleep(time.Second)
		enqueue(t, q, "b", 1) // waits too: the limit is the user's
		n := len(f.sent())
		time.Sleep(6*time.Second - time.Nanosecond)
		synctest.Wait()
		if got := len(f.sent()); got != n || q.Len() != 3 {
			t.Fatalf("%d batches before the time the server named, %d open", got-n, q.Len())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if q.Len() != 0 {
			t.Fatalf("%d open at the time that the server named", q.Len())
		}
		wantStored(t, f, "a", ids)
	})
}

func TestReadinessEndsSendsAndWaits(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		hang := true
		f.before = func(ctx context.Context, _ int) error {
			if hang {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send})
		ids := enqueue(t, q, "a", 2)
		q.SetReady(true)
		synctest.Wait()
		q.SetReady(false)
		synctest.Wait()
		time.Sleep(time.Hour)
		if n := len(f.sent()); n != 1 {
			t.Fatalf("%d batches while not ready", n)
		}
		hang = false
		q.SetReady(true)
		synctest.Wait()
		if q.Len() != 0 {
			t.Fatal("becoming ready didn't send at once")
		}
		wantStored(t, f, "a", ids)
	})
}

func TestDeliveredAndCancel(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		f.before = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		q := start(t, outbox.Options{Send: f.Send, BatchEntries: 1, Window: 1})
		ids := enqueue(t, q, "a", 3)
		q.SetReady(true)
		synctest.Wait()
		if err := q.Cancel(t.Context(), ids[0]); !errors.Is(err, outbox.ErrNotQueued) {
			t.Errorf("cancel of what is being sent: %v", err)
		}
		if err := q.Cancel(t.Context(), strings.ToUpper(ids[1])); err != nil {
			t.Errorf("cancel of what is queued: %v", err)
		}
		if err := q.Cancel(t.Context(), "nothing"); !errors.Is(err, outbox.ErrNotFound) {
			t.Errorf("cancel of nothing: %v", err)
		}
		q.Delivered(ids[0], 41)
		q.Delivered("nothing", 1)
		synctest.Wait()
		if e, _ := q.Get(ids[0]); e.State != outbox.Sent || e.Seq != 41 {
			t.Errorf("seen on the stream: %+v", e)
		}
		if e, _ := q.Get(ids[1]); e.State != outbox.Cancelled {
			t.Errorf("cancelled: %+v", e)
		}
		if s := q.State(); s.Queued != 1 || s.Sending != 0 || s.Bytes <= 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestSameIDAndLimits(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		q := start(t, outbox.Options{Send: f.Send, MaxEntries: 2})
		ids := enqueue(t, q, "a", 2)
		e, err := q.Enqueue(t.Context(), outbox.Entry{ID: strings.ToUpper(ids[0]), Channel: "b", Text: "other"})
		if err != nil || e.Channel != "a" || q.Len() != 2 {
			t.Errorf("the same id again: %+v, %v, %d open", e, err, q.Len())
		}
		if _, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"}); !errors.Is(err, outbox.ErrFull) {
			t.Errorf("third of two: %v", err)
		}
		for field, e := range map[string]outbox.Entry{
			"id":          {ID: "no uuid", Channel: "a", Text: "x"},
			"channel":     {Text: "x"},
			"text":        {Channel: "a", Text: "\xff"},
			"attachments": {Channel: "a", Attachments: []byte("{")},
			"entry":       {Channel: "a", Text: strings.Repeat("\x01", 16<<10)},
		} {
			var invalid *outbox.InvalidError
			if _, err := q.Enqueue(t.Context(), e); !errors.As(err, &invalid) || invalid.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		q.SetReady(true)
		settle(t, q, time.Second)
		if e, err := q.Enqueue(t.Context(), outbox.Entry{ID: ids[1], Channel: "a", Text: "x"}); err != nil || e.State != outbox.Sent {
			t.Errorf("a sent id again: %+v, %v", e, err)
		}
	})
}

// TestPoisonParksOnlyTheCulprit has two channels whose batches mix, so that the culprit is never alone by chance.
func TestPoisonParksOnlyTheCulprit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := newFake()
		send := func(ctx context.Context, batch []outbox.Entry) ([]outbox.Result, error) {
			if slices.ContainsFunc(batch, func(e outbox.Entry) bool { return e.Channel == "b" && e.Text == "text 1" }) {
				panic("cannot encode")
			}
			return f.Send(ctx, batch)
		}
		q := start(t, outbox.Options{Send: send})
		a, b := enqueue(t, q, "a", 5), enqueue(t, q, "b", 4)
		q.SetReady(true)
		settle(t, q, 20*time.Second)
		if e, _ := q.Get(b[1]); e.State != outbox.Parked || !strings.Contains(e.Err, "cannot encode") {
			t.Errorf("culprit: %+v", e)
		}
		wantStored(t, f, "a", a)
		wantStored(t, f, "b", []string{b[0], b[2], b[3]})
	})
}

func TestGroupCommitAndLostCaller(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		store := &fakeStore{Memory: outbox.NewMemory(), wait: make(chan struct{})}
		q := start(t, outbox.Options{Send: newFake().Send, Store: store})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 50 {
			go func() {
				if e, err := q.Enqueue(ctx, outbox.Entry{Channel: "a", Text: "x"}); !errors.Is(err, context.DeadlineExceeded) || e.ID != "" {
					t.Errorf("%+v, %v from a store that stands still", e, err)
				}
			}()
		}
		synctest.Wait()
		if q.Len() != 0 {
			t.Errorf("%d entries shown before the store has them", q.Len())
		}
		time.Sleep(2 * time.Second)
		close(store.wait)
		synctest.Wait()
		store.mu.Lock()
		defer store.mu.Unlock()
		if store.n > 2 {
			t.Errorf("50 callers at once cost %d commits", store.n)
		}
	})
}

func TestCloseAtAnyMoment(t *testing.T) {
	for after := range 12 {
		bubble.Run(t, func(t *testing.T) {
			f := newFake()
			f.before = func(ctx context.Context, _ int) error {
				select {
				case <-time.After(3 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			store := outbox.NewMemory()
			q := start(t, outbox.Options{Send: f.Send, Store: store, BatchEntries: 2})
			changes := q.Watch(t.Context())
			ids := enqueue(t, q, "a", 9)
			q.SetReady(true)
			time.Sleep(time.Duration(after) * time.Millisecond)
			_ = q.Close()
			_ = q.Close()
			for range changes { // ends
			}
			if _, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x"}); !errors.Is(err, outbox.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Enqueue after Close: %v", err)
			}
			if err := q.Start(); !errors.Is(err, outbox.ErrClosed) {
				t.Errorf("Start after Close: %v", err)
			}
			q = start(t, outbox.Options{Send: f.Send, Store: store})
			q.SetReady(true)
			settle(t, q, time.Second)
			wantStored(t, f, "a", ids)
		})
	}
}
