package outbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// TestChannelsShareTheWay has one channel with a long queue, and then a message in each of a few others: they don't wait
// for it, and it goes on meanwhile.
func TestChannelsShareTheWay(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const rtt = 100 * time.Millisecond
		f := newFake()
		f.before = func(context.Context, int) error {
			time.Sleep(rtt)
			return nil
		}
		q := start(t, outbox.Options{Send: f.Send, Window: 1, BatchEntries: 10})
		long := enqueue(t, q, "long", 1000)
		q.SetReady(true)
		time.Sleep(5*rtt + rtt/2)
		var short []string
		for _, ch := range []string{"a", "b", "c"} {
			short = append(short, enqueue(t, q, ch, 1)...)
		}
		time.Sleep(2 * rtt) // the batch that is under way, and one more
		for _, id := range short {
			if e, _ := q.Get(id); e.State != outbox.Sent {
				t.Errorf("%s is %v behind another channel's queue", e.Channel, e.State)
			}
		}
		sent := 0
		for _, id := range long {
			if e, _ := q.Get(id); e.State == outbox.Sent {
				sent++
			}
		}
		if sent < 65 || sent == len(long) {
			t.Errorf("%d of %d of the long queue sent after 7 batches of 10", sent, len(long))
		}
	})
}
