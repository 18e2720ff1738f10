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
