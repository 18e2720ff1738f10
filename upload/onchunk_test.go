package upload_test

import (
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// TestChunksAreTold: each chunk begins and ends once, also one that a fault of the link ended, and what was acknowledged is the file.
func TestChunksAreTold(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var mu sync.Mutex
		begun, ended, acked := 0, 0, int64(0)
		var fastest float64
		w := newWorld(t, 8<<20, func(w *world) {
			w.opts.OnChunk = func(began bool, n int64, took time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				if began {
					begun++
					return
				}
				ended++
				acked += n
				if n > 0 {
					fastest = max(fastest, float64(n)/took.Seconds())
				}
			}
		})
		defer w.close()
		if err := w.add(upload.Request{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.link.Reset()
		if err := w.done(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%d chunks, %d bytes, at most %.0f bytes a second", begun, acked, fastest)
		if begun != ended || begun < 3 || acked <= 4<<20 || acked > int64(len(w.data)) || fastest > rate {
			t.Errorf("%d chunks began, %d ended, %d bytes of %d, at %.0f a second", begun, ended, acked, len(w.data), fastest)
		}
	})
}
