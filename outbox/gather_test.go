package outbox_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// TestCallersShareACommit: callers who are told of a commit share the next one, though some take longer to come back with
// another message; and whoever is left alone isn't kept waiting for them.
func TestCallersShareACommit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // then to yield is to let everybody have a turn
	bubble.Run(t, func(t *testing.T) {
		const callers, each, last = 8, 20, 10
		store := &fakeStore{Memory: outbox.NewMemory()}
		store.fail = func(outbox.Tx) (fail, kept bool) {
			time.Sleep(time.Millisecond) // the disk
			return false, false
		}
		q := start(t, outbox.Options{Send: newFake().Send, Store: store})
		var wg sync.WaitGroup
		for k := range callers {
			wg.Go(func() {
				for range each {
					for range 3 * k {
						runtime.Gosched()
					}
					enqueue(t, q, "a", 1)
				}
			})
		}
		wg.Wait()
		together := store.n
		if together > each+2 { // the first ones know nothing of each other yet
			t.Errorf("%d callers who enqueue %d times each made %d commits", callers, each, together)
		}
		enqueue(t, q, "a", last)
		if alone := store.n - together; alone != last {
			t.Errorf("one caller who enqueues %d times made %d commits", last, alone)
		}
	})
}

// TestGatherWaitsForThoseWhoComeOnly counts how often it is looked for callers. Time stands still meanwhile.
func TestGatherWaitsForThoseWhoComeOnly(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const each = 10 // looks until one more is there
		for _, row := range []struct {
			name          string
			callers, come int
			there         int // from the beginning
			want          int
		}{
			{"alone, and there", 1, 1, 1, 1},
			{"all there", 8, 8, 8, 1},
			{"one after the other", 8, 8, 0, 8 * each},
			{"half of them never come", 8, 4, 0, 4*each + outbox.GatherYields - 1},
			{"nobody comes", 8, 0, 0, outbox.GatherYields},
		} {
			looks := 0
			got := outbox.Gather(row.callers, func() int {
				looks++
				return min(row.there+looks/each, row.come)
			})
			if got != row.want || got != looks {
				t.Errorf("%s: %d looks (%d), want %d", row.name, got, looks, row.want)
			}
		}
	})
}
