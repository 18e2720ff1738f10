// Package outboxtest holds the test that every outbox.Store has to pass.
package outboxtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
)

// Open opens the store. Called again it is what a new process would find: for a store that isn't durable, the same one.
type Open func() outbox.Store

// RunStore runs the test. fresh makes an empty store.
func RunStore(t *testing.T, fresh func(t *testing.T) Open) {
	for name, check := range map[string]func(ctx context.Context, open Open) error{
		"an empty store is empty":              checkEmpty,
		"every field comes back":               checkFields,
		"load has what is open and parked":     checkLoad,
		"the last word wins":                   checkReplace,
		"a repeated commit changes nothing":    checkRepeat,
		"counts and account stay":              checkCounts,
		"settled ones are remembered at least": checkSettled,
		"an ended context changes nothing":     checkContext,
		"entries belong to the caller":         checkCopies,
	} {
		t.Run(name, func(t *testing.T) {
			if err := check(t.Context(), fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// entry is one with every field set.
func entry(n int) outbox.Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return outbox.Entry{
		ID: fmt.Sprintf("0190b6a4-5f3c-7c1e-8a2b-%012d", n), Account: "ada@http://a", Channel: "général", Text: "text \x01 ☃",
		Attachments: json.RawMessage(`[{"a":1}]`), After: []string{"0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182", "b"},
		Needs:     []outbox.Need{{Name: "upload 1"}, {Name: "upload 2", Result: json.RawMessage(`{"url":"x"}`)}},
		ExpiresIn: time.Hour, State: outbox.Queued, Version: 3, Order: uint64(n), DeviceSeq: 7, Seq: 1 << 40, Attempt: 2,
		Err: "why", CreatedAt: at, ExpiresAt: at.Add(time.Hour), SentAt: at.Add(time.Minute),
	}
}

func put(ctx context.Context, s outbox.Store, entries ...outbox.Entry) error {
	return s.Commit(ctx, outbox.Tx{Put: entries})
}

func checkEmpty(ctx context.Context, open Open) error {
	s := open()
	saved, err := s.Load(ctx)
	if err != nil || len(saved.Entries)+len(saved.Counts)+saved.Aside != 0 || saved.Order != 0 || saved.Account != "" {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	if _, ok, err := s.Get(ctx, entry(1).ID); ok || err != nil {
		return fmt.Errorf("get: %v, %w", ok, err)
	}
	for e, err := range s.Entries(ctx) {
		return fmt.Errorf("entries: %+v, %w", e, err)
	}
	if aside, err := s.SetAside(ctx); len(aside) != 0 || err != nil {
		return fmt.Errorf("set aside: %+v, %w", aside, err)
	}
	return nil
}

// same compares what a store gave with what it was given. Times need only name the same moment.
func same(got, want outbox.Entry) error {
	for _, t := range []struct{ a, b *time.Time }{
		{&got.CreatedAt, &want.CreatedAt}, {&got.ExpiresAt, &want.ExpiresAt}, {&got.SentAt, &want.SentAt},
	} {
		if t.a.Equal(*t.b) {
			*t.a = *t.b
		}
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

func checkFields(ctx context.Context, open Open) error {
	s := open()
	plain := outbox.Entry{ID: entry(2).ID, Channel: "a", Text: "x", Order: 2, CreatedAt: time.Unix(1, 5).UTC()}
	blocked := entry(3)
	blocked.Blocked = outbox.BlockedRate // told by the queue, never stored
	if err := put(ctx, s, entry(1), plain, blocked); err != nil {
		return err
	}
	s = open()
	saved, err := s.Load(ctx)
	if err != nil || len(saved.Entries) != 3 {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	for i, want := range []outbox.Entry{entry(1), plain, entry(3)} {
		if err := same(saved.Entries[i], want); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		got, ok, err := s.Get(ctx, want.ID)
		if err != nil || !ok {
			return fmt.Errorf("get: %v, %w", ok, err)
		}
		if err := same(got, want); err != nil {
			return fmt.Errorf("get: %w", err)
		}
	}
	return nil
}

func checkLoad(ctx context.Context, open Open) error {
	s := open()
	var all []outbox.Entry
	for i := range 6 {
		e := entry(12 - i) // not in order
		e.State = outbox.State(i)
		all = append(all, e)
	}
	if err := put(ctx, s, all...); err != nil {
		return err
	}
	s = open()
	saved, err := s.Load(ctx)
	if err != nil {
		return err
	}
	var orders []uint64
	for _, e := range saved.Entries {
		orders = append(orders, e.Order)
	}
	if !reflect.DeepEqual(orders, []uint64{9, 11, 12}) || saved.Order != 12 {
		return fmt.Errorf("loaded %v up to %d, want the parked 9, the sending 11 and the queued 12", orders, saved.Order)
	}
	next := uint64(7)
	for e, err := range s.Entries(ctx) {
		if err != nil || e.Order != next {
			return fmt.Errorf("entries: %d, want %d, %w", e.Order, next, err)
		}
		next++
	}
	if next != 13 {
		return fmt.Errorf("entries end before %d", next)
	}
	return nil
}

func checkReplace(ctx context.Context, open Open) error {
	s := open()
	a, b := entry(1), entry(1)
	b.State, b.Text, b.Order = outbox.Sent, "other", 5 // its place may change too
	if err := errors.Join(put(ctx, s, a), put(ctx, s, a, b)); err != nil {
		return err
	}
	s = open()
	got, ok, err := s.Get(ctx, a.ID)
	if err != nil || !ok {
		return fmt.Errorf("get: %v, %w", ok, err)
	}
	if err := same(got, b); err != nil {
		return err
	}
	a.Order = 6 // and back again: a settling that was reported as failed
	if err := put(ctx, s, a); err != nil {
		return err
	}
	saved, err := open().Load(ctx)
	if err != nil || len(saved.Entries) != 1 || saved.Order != 6 {
		return fmt.Errorf("reopened: %+v, %w", saved, err)
	}
	return same(saved.Entries[0], a)
}

func checkRepeat(ctx context.Context, open Open) error {
	s := open()
	lane := outbox.Lane{Account: "a", Channel: "c"}
	tx := outbox.Tx{Put: []outbox.Entry{entry(1)}, Counts: map[outbox.Lane]outbox.Count{lane: {Last: 2, Sent: 1}}, Account: "a"}
	if err := errors.Join(s.Commit(ctx, tx), s.Commit(ctx, tx)); err != nil {
		return err
	}
	saved, err := open().Load(ctx)
	if err != nil || len(saved.Entries) != 1 || saved.Counts[lane] != (outbox.Count{Last: 2, Sent: 1}) || saved.Account != "a" {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	return nil
}

func checkCounts(ctx context.Context, open Open) error {
	s := open()
	one, other := outbox.Lane{Account: "a", Channel: "c"}, outbox.Lane{Account: "b", Channel: "c"}
	err := errors.Join(
		s.Commit(ctx, outbox.Tx{Account: "a", Counts: map[outbox.Lane]outbox.Count{one: {Last: 5, Sent: 5}, other: {Last: 1}}}),
		s.Commit(ctx, outbox.Tx{Counts: map[outbox.Lane]outbox.Count{one: {Last: 3, Sent: 2}}}), // down too
	)
	if err != nil {
		return err
	}
	saved, err := open().Load(ctx)
	want := map[outbox.Lane]outbox.Count{one: {Last: 3, Sent: 2}, other: {Last: 1}}
	if err != nil || !reflect.DeepEqual(saved.Counts, want) || saved.Account != "a" {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	return nil
}

func checkSettled(ctx context.Context, open Open) error {
	s := open()
	const extra = 3000
	for i := 0; i < outbox.KeepSettled+extra; i += 500 {
		var batch []outbox.Entry
		for k := range 500 {
			e := outbox.Entry{ID: entry(i + k + 1).ID, Channel: "c", Text: "x", Order: uint64(i + k + 1), State: outbox.Sent}
			if i+k == 0 {
				e.State = outbox.Parked
			}
			batch = append(batch, e)
		}
		if err := put(ctx, s, batch...); err != nil {
			return err
		}
	}
	n := 0
	for _, err := range s.Entries(ctx) {
		if n++; err != nil {
			return err
		}
	}
	if n < outbox.KeepSettled || n >= outbox.KeepSettled+extra {
		return fmt.Errorf("%d of %d entries are left; %d are to be remembered, and not many more", n, outbox.KeepSettled+extra, outbox.KeepSettled)
	}
	for _, i := range []int{1, extra + 1, outbox.KeepSettled + extra} { // the parked one, and the newest
		if _, ok, err := s.Get(ctx, entry(i).ID); !ok || err != nil {
			return fmt.Errorf("entry %d is forgotten: %w", i, err)
		}
	}
	return nil
}

func checkContext(ctx context.Context, open Open) error {
	s := open()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := put(ended, s, entry(1)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("commit: %w", err)
	}
	if _, ok, err := s.Get(ctx, entry(1).ID); ok || err != nil {
		return fmt.Errorf("get: %v, %w", ok, err)
	}
	return nil
}

func checkCopies(ctx context.Context, open Open) error {
	s := open()
	e := entry(1)
	if err := put(ctx, s, e); err != nil {
		return err
	}
	e.Attachments[0], e.After[0] = '!', "!"
	got, _, err := s.Get(ctx, e.ID)
	if err != nil {
		return err
	}
	got.Attachments[1], got.After[1], got.Needs[0].Name = '!', "!", "!"
	got, _, err = s.Get(ctx, e.ID)
	if err != nil {
		return err
	}
	return same(got, entry(1))
}
