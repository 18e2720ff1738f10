package realtime_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestBusyHandlerAndManyConnections blocks the handler for an hour in which the connection is lost again and again. What
// waits stays bounded, although nothing of it is a publication, and what is told in the end is true: one of the
// connections couldn't recover.
func TestBusyHandlerAndManyConnections(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var connects atomic.Int32
		k, f := fakeWorld(t, realtime.Options{OnConnected: func([]byte) { connects.Add(1) }}, nil)
		f.settled(time.Now())
		release := make(chan struct{})
		blocker, err := f.Subscribe("blocker", realtime.SubscribeOptions{OnEvent: func(realtime.Event) { <-release }})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := f.seen()
		most, told := 0, connects.Load()
		for i := range 600 {
			if i == 300 {
				k.set(func() { k.epoch = "e2" })
			}
			if i%3 == 0 {
				k.last().reply(pushUnsubscribe("room", 2500))
				time.Sleep(500 * ms)
			}
			k.net.Reset()
			time.Sleep(6 * time.Second)
			most = max(most, realtime.QueueLength(f.Client))
		}
		if st := f.Stats(); st.Connects < 600 || most > 200 {
			t.Errorf("%d events wait after %d connections", most, st.Connects)
		}
		blocker.Unsubscribe()
		close(release)
		time.Sleep(time.Second)
		got := f.seen()[len(before):]
		if want := []string{"unsubscribed false", "subscribed false", "caught up false"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if n := connects.Load() - told; n != 1 {
			t.Errorf("OnConnected was called %d times, want once, for the newest", n)
		}
	})
}

// TestQueueMergesControls holds the queue against a plain one, in which nothing is merged: publications come in the same
// order, and between two of a subscription each kind comes once, in the order in which it came last, after what it follows.
func TestQueueMergesControls(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 300 {
		q := realtime.NewQueue(4)
		var all []realtime.QueueEvent
		took := 0 // of all, everything before was taken
		for range r.IntN(400) {
			e := realtime.QueueEvent{Sub: r.IntN(4), Kind: realtime.EventKind(r.IntN(4)), Recovered: r.IntN(3) > 0, N: len(all)}
			if r.IntN(4) > 0 && e.Kind == realtime.EventPublication {
				e.Kind = realtime.EventCaughtUp
			}
			q.Put(e)
			if all = append(all, e); r.IntN(100) == 0 {
				check(t, q, all[took:], seed, round)
				took = len(all)
			}
		}
		check(t, q, all[took:], seed, round)
	}
}

// check empties the queue and compares it with what was put in.
func check(t *testing.T, q *realtime.Queue, in []realtime.QueueEvent, seed uint64, round int) {
	t.Helper()
	if n := q.Length(); n > 2*len(in)/3+128 && n > len(in) {
		t.Fatalf("seed %d, round %d: %d places for %d events", seed, round, n, len(in))
	}
	out := q.TakeAll()
	for sub := range 4 {
		if got, want := describe(of(out, sub)), describe(merged(of(in, sub))); got != want {
			t.Fatalf("seed %d, round %d, subscription %d:\n got %s\nwant %s", seed, round, sub, got, want)
		}
	}
}

func of(es []realtime.QueueEvent, sub int) (own []realtime.QueueEvent) {
	for _, e := range es {
		if e.Sub == sub {
			own = append(own, e)
		}
	}
	return own
}

// merged is what is to be told of events of one subscription.
func merged(in []realtime.QueueEvent) (out []realtime.QueueEvent) {
	start := 0 // of the run since the last publication
	for _, e := range in {
		if e.Kind == realtime.EventPublication {
			out = append(out, e)
			start = len(out)
			continue
		}
		kept := out[:start:start]
		for _, old := range out[start:] {
			switch {
			case old.Kind == e.Kind:
				if e.Kind == realtime.EventSubscribed {
					e.Recovered = e.Recovered && old.Recovered
				}
			case e.Kind == realtime.EventSubscribed && old.Kind == realtime.EventCaughtUp:
			default:
				kept = append(kept, old)
			}
		}
		out = append(kept, e)
	}
	return out
}

func describe(es []realtime.QueueEvent) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "%v %d %v, ", e.Kind, e.N, e.Recovered && e.Kind == realtime.EventSubscribed)
	}
	return b.String()
}
