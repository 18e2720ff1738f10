package profile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/outbox/outboxtest"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// reopener opens a profile again and again, each time as a new process.
func reopener(t testing.TB, dir string) func() *profile.Profile {
	var p *profile.Profile
	end := func() {
		if p == nil {
			return
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return func() *profile.Profile {
		end()
		var err error
		if p, err = profile.Open(dir); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestOutboxStore(t *testing.T) {
	outboxtest.RunStore(t, func(t *testing.T) outboxtest.Open {
		open := reopener(t, t.TempDir())
		var last *profile.Profile
		return func() outbox.Store {
			last = open()
			return last.Outbox()
		}
	})
}

func queueEntry(n int) outbox.Entry {
	return outbox.Entry{
		ID: fmt.Sprintf("0190b6a4-5f3c-7c1e-8a2b-%012d", n), Account: "ada@http://127.0.0.1:8080", Channel: fmt.Sprint("channel-", n%10),
		Text: "a message of usual length, a little more than sixty characters", Order: uint64(n), CreatedAt: time.Unix(1_700_000_000, 0),
	}
}

// TestOutboxFaultyDisk has a disk that is full and then has room again.
func TestOutboxFaultyDisk(t *testing.T) {
	d := profiletest.NewDisk(rand.New(rand.NewPCG(1, 1)))
	defer d.Close()
	p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q, err := outbox.New(outbox.Options{
		Store: p.Outbox(), Send: func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, errors.New("no") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(); err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := q.Enqueue(t.Context(), queueEntry(1)); err != nil {
		t.Fatal(err)
	}
	d.SetFull(true)
	n := 2
	for ; err == nil && n < 1000; n++ {
		_, err = q.Enqueue(t.Context(), queueEntry(n))
	}
	if !errors.Is(err, outbox.ErrDisk) || !errors.Is(err, profile.ErrDiskFull) {
		t.Fatalf("after %d entries on a full disk: %v", n, err)
	}
	if got, ok := q.Get(queueEntry(n - 1).ID); ok {
		t.Errorf("an entry that was refused is there: %+v", got)
	}
	if s := q.State(); s.Queued != n-2 || s.Err == nil {
		t.Errorf("state on a full disk: %+v", s)
	}
	d.SetFull(false)
	if _, err := q.Enqueue(t.Context(), queueEntry(n)); err != nil || q.Len() != n-1 || q.State().Err != nil {
		t.Errorf("with room again: %v, %d open, %+v", err, q.Len(), q.State())
	}
}

// TestOutboxPowerLoss cuts the power at random writes while a queue takes entries and settles them: what Enqueue
// acknowledged is there, and what was settled and acknowledged stays settled.
func TestOutboxPowerLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 1))
	d := profiletest.NewDisk(rng)
	defer d.Close()
	acked := map[int]outbox.State{}
	n := 0
	for cut := range 150 {
		d.LosePowerAfter(rng.IntN(80))
		p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()})
		if err != nil {
			continue
		}
		n = workUntilPowerLoss(t, p.Outbox(), rng, acked, n)
		_ = p.Close()
		d.LosePowerAfter(-1)
		if err := checkAfterPowerLoss(t.Context(), d.VFS(), acked); err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
	}
	if len(acked) < 150 {
		t.Fatalf("only %d entries in 150 cuts: nothing was tried", len(acked))
	}
}

// workUntilPowerLoss commits until it fails; acked gets what was acknowledged, and for what failed -1: either is right.
func workUntilPowerLoss(t *testing.T, s outbox.Store, rng *rand.Rand, acked map[int]outbox.State, n int) int {
	for {
		k, state := n+1, outbox.Queued
		if n > 0 && rng.IntN(2) == 0 {
			k, state = 1+rng.IntN(n), outbox.Sent
		}
		n = max(n, k)
		e := queueEntry(k)
		e.State = state
		was, known := acked[k]
		if known && was == outbox.Sent {
			continue
		}
		if err := s.Commit(t.Context(), outbox.Tx{Put: []outbox.Entry{e}}); err != nil {
			if !errors.Is(err, outbox.ErrDisk) {
				t.Errorf("commit without power: %v", err)
			}
			if state == outbox.Sent || !known {
				acked[k] = -1
			}
			return n
		}
		acked[k] = state
	}
}

func checkAfterPowerLoss(ctx context.Context, vfs string, acked map[int]outbox.State) error {
	p, err := profile.OpenWith("p", profile.Options{VFS: vfs})
	if err != nil {
		return err
	}
	defer p.Close()
	if bad, err := p.Outbox().SetAside(ctx); err != nil || len(bad) != 0 {
		return fmt.Errorf("set aside: %+v, %w", bad, err)
	}
	for k, state := range acked {
		e, ok, err := p.Outbox().Get(ctx, queueEntry(k).ID)
		switch {
		case err != nil:
			return err
		case state == -1:
			if !ok {
				delete(acked, k)
			} else {
				acked[k] = e.State
			}
		case !ok || e.State != state:
			return fmt.Errorf("entry %d is %v (%v), and %v was acknowledged", k, e.State, ok, state)
		}
	}
	return nil
}
