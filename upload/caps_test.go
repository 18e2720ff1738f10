package upload_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// TestNoOptionsIsNotBelievedForLong has something in between answer OPTIONS: what the server can do is asked again soon,
// and not at each upload, which would wait for it each time.
func TestNoOptionsIsNotBelievedForLong(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1000, nil)
		w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
			if r.Method == http.MethodOptions {
				return &fault{status: 404, bare: true}
			}
			return nil
		}
		add := func(id string) (options int, took time.Duration) {
			before, start := strings.Count(w.srv.requests(), "OPTIONS"), time.Now()
			_, err := w.q.Add(context.Background(), upload.Request{ID: id, Path: w.path})
			if err == nil {
				_, err = w.q.Wait(t.Context(), id)
			}
			if err != nil {
				t.Error(err)
			}
			return strings.Count(w.srv.requests(), "OPTIONS") - before, time.Since(start)
		}
		if n, took := add(id); n < 2 || took < 10*time.Second {
			t.Errorf("asked %d times in %v", n, took)
		}
		if n, took := add("0190b6a4-5f3c-7c1e-8a2b-3d4e5f607183"); n != 0 || took > 2*time.Second {
			t.Errorf("a second one at once: asked %d times in %v", n, took)
		}
		time.Sleep(time.Minute)
		w.srv.script = nil
		if n, took := add("0190b6a4-5f3c-7c1e-8a2b-3d4e5f607184"); n != 1 || took > 2*time.Second {
			t.Errorf("once it gets through: asked %d times in %v", n, took)
		}
	})
}

// checkPortal has something in between answer the first OPTIONS: the server's checksums are used all the same.
func checkPortal(t *testing.T) error {
	w := newWorld(t, 100_000, func(w *world) {
		w.srv.algorithms = "sha256-prefix"
		w.srv.script = once(http.MethodOptions, 0, &fault{status: 404, bare: true})
	})
	return errors.Join(w.finish(), w.none(">400"))
}
