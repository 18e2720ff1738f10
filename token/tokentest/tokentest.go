// Package tokentest holds what every token.Store must pass.
//
// Only tests import it.
package tokentest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// Open opens one place anew, as another process would. A store that can't be opened twice at a time returns the same
// one again.
type Open func() token.Store

// RunStore runs each check on a place of its own, which empty makes. Waits are in real time and short.
func RunStore(t *testing.T, empty func(t *testing.T) Open) {
	t.Helper()
	for _, check := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"empty", checkEmpty},
		{"swap", checkSwap},
		{"conflict", checkConflict},
		{"own data", checkOwnData},
		{"sizes", checkSizes},
		{"cancelled", checkCancelled},
		{"lock", checkLock},
		{"swap under lock", checkSwapUnderLock},
		{"many at once", checkManyAtOnce},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(t, empty(t)) })
	}
}

// keep swaps and wants it to work.
func keep(t *testing.T, s token.Store, version uint64, data []byte) uint64 {
	t.Helper()
	next, err := s.CompareAndSwap(t.Context(), version, data)
	if err != nil {
		t.Fatalf("CompareAndSwap(%d): %v", version, err)
	}
	if next <= version {
		t.Fatalf("version %d after %d", next, version)
	}
	return next
}

// wants loads and compares.
func wants(t *testing.T, s token.Store, data []byte, version uint64) {
	t.Helper()
	got, v, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if !bytes.Equal(got, data) || v != version {
		t.Errorf("Load: %d bytes of version %d, want %d bytes of version %d", len(got), v, len(data), version)
	}
}

func checkEmpty(t *testing.T, open Open) {
	s := open()
	got, version, err := s.Load(t.Context())
	if got != nil || version != 0 || err != nil {
		t.Errorf("an empty store: %d bytes, version %d, %v", len(got), version, err)
	}
	if _, err := s.CompareAndSwap(t.Context(), 1, []byte("x")); !errors.Is(err, token.ErrConflict) {
		t.Errorf("swapping a version that never was: %v", err)
	}
	wants(t, open(), nil, 0)
}

func checkSwap(t *testing.T, open Open) {
	s := open()
	v1 := keep(t, s, 0, []byte("one"))
	wants(t, s, []byte("one"), v1)
	v2 := keep(t, s, v1, []byte("two"))
	wants(t, s, []byte("two"), v2)
	other := open()
	wants(t, other, []byte("two"), v2)
	v3 := keep(t, other, v2, []byte("three"))
	wants(t, s, []byte("three"), v3)
	wants(t, open(), []byte("three"), v3)
}

func checkConflict(t *testing.T, open Open) {
	a, b := open(), open()
	v1 := keep(t, a, 0, []byte("one"))
	v2 := keep(t, b, v1, []byte("two"))
	for _, stale := range []uint64{0, v1, v2 + 1} {
		if _, err := a.CompareAndSwap(t.Context(), stale, []byte("late")); !errors.Is(err, token.ErrConflict) {
			t.Errorf("CompareAndSwap(%d) where %d is kept: %v", stale, v2, err)
		}
	}
	wants(t, a, []byte("two"), v2)
}

func checkOwnData(t *testing.T, open Open) {
	s := open()
	in := []byte("mine")
	v := keep(t, s, 0, in)
	in[0] = 'x'
	out, _, _ := s.Load(t.Context())
	if string(out) != "mine" {
		t.Errorf("the caller's slice reaches the store: %q", out)
	}
	out[0] = 'y'
	wants(t, s, []byte("mine"), v)
}

func checkSizes(t *testing.T, open Open) {
	s := open()
	var v uint64
	for _, size := range []int{1, 64 << 10, 100, 0} {
		data := bytes.Repeat([]byte{0, '\n', 0xff, 'a'}, size/4+1)[:size] // nothing in it may matter to the store
		v = keep(t, s, v, data)
		wants(t, open(), data, v)
	}
}

func checkCancelled(t *testing.T, open Open) {
	s := open()
	v := keep(t, s, 0, []byte("one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if unlock, err := s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		defer unlock()
	}
	if _, err := s.Lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock with an ended ctx while it is held: %v", err)
	}
	wants(t, s, []byte("one"), v)
}

func checkLock(t *testing.T, open Open) {
	a, b := open(), open()
	unlock, err := a.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second holder: %v", err)
	}
	unlock()
	unlock() // of a lock that somebody else may hold by now
	second, err := b.Lock(t.Context())
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first holder's second unlock freed the second holder's lock: %v", err)
	}
	second()
}

func checkSwapUnderLock(t *testing.T, open Open) {
	a, b := open(), open()
	unlock, err := a.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	v := keep(t, a, 0, []byte("holder"))
	v = keep(t, b, v, []byte("a logout that can't wait")) // needs no lock
	wants(t, a, []byte("a logout that can't wait"), v)
}

// checkManyAtOnce counts in the store, with the lock and without.
func checkManyAtOnce(t *testing.T, open Open) {
	const workers, each = 4, 10
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var holders atomic.Int32
	add := func(s token.Store, locked bool) error {
		if locked {
			unlock, err := s.Lock(ctx)
			if err != nil {
				return err
			}
			defer unlock()
			if holders.Add(1) != 1 {
				return errors.New("two hold the lock")
			}
			defer holders.Add(-1)
		}
		for {
			data, version, err := s.Load(ctx)
			if err != nil {
				return err
			}
			var n uint64
			if len(data) == 8 {
				n = binary.BigEndian.Uint64(data)
			}
			_, err = s.CompareAndSwap(ctx, version, binary.BigEndian.AppendUint64(nil, n+1))
			if !errors.Is(err, token.ErrConflict) {
				return err
			}
		}
	}
	var wg sync.WaitGroup
	for w := range workers {
		s := open()
		wg.Go(func() {
			for range each {
				if err := add(s, w%2 == 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	data, _, err := open().Load(t.Context())
	if err != nil || len(data) != 8 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if n := binary.BigEndian.Uint64(data); n != workers*each {
		t.Errorf("counted %d, want %d: a swap was lost or done twice", n, workers*each)
	}
}
