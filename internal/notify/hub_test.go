package notify_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/notify"
)

// span is a change whose merged form keeps where it began.
type span struct{ from, to int }

func newHub() *notify.Hub[span] {
	return notify.New(span{0, 0}, func(older, newer span) span { return span{older.from, newer.to} })
}

func TestWatchGetsPresentThenEachChange(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := newHub()
		h.Publish(span{0, 1})
		ch := h.Watch(t.Context())
		for i := 1; i < 50; i++ {
			h.Publish(span{i, i + 1})
		}
		for i := range 50 {
			if got := <-ch; got != (span{i, i + 1}) {
				t.Fatalf("change %d is %v", i, got)
			}
		}
		h.Close()
		if _, ok := <-ch; ok {
			t.Error("open after Close")
		}
	})
}

func TestStuckWatcherIsMerged(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := newHub()
		defer h.Close()
		ch := h.Watch(t.Context())
		<-ch
		const n = 10000
		for i := range n {
			h.Publish(span{i, i + 1}) // never blocks, whoever doesn't read
		}
		synctest.Wait()
		at, count := 0, 0
		for at < n {
			got := <-ch
			if got.from != at {
				t.Fatalf("a change from %d follows one to %d", got.from, at)
			}
			at = got.to
			count++
		}
		if count > 300 {
			t.Errorf("%d values kept for a watcher that doesn't read", count)
		}
	})
}

func TestWatchEndsWithContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := newHub()
		ctx, cancel := context.WithCancel(t.Context())
		ch := h.Watch(ctx)
		<-ch
		cancel()
		if _, ok := <-ch; ok {
			t.Error("open after its context ended")
		}
		h.Publish(span{1, 2})
		h.Close()
		h.Close()
		h.Publish(span{2, 3})
		if _, ok := <-h.Watch(t.Context()); ok {
			t.Error("a closed hub still speaks")
		}
	})
}
