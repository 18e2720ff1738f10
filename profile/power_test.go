package profile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// seed is that of this run: SEED, or the time.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if v := os.Getenv("SEED"); v != "" {
		var err error
		if s, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", s)
	return s
}

func disk(t *testing.T, rng *rand.Rand) *profiletest.Disk {
	d := profiletest.NewDisk(rng)
	t.Cleanup(d.Close)
	return d
}

func message(seq uint64) inbox.Message {
	return inbox.Message{Channel: "c", Seq: seq, ID: fmt.Sprint("id-", seq), User: "ada", Text: fmt.Sprint("text ", seq)}
}

// TestPowerLossKeepsEveryCommit cuts the power after a random number of writes, again and again, and looks for what was
// acknowledged before.
func TestPowerLossKeepsEveryCommit(t *testing.T) {
	if err := powerLoss(seed(t), 300); err != nil {
		t.Error(err)
	}
}

func powerLoss(seed uint64, cuts int) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	d := profiletest.NewDisk(rng)
	defer d.Close()
	ctx := context.Background()
	var acked uint64 // messages 1..acked are owed
	var device string
	for cut := range cuts {
		d.LosePowerAfter(rng.IntN(60))
		p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()})
		if err != nil {
			if !errors.Is(err, profile.ErrDisk) {
				return fmt.Errorf("cut %d: open: %w", cut, err)
			}
			continue
		}
		now, _ := p.Device()
		if device != "" && now != device {
			return fmt.Errorf("cut %d: device %s became %s", cut, device, now)
		}
		device = now
		page, err := p.Inbox().Page(ctx, "c", 0, 1<<30)
		if err != nil && !errors.Is(err, profile.ErrDisk) {
			return fmt.Errorf("cut %d: read: %w", cut, err)
		}
		if n := uint64(len(page)); err == nil && n != acked && n != acked+1 { // one may have been kept and not acknowledged
			return fmt.Errorf("cut %d: %d messages kept, %d acknowledged", cut, n, acked)
		}
		for err == nil {
			if err = p.Inbox().Commit(ctx, inbox.Tx{Messages: []inbox.Message{message(acked + 1)}}); err == nil {
				acked++
			}
		}
		if !errors.Is(err, profile.ErrDisk) {
			return fmt.Errorf("cut %d: write: %w", cut, err)
		}
		_ = p.Close()
	}
	if acked < uint64(cuts) {
		return fmt.Errorf("only %d messages in %d cuts: nothing was tried", acked, cuts)
	}
	return nil
}
