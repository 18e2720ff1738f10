package upload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// left is a way to give up an upload whose creation's answer is being lost. What is stored as the fault is what happens to
// creations from then on.
type left struct {
	name  string
	leave func(w *world, to *atomic.Pointer[fault]) error
}

var leftWays = []left{
	{"cancelled", func(w *world, _ *atomic.Pointer[fault]) error { return w.q.Cancel(context.Background(), id) }},
	{"cancelled by the next process", func(w *world, _ *atomic.Pointer[fault]) error {
		_ = w.q.Close()
		w.opts.HashFirst = 0 // a creation that is repeated is the same, whatever is the rule by now
		w.start()
		time.Sleep(5 * time.Second)
		return w.q.Cancel(context.Background(), id)
	}},
	{"failed and removed", func(w *world, to *atomic.Pointer[fault]) error {
		to.Store(&fault{status: 413})
		if u, err := w.wait(); u.State != upload.Failed {
			return fmt.Errorf("%s: %w", u.State, err)
		}
		return w.q.Remove(context.Background(), id)
	}},
	{"changed", func(w *world, _ *atomic.Pointer[fault]) error {
		w.write([]byte("another file"))
		if _, err := w.wait(); !errors.Is(err, upload.ErrSourceChanged) {
			return err
		}
		return nil
	}},
}

// checkLostAndLeft has the answer to a creation lost, and then nobody wants the upload any more: the copy whose address the
// client never learned is dropped all the same, by a server that knows it by all that was said of it.
func checkLostAndLeft(t *testing.T) error { return leftWays[0].check(t, 0) }

// TestLostCreationLeavesNothing is that for each way, with the SHA-256 told at creation and without.
func TestLostCreationLeavesNothing(t *testing.T) {
	for _, way := range leftWays {
		for _, first := range []int64{0, -1} {
			t.Run(fmt.Sprint(way.name, " ", first), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					if err := way.check(t, first); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func (l left) check(t *testing.T, hashFirst int64) error {
	t.Helper()
	var now atomic.Pointer[fault]
	now.Store(&fault{lose: true})
	w := newWorld(t, 100_000, func(w *world) {
		w.opts.HashFirst = hashFirst
		w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
			if r.Method == http.MethodPost {
				return now.Load()
			}
			return nil
		}
	})
	lost := func() bool { return len(w.srv.live()) == 1 }
	if err := errors.Join(w.add(upload.Request{Name: "ü.png"}), until(lost), l.leave(w, &now)); err != nil {
		return err
	}
	now.Store(nil)
	time.Sleep(3 * time.Minute)
	if n, s := len(w.srv.live()), w.q.State(); n != 0 || s.Drops != 0 {
		return fmt.Errorf("%d copies are left, %d to drop: %s", n, s.Drops, w.srv.requests())
	}
	return w.copies(1)
}
