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

func message(seq uint64) inbox.Message {
	return inbox.Message{Channel: "c", Seq: seq, ID: fmt.Sprint("id-", seq), User: "ada", Text: fmt.Sprint("text ", seq)}
}

// batch is messages from..to and the marks that go with them.
func batch(from, to uint64) inbox.Tx {
	in := inbox.Tx{Marks: map[string]inbox.Mark{"c": {Processed: to, Shown: to}}}
	for seq := from; seq <= to; seq++ {
		in.Messages = append(in.Messages, message(seq))
	}
	return in
}

// keep is how many messages these profiles keep.
const keep = 200

// powerLoss cuts the power after a random number of writes, again and again, and wants all that was acknowledged before
// the cut and either all or nothing of what was under way.
func powerLoss(seed uint64, cuts int) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	d := profiletest.NewDisk(rng)
	defer d.Close()
	w := &powerWorld{rng: rng, disk: d, tried: map[uint64]bool{0: true}}
	for cut := range cuts {
		d.LosePowerAfter(rng.IntN(1 + 60<<(cut%4*2))) // up to thousands: then the log is written back meanwhile
		if err := w.life(); err != nil {
			return fmt.Errorf("cut %d: %w", cut, err)
		}
		crashed := false
		d.Edit(logName, func(log []byte) []byte { crashed = profile.LogDamaged(log); return log })
		if crashed {
			return fmt.Errorf("cut %d: a log that only lost power counts as damaged", cut)
		}
	}
	if w.acked < uint64(10*cuts) {
		return fmt.Errorf("only %d messages in %d cuts: nothing was tried", w.acked, cuts)
	}
	return nil
}

type powerWorld struct {
	rng    *rand.Rand
	disk   *profiletest.Disk
	device string
	acked  uint64          // messages 1..acked are owed
	tried  map[uint64]bool // where transactions since the last check would have ended
}

// life is one run until the power goes.
func (w *powerWorld) life() error {
	ctx := context.Background()
	p, err := profile.OpenWith("p", profile.Options{VFS: w.disk.VFS(), KeepMessages: keep})
	if err != nil {
		return onlyDisk("open", err)
	}
	defer func() { _ = p.Close() }()
	device, _ := p.Device()
	if w.device != "" && device != w.device {
		return fmt.Errorf("device %s became %s", w.device, device)
	}
	w.device = device
	if err := w.look(p); err != nil {
		return onlyDisk("look", err)
	}
	for {
		end := w.acked + 1 + w.rng.Uint64N(20)
		w.tried[end] = true
		if err := p.Inbox().Commit(ctx, batch(w.acked+1, end)); err != nil {
			return onlyDisk("write", err)
		}
		w.acked, w.tried = end, map[uint64]bool{end: true}
	}
}

// look compares what is kept with what is owed.
func (w *powerWorld) look(p *profile.Profile) error {
	saved, err := p.Inbox().Load(context.Background())
	if err != nil {
		return err
	}
	c := saved["c"]
	if c.Last < w.acked || !w.tried[c.Last] || c.Processed != c.Last || c.Last > keep && c.Last-c.First < keep-1 {
		return fmt.Errorf("kept %+v, acknowledged %d, tried %v", c, w.acked, w.tried)
	}
	page, err := p.Inbox().Page(context.Background(), "c", 0, 1<<30)
	if err != nil {
		return err
	}
	for k, m := range page {
		if m.Seq != c.First+uint64(k) || m.Text != message(m.Seq).Text {
			return fmt.Errorf("kept %+v at place %d of %+v", m, k, c)
		}
	}
	if n := uint64(len(page)); c.Last > 0 && n != c.Last-c.First+1 {
		return fmt.Errorf("%d messages kept of %+v", n, c)
	}
	w.acked, w.tried = c.Last, map[uint64]bool{c.Last: true}
	return nil
}

// onlyDisk lets pass what a disk without power says.
func onlyDisk(what string, err error) error {
	if errors.Is(err, profile.ErrDisk) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func TestPowerLossKeepsEveryCommit(t *testing.T) {
	if err := powerLoss(seed(t), 60); err != nil {
		t.Error(err)
	}
}

// killed ends runs between two commits, as kill -9 does: nothing acknowledged is lost, and no device is made anew.
func killed() error {
	d := profiletest.NewDisk(rand.New(rand.NewPCG(1, 2)))
	defer d.Close()
	w := &powerWorld{disk: d, tried: map[uint64]bool{0: true}}
	for k := range uint64(5) {
		p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS(), KeepMessages: keep})
		if err != nil {
			return err
		}
		device, _ := p.Device()
		if w.device != "" && w.device != device {
			return fmt.Errorf("device %s became %s", w.device, device)
		}
		w.device = device
		if err := w.look(p); err != nil {
			return err
		}
		if err := p.Inbox().Commit(context.Background(), batch(1+10*k, 10+10*k)); err != nil {
			return err
		}
		w.acked, w.tried = 10+10*k, map[uint64]bool{10 + 10*k: true}
		d.Kill()
		if err := p.Inbox().Commit(context.Background(), batch(w.acked+1, w.acked+1)); !errors.Is(err, profile.ErrDisk) {
			return fmt.Errorf("a killed process writes on: %w", err)
		}
		_ = p.Close()
	}
	return nil
}

func TestKillKeepsEveryCommit(t *testing.T) {
	if err := killed(); err != nil {
		t.Error(err)
	}
}

// diskFull has the disk fill up and wants a clear error, what was kept before, and all well once there is space.
func diskFull() error {
	d := profiletest.NewDisk(rand.New(rand.NewPCG(1, 2)))
	defer d.Close()
	ctx := context.Background()
	p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()})
	if err != nil {
		return err
	}
	defer p.Close()
	w := &powerWorld{disk: d, acked: 10, tried: map[uint64]bool{10: true}}
	if err := p.Inbox().Commit(ctx, batch(1, 10)); err != nil {
		return err
	}
	d.SetFull(true)
	if err := p.Inbox().Commit(ctx, batch(11, 500)); !errors.Is(err, profile.ErrDiskFull) {
		return fmt.Errorf("a full disk: %w", err)
	}
	if err := w.look(p); err != nil {
		return err
	}
	d.SetFull(false)
	if err := p.Inbox().Commit(ctx, batch(11, 500)); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	w.acked, w.tried = 500, map[uint64]bool{500: true}
	return w.look(p)
}

func TestDiskFull(t *testing.T) {
	if err := diskFull(); err != nil {
		t.Error(err)
	}
}
