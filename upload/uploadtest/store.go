// Package uploadtest holds the test that every upload.Store has to pass.
package uploadtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// Open opens the store. Called again it is what a new process would find: for a store that isn't durable, the same one.
type Open func() upload.Store

// RunStore runs the test. fresh makes an empty store.
func RunStore(t *testing.T, fresh func(t *testing.T) Open) {
	for name, check := range map[string]func(ctx context.Context, open Open) error{
		"an empty store is empty":           checkEmpty,
		"every field comes back":            checkFields,
		"every state comes back, in order":  checkStates,
		"the last word wins":                checkReplace,
		"a repeated commit changes nothing": checkRepeat,
		"what is removed is gone":           checkRemove,
		"order counts what is removed":      checkOrder,
		"the account stays":                 checkAccount,
		"an ended context changes nothing":  checkContext,
		"uploads belong to the caller":      checkCopies,
		"many uploads come back":            checkMany,
	} {
		t.Run(name, func(t *testing.T) {
			if err := check(t.Context(), fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// full is one with every field set that a store keeps.
func full(n int) upload.Upload {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	return upload.Upload{
		ID: fmt.Sprintf("0190b6a4-5f3c-7c1e-8a2b-%012d", n), Account: "ada@http://a", Label: "général \x01 ☃",
		Path: "/home/ada/ü.bin", Name: "ü.bin", ContentType: "text/plain", OnChange: upload.Restart,
		Source: upload.Source{
			Size: 1 << 40, ModTime: at, Changed: at.Add(1), Device: 1<<64 - 1, Inode: 1 << 63, Head: "ab12", Tail: "cd34",
		},
		SHA256: "ef56", State: upload.Failed, Order: uint64(n), Key: "key", Restarts: 3, Posted: true, URL: "http://a/1",
		Offset: 1 << 39, HashState: []byte{0, 1, 255}, HashedTo: 1 << 38, ExpiresAt: at.Add(time.Hour),
		Leftovers: []upload.Leftover{{URL: "http://a/2", Key: "k2", Size: 7}, {Key: "k3", Size: 1 << 40, Metadata: "key azM="}},
		Forget:    true, Code: upload.CodeRefused, Err: "why", Verified: true,
		CreatedAt: at.Add(time.Second), UpdatedAt: at.Add(time.Minute), DoneAt: at.Add(2 * time.Minute),
	}
}

func put(ctx context.Context, s upload.Store, uploads ...upload.Upload) error {
	return s.Commit(ctx, upload.Tx{Put: uploads})
}

// same compares what a store gave with what it was given. Times need only name the same moment.
func same(got, want upload.Upload) error {
	for _, t := range []struct{ a, b *time.Time }{
		{&got.Source.ModTime, &want.Source.ModTime},
		{&got.Source.Changed, &want.Source.Changed},
		{&got.ExpiresAt, &want.ExpiresAt},
		{&got.CreatedAt, &want.CreatedAt},
		{&got.UpdatedAt, &want.UpdatedAt},
		{&got.DoneAt, &want.DoneAt},
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

// expect compares all that a store holds.
func expect(ctx context.Context, s upload.Store, want ...upload.Upload) error {
	saved, err := s.Load(ctx)
	if err != nil || len(saved.Uploads) != len(want) || len(saved.Aside) != 0 {
		return fmt.Errorf("load: %d uploads and %d set aside, want %d and none; %w", len(saved.Uploads), len(saved.Aside), len(want), err)
	}
	for i := range want {
		if err := same(saved.Uploads[i], want[i]); err != nil {
			return fmt.Errorf("upload %d: %w", i, err)
		}
	}
	return nil
}

func checkEmpty(ctx context.Context, open Open) error {
	saved, err := open().Load(ctx)
	if err != nil || len(saved.Uploads)+len(saved.Aside) != 0 || saved.Order != 0 || saved.Account != "" {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	return nil
}

func checkFields(ctx context.Context, open Open) error {
	plain := upload.Upload{ID: full(2).ID, Path: "/a", Name: "a", Order: 2, CreatedAt: time.Unix(1, 5).UTC()}
	moving := full(3)
	moving.Progress = upload.Progress{Total: 7, Acked: 3} // told by the queue, never stored
	if err := put(ctx, open(), full(1), plain, moving); err != nil {
		return err
	}
	return expect(ctx, open(), full(1), plain, full(3))
}

func checkStates(ctx context.Context, open Open) error {
	var all, want []upload.Upload
	for i, state := range []upload.State{upload.Cancelled, upload.Failed, upload.Done, upload.Paused, upload.Queued} {
		u := full(9 - i) // not in order
		u.State = state
		all, want = append(all, u), append([]upload.Upload{u}, want...)
	}
	if err := put(ctx, open(), all...); err != nil {
		return err
	}
	return expect(ctx, open(), want...)
}

func checkReplace(ctx context.Context, open Open) error {
	a, b := full(1), full(1)
	b.State, b.URL, b.HashState, b.Leftovers, b.Order = upload.Done, "", nil, nil, 5
	if err := errors.Join(put(ctx, open(), a), put(ctx, open(), a, b)); err != nil {
		return err
	}
	return expect(ctx, open(), b)
}

func checkRepeat(ctx context.Context, open Open) error {
	s := open()
	if err := put(ctx, s, full(2)); err != nil {
		return err
	}
	tx := upload.Tx{Put: []upload.Upload{full(1)}, Remove: []string{full(2).ID}, Account: "a"}
	if err := errors.Join(s.Commit(ctx, tx), s.Commit(ctx, tx)); err != nil {
		return err
	}
	return expect(ctx, open(), full(1))
}

func checkRemove(ctx context.Context, open Open) error {
	s := open()
	if err := put(ctx, s, full(1), full(2), full(3)); err != nil {
		return err
	}
	if err := s.Commit(ctx, upload.Tx{Remove: []string{full(2).ID, "unknown"}}); err != nil {
		return err
	}
	return expect(ctx, open(), full(1), full(3))
}

func checkOrder(ctx context.Context, open Open) error {
	s := open()
	if err := errors.Join(put(ctx, s, full(1), full(7)), s.Commit(ctx, upload.Tx{Remove: []string{full(7).ID}})); err != nil {
		return err
	}
	saved, err := open().Load(ctx)
	if err != nil || saved.Order != 7 {
		return fmt.Errorf("order %d, want 7; %w", saved.Order, err)
	}
	return nil
}

func checkAccount(ctx context.Context, open Open) error {
	s := open()
	if err := errors.Join(s.Commit(ctx, upload.Tx{Account: "a"}), s.Commit(ctx, upload.Tx{Account: "b"}), put(ctx, s, full(1))); err != nil {
		return err
	}
	saved, err := open().Load(ctx)
	if err != nil || saved.Account != "b" {
		return fmt.Errorf("account %q, want b; %w", saved.Account, err)
	}
	return nil
}

func checkContext(ctx context.Context, open Open) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := put(ended, open(), full(1)); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("commit: %w", err)
	}
	return expect(ctx, open())
}

func checkCopies(ctx context.Context, open Open) error {
	s := open()
	u := full(1)
	if err := put(ctx, s, u); err != nil {
		return err
	}
	u.HashState[0], u.Leftovers[0].URL = '!', "!"
	saved, err := s.Load(ctx)
	if err != nil || len(saved.Uploads) != 1 {
		return fmt.Errorf("load: %+v, %w", saved, err)
	}
	saved.Uploads[0].HashState[1], saved.Uploads[0].Leftovers[1].Key = '!', "!"
	return expect(ctx, s, full(1))
}

func checkMany(ctx context.Context, open Open) error {
	s := open()
	var want []upload.Upload
	for i := range 2000 {
		want = append(want, full(i+1))
	}
	if err := errors.Join(put(ctx, s, want[1000:]...), put(ctx, s, want[:1000]...)); err != nil {
		return err
	}
	return expect(ctx, open(), want...)
}
