package upload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// choking is a world whose server answers what f says to chunks of all files but the one that is called fine. It keeps
// when chunks came that it choked on.
type choking struct {
	*world
	mu    sync.Mutex // guards below
	well  bool       // it chokes no more
	tries map[string][]time.Time
}

func newChoking(t *testing.T, f *fault) *choking {
	t.Helper()
	c := &choking{tries: map[string][]time.Time{}}
	c.world = newWorld(t, 100_000, func(w *world) {
		w.srv.script = func(r *http.Request, copied *tusCopy) *fault {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.well || r.Method != http.MethodPatch || copied == nil || copied.meta["filename"] == "fine" {
				return nil
			}
			c.tries[copied.meta["filename"]] = append(c.tries[copied.meta["filename"]], time.Now())
			return f
		}
	})
	return c
}

func (c *choking) give(name string) (string, error) {
	u, err := c.q.Add(context.Background(), upload.Request{Path: c.path, Name: name})
	return u.ID, err
}

// doneWithin waits for an upload.
func (c *choking) doneWithin(id string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	u, err := c.q.Wait(ctx, id)
	if err != nil {
		return fmt.Errorf("%s after %v: %w", u.Name, limit, err)
	}
	return nil
}

// checkTurns: what the server chokes on, with an answer or by breaking the connection off, lets others go; and has turns
// itself as long as it takes.
func checkTurns(t *testing.T) error {
	for _, f := range []*fault{{status: 500}, {status: 423}, {lose: true, status: 204}} {
		if err := takeTurns(t, f); err != nil {
			return fmt.Errorf("%+v: %w", *f, err)
		}
	}
	return nil
}

func takeTurns(t *testing.T, f *fault) error {
	c := newChoking(t, f)
	var stuck []string
	for i := range 3 {
		id, err := c.give(fmt.Sprintf("stuck-%d", i))
		if err != nil {
			return err
		}
		stuck = append(stuck, id)
	}
	fine, err := c.give("fine")
	if err == nil {
		err = c.doneWithin(fine, 30*time.Second)
	}
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Minute)
	c.mu.Lock()
	for _, id := range stuck {
		u, _ := c.q.Get(id)
		tries := c.tries[u.Name]
		if u.State.Settled() || len(tries) == 0 || time.Since(tries[len(tries)-1]) > 50*time.Second {
			err = errors.Join(err, fmt.Errorf("%s is %s, tried %d times, and has no turn", u.Name, u.State, len(tries)))
		}
	}
	c.well = true
	c.mu.Unlock()
	for _, id := range stuck {
		err = errors.Join(err, c.doneWithin(id, 30*time.Second))
	}
	return err
}

// TestAskedWaitOutlastsTheTurn: a server that asks to be left alone for long is, while others go.
func TestAskedWaitOutlastsTheTurn(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		c := newChoking(t, &fault{status: 503, header: header("Retry-After", "300")})
		start := time.Now()
		for i := range 2 {
			if _, err := c.give(fmt.Sprintf("stuck-%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		fine, err := c.give("fine")
		if err == nil {
			err = c.doneWithin(fine, 30*time.Second)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(400*time.Second - time.Since(start))
		c.mu.Lock()
		defer c.mu.Unlock()
		for name, tries := range c.tries {
			if len(tries) != 2 || tries[1].Sub(tries[0]) < 300*time.Second {
				t.Errorf("%s was tried at %v", name, tries)
			}
		}
		if len(c.tries) != 2 {
			t.Errorf("%d files were choked on", len(c.tries))
		}
	})
}

// TestOutageTakesNoTurn: where nothing gets through the others wouldn't either, and the probes get rarer.
func TestOutageTakesNoTurn(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 100_000, nil)
		w.link.Cut()
		for i := range 4 {
			if _, err := w.q.Add(t.Context(), upload.Request{Path: w.path, Name: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		for _, u := range w.q.Uploads() { // one that probes is uploading
			if first := u.Name == "0" || u.Name == "1"; first == (u.State == upload.Queued) {
				t.Errorf("%s is %s", u.Name, u.State)
			}
		}
		w.link.Heal()
		if err := until(func() bool { return w.q.State().States[upload.Done] == 4 }); err != nil {
			t.Error(err)
		}
	})
}

// TestSoonExpiredGoesFirst: the upload whose copy the server forgets within a day goes before one that was added earlier.
func TestSoonExpiredGoesFirst(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		ctx := context.Background()
		w := newWorld(t, 1_000_000, func(w *world) { w.opts.Concurrent, w.srv.expire = 1, 20*time.Hour })
		w.q.SetOnline(false)
		early, err := w.q.Add(ctx, upload.Request{Path: w.path})
		err = errors.Join(err, w.q.Pause(ctx, early.ID))
		w.q.SetOnline(true)
		err = errors.Join(err, w.add(upload.Request{}), until(w.has(1)), w.q.Pause(ctx, id))
		third, addErr := w.q.Add(ctx, upload.Request{Path: w.path}) // it takes the turn
		err = errors.Join(err, addErr, until(func() bool {
			u, _ := w.q.Get(third.ID)
			return u.State == upload.Uploading
		}), w.q.Resume(ctx, early.ID), w.q.Resume(ctx, id))
		if err != nil {
			t.Fatal(err)
		}
		if err := until(func() bool { return w.q.State().States[upload.Done] == 3 }); err != nil {
			t.Fatal(err)
		}
		soon, _ := w.q.Get(id)
		early, _ = w.q.Get(early.ID)
		if !soon.DoneAt.Before(early.DoneAt) {
			t.Errorf("done at %v, the other at %v", soon.DoneAt, early.DoneAt)
		}
	})
}
