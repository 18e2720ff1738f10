package notify_test

import (
	"context"
	"fmt"
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

// TestStuckWatcherGetsTheNewestOfEach: values of one thing must not swallow those of another.
func TestStuckWatcherGetsTheNewestOfEach(t *testing.T) {
	type news struct {
		thing string
		n     int
	}
	bubble.Run(t, func(t *testing.T) {
		h := notify.NewKeyed(news{}, func(v news) string { return v.thing }, func(_, newer news) news { return newer })
		defer h.Close()
		ch := h.Watch(t.Context())
		<-ch
		const rounds, things = 200, 100 // more things than wait unmerged
		for n := 1; n <= rounds; n++ {
			for i := range things {
				h.Publish(news{fmt.Sprintf("thing %d", i), n})
			}
		}
		h.Publish(news{"rare", 1})
		for n := range 1000 {
			h.Publish(news{"thing 7", rounds + n})
		}
		synctest.Wait()
		last, count := map[string]int{}, 0
		for {
			synctest.Wait()
			select {
			case v := <-ch:
				if v.n < last[v.thing] {
					t.Fatalf("%s went back from %d to %d", v.thing, last[v.thing], v.n)
				}
				last[v.thing] = v.n
				count++
				continue
			default:
			}
			break
		}
		if last["rare"] != 1 || last["thing 7"] != rounds+999 || last["thing 8"] != rounds || len(last) != things+1 {
			t.Errorf("the newest of %d things: rare %d, thing 7 %d, thing 8 %d", len(last), last["rare"], last["thing 7"], last["thing 8"])
		}
		if count > 400 {
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
