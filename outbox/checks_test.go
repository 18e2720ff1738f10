package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
)

// checkAckKept restarts after everything was acknowledged: nothing is sent again.
func checkAckKept(t *testing.T) error {
	f, store := newFake(), outbox.NewMemory()
	q := start(t, outbox.Options{Send: f.Send, Store: store})
	ids := enqueue(t, q, "a", 3)
	q.SetReady(true)
	if err := drained(q, time.Second); err != nil {
		return err
	}
	_ = q.Close()
	sent := len(f.sent())
	q = start(t, outbox.Options{Send: f.Send, Store: store})
	if err := isState(q, ids[0], outbox.Sent); err != nil {
		return err
	}
	q.SetReady(true)
	time.Sleep(time.Second)
	if n := len(f.sent()) - sent; n != 0 {
		return fmt.Errorf("%d batches after everything was acknowledged", n)
	}
	return isStored(f, "a", ids...)
}

// checkLostReplies loses replies: every transmission has the id that was queued, and each is stored once.
func checkLostReplies(t *testing.T) error {
	f := newFake()
	f.after = func(_ context.Context, n int) error {
		if n <= 3 {
			return errLost
		}
		return nil
	}
	q := start(t, outbox.Options{Send: f.Send})
	ids := enqueue(t, q, "a", 3)
	q.SetReady(true)
	if err := drained(q, 5*time.Second); err != nil {
		return err
	}
	return isStored(f, "a", ids...)
}

// checkAccounts has ada's messages queued when bob signs in, and one that was queued before anybody was known.
func checkAccounts(t *testing.T) error {
	f, store := newFake(), outbox.NewMemory()
	f.before = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
	q := start(t, outbox.Options{Send: f.Send, Store: store})
	ids := enqueue(t, q, "c", 1) // nobody's
	if err := q.SetAccount(t.Context(), "ada"); err != nil {
		return err
	}
	ids = append(ids, enqueue(t, q, "c", 2)...)
	q.SetReady(true)
	synctest.Wait() // ada's are under way, and hang
	if len(f.sent()) == 0 {
		return errors.New("nothing of ada's is under way")
	}
	if err := q.SetAccount(t.Context(), "bob"); err != nil {
		return err
	}
	if s := q.State(); s.Ready || s.Account != "bob" {
		return fmt.Errorf("after the account changed: %+v", s)
	}
	f.mu.Lock()
	f.before, f.batches = nil, nil
	f.mu.Unlock()
	bobs := enqueue(t, q, "c", 1)
	more, err := q.Enqueue(t.Context(), outbox.Entry{Account: "ada", Channel: "c", Text: "later"})
	if err != nil {
		return err
	}
	q.SetReady(true)
	time.Sleep(time.Second)
	for _, batch := range f.sent() {
		for _, e := range batch {
			if e.Account != "bob" {
				return fmt.Errorf("bob sent %+v", e)
			}
		}
	}
	if err := errors.Join(isStored(f, "bob/c", bobs...), isStored(f, "ada/c"), isBlocked(q, more.ID, outbox.BlockedAuth)); err != nil {
		return err
	}
	if err := q.SetAccount(t.Context(), "ada"); err != nil {
		return err
	}
	_ = q.Close()
	q = start(t, outbox.Options{Send: f.Send, Store: store}) // as ada, without being told
	q.SetReady(true)
	return errors.Join(drained(q, time.Second), isStored(f, "ada/c", append(ids, more.ID)...))
}

// checkNumbers restarts between messages: no number is given to two of them.
func checkNumbers(t *testing.T) error {
	f, store := newFake(), outbox.NewMemory()
	for range 3 {
		q := start(t, outbox.Options{Send: f.Send, Store: store})
		enqueue(t, q, "a", 2)
		q.SetReady(true)
		if err := drained(q, 5*time.Second); err != nil {
			return err
		}
		_ = q.Close()
	}
	of := map[uint64]string{}
	for _, batch := range f.sent() {
		for _, e := range batch {
			if id, given := of[e.DeviceSeq]; given && id != e.ID || e.DeviceSeq == 0 {
				return fmt.Errorf("number %d is %s's and %s's", e.DeviceSeq, id, e.ID)
			}
			of[e.DeviceSeq] = e.ID
		}
	}
	if len(of) != 6 {
		return fmt.Errorf("%d numbers for 6 messages", len(of))
	}
	return nil
}

// checkEdit changes a message before, while and after it is sent: what the server has is what the queue shows.
func checkEdit(t *testing.T) error {
	f := newFake()
	f.before = func(context.Context, int) error { time.Sleep(time.Second); return nil }
	q := start(t, outbox.Options{Send: f.Send})
	id := enqueue(t, q, "a", 1)[0]
	e, err := q.Edit(t.Context(), outbox.Entry{ID: id, Text: "better", Attachments: json.RawMessage(`[{}]`)})
	if err != nil || e.Version != 1 || e.Text != "better" {
		return fmt.Errorf("edit while queued: %+v, %w", e, err)
	}
	if _, err := q.Edit(t.Context(), outbox.Entry{ID: id, Text: "x", Version: 9}); !errors.Is(err, outbox.ErrChanged) {
		return fmt.Errorf("edit of another version: %w", err)
	}
	var invalid *outbox.InvalidError
	if _, err := q.Edit(t.Context(), outbox.Entry{ID: id}); !errors.As(err, &invalid) {
		return fmt.Errorf("edit to nothing: %w", err)
	}
	q.SetReady(true)
	time.Sleep(time.Millisecond)
	if _, err := q.Edit(t.Context(), outbox.Entry{ID: id, Text: "too late"}); !errors.Is(err, outbox.ErrNotQueued) {
		return fmt.Errorf("edit while it is sent: %w", err)
	}
	if err := q.Cancel(t.Context(), id); !errors.Is(err, outbox.ErrNotQueued) {
		return fmt.Errorf("cancel while it is sent: %w", err)
	}
	if err := drained(q, 5*time.Second); err != nil {
		return err
	}
	e, _ = q.Get(id)
	if sent := f.sent()[0][0]; e.Text != sent.Text || sent.Text != "better" {
		return fmt.Errorf("the queue shows %q, the server got %q", e.Text, sent.Text)
	}
	if _, err := q.Edit(t.Context(), outbox.Entry{ID: "nothing", Text: "x"}); !errors.Is(err, outbox.ErrNotFound) {
		return fmt.Errorf("edit of nothing: %w", err)
	}
	return isStored(f, "a", id)
}

// checkDependencies has a message that goes after one of another channel, and one that needs two uploads.
func checkDependencies(t *testing.T) error {
	f := newFake()
	var closed atomic.Bool
	closed.Store(true)
	f.refuse = func(e outbox.Entry) *outbox.Refusal {
		if e.Channel == "a" && closed.Load() {
			return &outbox.Refusal{Code: "unavailable"}
		}
		return nil
	}
	q := start(t, outbox.Options{Send: f.Send})
	parent := enqueue(t, q, "a", 1)[0]
	child, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "b", Text: "x", After: []string{parent}})
	if err != nil {
		return err
	}
	behind := enqueue(t, q, "b", 1)[0]
	file, err := q.Enqueue(t.Context(), outbox.Entry{
		Channel: "c", Text: "look", Attachments: json.RawMessage(`[{"n":0}]`), Needs: []outbox.Need{{Name: "one"}, {Name: "two"}},
	})
	if err != nil {
		return err
	}
	q.SetReady(true)
	time.Sleep(3 * time.Second)
	err = errors.Join(isBlocked(q, child.ID, outbox.BlockedDependency), isBlocked(q, behind, outbox.BlockedEarlier),
		isBlocked(q, file.ID, outbox.BlockedDependency), isStored(f, "b"), isStored(f, "c"))
	if err != nil {
		return err
	}
	closed.Store(false)
	time.Sleep(3 * time.Second)
	if err := errors.Join(isStored(f, "a", parent), isStored(f, "b", child.ID, behind)); err != nil {
		return err
	}
	if err := q.Fail(t.Context(), "two", "the file is gone"); err != nil {
		return err
	}
	if e, _ := q.Get(file.ID); e.State != outbox.Parked || e.Err != "the file is gone" {
		return fmt.Errorf("a need that failed: %+v", e)
	}
	err = errors.Join(q.Retry(t.Context(), file.ID), q.Resolve(t.Context(), "two", json.RawMessage(`{"n":2}`)),
		isBlocked(q, file.ID, outbox.BlockedDependency), q.Resolve(t.Context(), "one", json.RawMessage(`{"n":1}`)), drained(q, time.Second))
	if err != nil {
		return err
	}
	if e, _ := q.Get(file.ID); string(e.Attachments) != `[{"n":0},{"n":1},{"n":2}]` || len(e.Needs) != 0 {
		return fmt.Errorf("with its results: %+v", e)
	}
	if err := q.Resolve(t.Context(), "one", json.RawMessage(`1`)); !errors.Is(err, outbox.ErrNotFound) {
		return fmt.Errorf("resolve what nobody needs: %w", err)
	}
	return checkCascade(t, q)
}

// checkCascade gives a message up that another goes after.
func checkCascade(t *testing.T, q *outbox.Queue) error {
	q.SetReady(false)
	first := enqueue(t, q, "a", 1)[0]
	second, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "b", Text: "x", After: []string{first}})
	if err != nil {
		return err
	}
	third, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "c", Text: "x", After: []string{second.ID}})
	if err != nil {
		return err
	}
	if err := q.Cancel(t.Context(), first); err != nil {
		return err
	}
	var invalid *outbox.InvalidError
	if _, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "x", After: []string{first}}); !errors.As(err, &invalid) {
		return fmt.Errorf("after one that was cancelled: %w", err)
	}
	return errors.Join(isState(q, second.ID, outbox.Cancelled), isState(q, third.ID, outbox.Cancelled))
}

// checkExpiry sets the clock by a year, both ways: only time that went by counts, over a restart too.
func checkExpiry(t *testing.T) error {
	var offset atomic.Int64
	store, f := outbox.NewMemory(), newFake()
	open := func() *outbox.Queue {
		return start(t, outbox.WithWall(outbox.Options{Send: f.Send, Store: store, Expiry: 48 * time.Hour}, func() time.Time {
			return time.Now().Add(time.Duration(offset.Load())).Round(0)
		}))
	}
	q := open()
	e, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "call me", ExpiresIn: time.Hour})
	if err != nil {
		return err
	}
	day := enqueue(t, q, "a", 1)[0]
	ever, err := q.Enqueue(t.Context(), outbox.Entry{Channel: "a", Text: "for ever", ExpiresIn: -1})
	if err != nil {
		return err
	}
	for _, year := range []time.Duration{365, -365} {
		offset.Add(int64(year * 24 * time.Hour))
		time.Sleep(10 * time.Minute)
		if err := isState(q, e.ID, outbox.Queued); err != nil {
			return fmt.Errorf("10 minutes after the clock was set: %w", err)
		}
		if err := q.Close(); err != nil {
			return err
		}
		q = open()
		offset.Add(int64(year * 24 * time.Hour / 365)) // by a day while it runs
		time.Sleep(10 * time.Minute)
		if err := isState(q, e.ID, outbox.Queued); err != nil {
			return fmt.Errorf("10 minutes after a restart: %w", err)
		}
	}
	time.Sleep(21 * time.Minute)
	err = errors.Join(isState(q, e.ID, outbox.Expired), isState(q, day, outbox.Queued))
	if err != nil {
		return fmt.Errorf("after an hour in all: %w", err)
	}
	time.Sleep(48 * time.Hour)
	return errors.Join(isState(q, day, outbox.Expired), isState(q, ever.ID, outbox.Queued))
}

// checkSettle loses the reply to three messages of which the second was refused; the server then says how far it came.
func checkSettle(t *testing.T) error {
	for _, forgiven := range []bool{false, true} {
		f := newFake()
		refused := ""
		f.refuse = func(e outbox.Entry) *outbox.Refusal {
			if e.ID == refused {
				return &outbox.Refusal{Code: "forbidden", Permanent: true}
			}
			return nil
		}
		f.after = func(_ context.Context, n int) error {
			if n == 1 {
				return errLost
			}
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send, RetryMin: time.Hour, RetryMax: time.Hour})
		ids := enqueue(t, q, "a", 3)
		refused = ids[1]
		q.SetReady(true)
		synctest.Wait()
		q.SetReady(false)
		synctest.Wait()
		f.mu.Lock()
		if forgiven { // in the meantime it would be taken; but the third is stored already
			f.refuse = nil
		}
		began := len(f.batches)
		f.mu.Unlock()
		more := enqueue(t, q, "a", 1)[0]
		q.Settle("a", 3)
		q.SetReady(true)
		if err := drained(q, 5*time.Second); err != nil {
			return err
		}
		e, _ := q.Get(ids[1])
		reason := map[bool]string{false: "forbidden", true: "refused before; the reason was lost with the connection"}[forgiven]
		if e.State != outbox.Parked || e.Err != reason {
			return fmt.Errorf("refused, forgiven %v: %+v", forgiven, e)
		}
		if n := len(f.sent()) - began; !forgiven && n != 1 {
			return fmt.Errorf("asking took %d batches", n)
		}
		if err := isStored(f, "a", ids[0], ids[2], more); err != nil {
			return err
		}
		if e, _ := q.Get(ids[2]); e.Seq != 2 {
			return fmt.Errorf("the third has number %d", e.Seq)
		}
	}
	return nil
}

// checkRetry refuses a message, under a policy that holds the channel, and takes it the second time.
func checkRetry(t *testing.T) error {
	f, store := newFake(), outbox.NewMemory()
	var strict atomic.Bool
	strict.Store(true)
	f.refuse = func(e outbox.Entry) *outbox.Refusal {
		if e.Text == "text 0" && strict.Load() {
			return &outbox.Refusal{Code: "forbidden", Permanent: true}
		}
		return nil
	}
	o := outbox.Options{Send: f.Send, Store: store, BatchEntries: 1, Window: 1, OnParked: func(channel string) outbox.Policy {
		return outbox.Policy{Block: channel == "a"}
	}}
	q := start(t, o)
	a, b := enqueue(t, q, "a", 3), enqueue(t, q, "b", 2)
	q.SetReady(true)
	time.Sleep(time.Second)
	err := errors.Join(isState(q, a[0], outbox.Parked), isBlocked(q, a[1], outbox.BlockedEarlier), isStored(f, "a"), isStored(f, "b", b[1]))
	if err != nil {
		return err
	}
	_ = q.Close()
	q = start(t, o) // the channel is still held
	q.SetReady(true)
	time.Sleep(time.Second)
	if err := errors.Join(isBlocked(q, a[1], outbox.BlockedEarlier), q.Discard(t.Context(), b[0])); err != nil {
		return err
	}
	if s := q.State(); s.Parked != 1 || s.Queued != 2 || s.Blocked[outbox.BlockedEarlier] != 2 {
		return fmt.Errorf("state: %+v", s)
	}
	before, _ := q.Get(a[0])
	strict.Store(false)
	if err := q.Retry(t.Context(), a[0]); err != nil {
		return err
	}
	if err := drained(q, 5*time.Second); err != nil {
		return err
	}
	after, _ := q.Get(a[0])
	if after.Order != before.Order || after.State != outbox.Sent || after.DeviceSeq <= before.DeviceSeq {
		return fmt.Errorf("retried: %+v, before %+v", after, before)
	}
	if err := q.Retry(t.Context(), a[0]); !errors.Is(err, outbox.ErrNotParked) {
		return fmt.Errorf("retry of what is sent: %w", err)
	}
	return errors.Join(isState(q, b[0], outbox.Cancelled), isStored(f, "a", a...))
}

// checkNextConnection has one connection follow on another before the queue looks: what is under way on the first, which
// answers nothing, is sent on the second at once.
func checkNextConnection(t *testing.T) error {
	f := newFake()
	f.before = func(ctx context.Context, n int) error {
		if n > 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	q := start(t, outbox.Options{Send: f.Send})
	enqueue(t, q, "a", 2)
	q.SetReady(true)
	synctest.Wait()
	q.SetReady(false)
	q.SetReady(true)
	return drained(q, 10*time.Millisecond)
}
