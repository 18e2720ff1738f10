package profile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// crashes is an application that reads a channel and dies again and again, by kill -9, by power loss, or in order.
type crashes struct {
	rng    *rand.Rand
	disk   *profiletest.Disk
	server atomic.Uint64 // it has messages 1..server
	shown  uint64        // the newest that any life was shown
	clean  bool          // the last life ended in order
	lives  int
	again  int // messages shown again
}

func (c *crashes) fetch(_ context.Context, _ string, after uint64, limit int) (out []inbox.Message, last uint64, err error) {
	time.Sleep(50 * time.Millisecond)
	last = c.server.Load()
	for seq := after + 1; seq <= last && len(out) < limit; seq++ {
		out = append(out, message(seq))
	}
	return out, last, nil
}

// life runs until it ends in one of the ways.
func (c *crashes) life() error {
	c.lives++
	p, err := profile.OpenWith("p", profile.Options{VFS: c.disk.VFS()})
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	in, err := inbox.New(inbox.Options{Store: p.Inbox(), Fetch: c.fetch, Rand: rand.New(rand.NewPCG(c.rng.Uint64(), 0))})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := in.Start(); err != nil {
		return err
	}
	var seen []inbox.Message
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	pace := time.Duration(c.rng.IntN(3)) * 10 * time.Millisecond
	go func() {
		ended <- in.Process(ctx, "c", inbox.Processed, func(m inbox.Message) error {
			seen = append(seen, m)
			time.Sleep(pace)
			return nil
		})
	}()
	c.talk(in)
	way := c.rng.IntN(3)
	switch way {
	case 0:
		c.disk.Kill()
	case 1:
		c.disk.LosePower()
	case 2:
		cancel()
		<-ended
		if err := errors.Join(in.Close(), p.Close()); err != nil {
			return fmt.Errorf("life %d: end in order: %w", c.lives, err)
		}
	}
	cancel()
	_ = in.Close()
	if way != 2 {
		<-ended
	}
	return c.judge(seen, way == 2)
}

// talk has messages come, live and while nobody was connected.
func (c *crashes) talk(in *inbox.Inbox) {
	if c.rng.IntN(4) > 0 { // else the whole life is without a network
		in.NetworkUp(true)
		in.Follow("c", c.server.Add(c.rng.Uint64N(300)))
		in.CaughtUp("c")
	}
	for range c.rng.IntN(60) {
		if seq := c.server.Add(1); c.rng.IntN(5) > 0 {
			in.Receive(message(seq))
		}
		time.Sleep(time.Duration(c.rng.IntN(40)) * time.Millisecond)
	}
	if c.rng.IntN(2) == 0 {
		synctest.Wait()
	}
}

// judge wants no gap, nothing left out, and what is shown again marked, little, and only after an end that wasn't in
// order.
func (c *crashes) judge(seen []inbox.Message, clean bool) error {
	again := 0
	for k, m := range seen {
		switch {
		case k == 0 && m.Seq > c.shown+1:
			return fmt.Errorf("life %d begins with %d, shown before was up to %d", c.lives, m.Seq, c.shown)
		case k > 0 && m.Seq != seen[k-1].Seq+1:
			return fmt.Errorf("life %d: %d after %d", c.lives, m.Seq, seen[k-1].Seq)
		case m.Seq <= c.shown && !m.Replay:
			return fmt.Errorf("life %d: %d again without a mark", c.lives, m.Seq)
		case m.Replay && c.clean:
			return fmt.Errorf("life %d: %d marked after a clean end", c.lives, m.Seq)
		case m.Replay:
			again++
		}
	}
	if again > 64 {
		return fmt.Errorf("life %d: %d shown again", c.lives, again)
	}
	c.again += again
	if n := len(seen); n > 0 {
		// What a life that was killed may have been shown besides, nobody knows until a later one is beyond it.
		c.clean = clean && (c.clean || seen[n-1].Seq > c.shown+64)
		c.shown = max(c.shown, seen[n-1].Seq)
	} else {
		c.clean = c.clean && clean
	}
	return nil
}

// redelivery runs many lives.
func redelivery(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &crashes{rng: rng, disk: profiletest.NewDisk(rng), clean: true}
	defer c.disk.Close()
	for range 60 {
		if err := c.life(); err != nil {
			return err
		}
	}
	if c.again == 0 || c.shown < 1000 {
		return fmt.Errorf("%d shown again, %d shown: nothing was tried", c.again, c.shown)
	}
	return nil
}

func TestCrashShowsTheLastFewAgain(t *testing.T) {
	for k := range uint64(3) {
		seed := seed(t) + k
		bubble.Run(t, func(t *testing.T) {
			if err := redelivery(seed); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}
