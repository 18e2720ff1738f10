package profile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// queue puts n messages into the profile's queue.
func queue(t *testing.T, p *profile.Profile, n int) error {
	t.Helper()
	tx := outbox.Tx{}
	for k := range n {
		tx.Put = append(tx.Put, outbox.Entry{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", k), Channel: "c", Order: uint64(k + 1), Text: fmt.Sprint("queued ", k),
		})
	}
	return p.Outbox().Commit(t.Context(), tx)
}

// openingCost is what it takes to open a profile, load what a client loads, and close it.
type openingCost struct {
	bytes  int64 // read from the disk
	syncs  int   // waits for it
	allocs float64
}

func costOf(t *testing.T, disk *profiletest.Disk, queued, channels int) (c openingCost) {
	t.Helper()
	once := func() {
		p, err := profile.OpenWith("fast", profile.Options{VFS: disk.VFS()})
		if err != nil {
			t.Fatal(err)
		}
		out, err1 := p.Outbox().Load(t.Context())
		in, err2 := p.Inbox().Load(t.Context())
		if err := errors.Join(err1, err2, p.Close()); err != nil || len(out.Entries) != queued || len(in) != channels {
			t.Fatalf("%d queued, %d channels, %v", len(out.Entries), len(in), err)
		}
	}
	once() // the first may write what a new profile lacks
	read, syncs := disk.BytesRead(), disk.Syncs()
	once()
	c.bytes, c.syncs = disk.BytesRead()-read, disk.Syncs()-syncs
	c.allocs = testing.AllocsPerRun(1, once)
	return c
}

// TestOpensFast counts what opening reads and makes: the received messages, however many, cost nothing, and a queued one
// little more than its own bytes, once. "make bench" says how long that takes.
func TestOpensFast(t *testing.T) {
	const queued, perEntry, perPage = 10_000, 100, 4096
	disk := profiletest.NewDisk(rand.New(rand.NewPCG(1, 1)))
	defer disk.Close()
	fill := func(f func(p *profile.Profile) error) {
		t.Helper()
		p, err := profile.OpenWith("fast", profile.Options{VFS: disk.VFS()})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f(p), p.Close()); err != nil {
			t.Fatal(err)
		}
	}
	channels := []string{"a", "b", "c", "d", "e"}
	receive := func(first, last uint64) func(*profile.Profile) error {
		return func(p *profile.Profile) (err error) {
			for _, channel := range channels {
				for seq := first; seq <= last; seq += 5_000 {
					in := batch(seq, min(last, seq+4_999))
					for k := range in.Messages {
						in.Messages[k].Channel = channel
					}
					err = errors.Join(err, p.Inbox().Commit(t.Context(), in))
				}
			}
			return err
		}
	}
	fill(receive(1, 10))
	few := costOf(t, disk, 0, len(channels))
	fill(receive(11, 20_000))
	many := costOf(t, disk, 0, len(channels))
	fill(func(p *profile.Profile) error { return queue(t, p, queued) })
	full := costOf(t, disk, queued, len(channels))
	t.Logf("50 received: %+v; 100,000 received: %+v; and 10,000 queued: %+v", few, many, full)
	// Two levels more of a tree for each channel, and what allocating lets vary.
	if many.bytes > few.bytes+int64(len(channels))*4*perPage || many.allocs > few.allocs+100 {
		t.Errorf("received messages are read at opening: %+v, before %+v", many, few)
	}
	if full.bytes > many.bytes+queued*perEntry || full.allocs > many.allocs+8*queued {
		t.Errorf("10,000 queued messages cost %+v, without them it is %+v", full, many)
	}
	if full.syncs > few.syncs {
		t.Errorf("opening waits for the disk %d times, with little in it %d times", full.syncs, few.syncs)
	}
}
