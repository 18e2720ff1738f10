package upload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// dropping has n uploads cancelled whose copies the server has, and answers the dropping of each as f says, which is given
// its number. It returns how many copies the server still has after some time.
func dropping(t *testing.T, n int, after time.Duration, f func(k int) *fault) (left []string, w *world, err error) {
	t.Helper()
	w = newWorld(t, 100_000, func(w *world) {
		w.opts.Concurrent = n
		w.srv.script = func(r *http.Request, c *tusCopy) *fault {
			switch {
			case r.Method == http.MethodPatch:
				return &fault{status: http.StatusServiceUnavailable}
			case r.Method != http.MethodDelete || c == nil:
				return nil
			}
			k := 0
			_, _ = fmt.Sscan(c.meta["filename"], &k)
			return f(k)
		}
	})
	var ids []string
	for k := range n {
		u, addErr := w.q.Add(context.Background(), upload.Request{Path: w.path, Name: fmt.Sprint(k)})
		ids, err = append(ids, u.ID), errors.Join(err, addErr)
	}
	err = errors.Join(err, until(func() bool { return len(w.srv.live()) == n }))
	w.q.SetOnline(false)
	time.Sleep(5 * time.Second)
	for _, id := range ids {
		err = errors.Join(err, w.q.Cancel(context.Background(), id))
	}
	w.q.SetOnline(true)
	time.Sleep(after)
	for _, c := range w.srv.live() {
		left = append(left, c.meta["filename"])
	}
	return left, w, err
}

// checkDropsGoOn has one of three copies refuse to be dropped, in every way: the others are dropped all the same.
func checkDropsGoOn(t *testing.T) error {
	for _, f := range []*fault{
		{status: 500},
		{status: 503, header: header("Retry-After", "60")},
		{status: 403},
		{status: 423},
		{status: 302, bare: true, header: header("Location", "/x")},
		{lose: true, status: 500}, // it breaks the connection off
	} {
		left, _, err := dropping(t, 3, 30*time.Second, func(k int) *fault {
			if k == 0 {
				return f
			}
			return nil
		})
		if err == nil && fmt.Sprint(left) != "[0]" {
			err = fmt.Errorf("the server has %v", left)
		}
		if err != nil {
			return fmt.Errorf("with %+v for copy 0: %w", f, err)
		}
	}
	return nil
}

// TestPortalDropsNothing has a portal answer for the server, to more copies than answers of its kind are borne: none is
// forgotten.
func TestPortalDropsNothing(t *testing.T) {
	for _, f := range []*fault{
		{status: 200, bare: true}, {status: 404, bare: true}, {status: 403, bare: true}, {status: 302, bare: true, header: header("Location", "/x")},
	} {
		bubble.Run(t, func(t *testing.T) {
			var portal time.Time
			left, w, err := dropping(t, 14, time.Minute, func(int) *fault {
				if portal.IsZero() {
					portal = time.Now()
				}
				if time.Since(portal) < 10*time.Second {
					return f
				}
				return nil
			})
			if err != nil || len(left) > 0 || w.q.State().Drops > 0 {
				t.Errorf("after %+v the server has %v, %v; %d to drop", f, left, err, w.q.State().Drops)
			}
		})
	}
}
