package upload_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// noticed is when a client that nobody tells of an outage has noticed at the latest, after 3 s and twice the 2 s that a
// chunk takes: what it handed over last may have been all of one. An outage that ends sooner is over for it only then,
// unless TCP sends again before.
const noticed = 7 * time.Second

// TestBackInTime measures from the moment when the link is back to the first new byte at the server, at RTT 100 ms.
func TestBackInTime(t *testing.T) {
	seed := envSeed(t, 1)
	for name, c := range map[string]struct {
		outage func(w *world, d time.Duration) (back time.Time)
		within time.Duration
		alone  bool // nobody tells it
	}{
		"told": {func(w *world, d time.Duration) time.Time {
			w.link.Cut()
			w.q.SetOnline(false)
			time.Sleep(d)
			w.link.Heal()
			w.q.SetOnline(true)
			w.q.Kick()
			return time.Now()
		}, time.Second, false},
		"not told": {func(w *world, d time.Duration) time.Time {
			w.link.Cut()
			time.Sleep(d)
			w.link.Heal()
			return time.Now()
		}, time.Second, true},
		"half-open predecessor": {func(w *world, _ time.Duration) time.Time {
			w.link.Strand(true, true) // the server waits for more on the old connection
			w.q.Kick()
			return time.Now()
		}, 2 * time.Second, false},
		"new process": {func(w *world, d time.Duration) time.Time {
			w.link.Strand(true, true)
			_ = w.q.Close()
			time.Sleep(d)
			w.start()
			return time.Now()
		}, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3)) // its own: the cases come in any order
			var worst time.Duration
			for _, algorithms := range []string{"", "sha256-prefix"} {
				for range 10 {
					bubble.Run(t, func(t *testing.T) {
						w := newWorld(t, 2_500_000, func(w *world) {
							w.srv.algorithms = algorithms
							w.slow(rate / 4)
						})
						lasted := 5*time.Second + time.Duration(rng.Int64N(int64(20*time.Second)))
						took, err := backAfter(w, func() time.Time { return c.outage(w, lasted) })
						if c.alone && lasted < noticed {
							took -= noticed - lasted
						}
						if worst = max(worst, took); err != nil || took > c.within {
							t.Errorf("%q: %v after %v, %v", algorithms, took, lasted, err)
						}
					})
				}
			}
			t.Logf("at most %v", worst)
		})
	}
}

// backAfter breaks an upload midway and says how long it took until bytes moved again: accepted ones, or where whole
// chunks are accepted, ones that were read.
func backAfter(w *world, outage func() time.Time) (time.Duration, error) {
	if err := errors.Join(w.add(upload.Request{}), until(w.has(700_000))); err != nil {
		return 0, err
	}
	back := outage()
	had := w.read()
	if err := until(func() bool { return w.read() > had }); err != nil {
		return 0, err
	}
	took := time.Since(back)
	w.t.Logf("took %v", took)
	return took, w.done()
}

// read is how many bytes of bodies the server has read.
func (w *world) read() int64 {
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	return w.srv.received
}

// crashing is a store that is as dead as its process from some write on: the write is kept, or not, and every later one
// fails.
type crashing struct {
	*upload.Memory
	left int  // writes until then; the owner's alone
	keep bool // whether that one is kept
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (s *crashing) Commit(ctx context.Context, tx upload.Tx) error {
	if s.dead.Load() {
		return errDead
	}
	if s.left--; s.left < 0 {
		if s.dead.Store(true); s.keep {
			_ = s.Memory.Commit(ctx, tx)
		}
		return errDead
	}
	return s.Memory.Commit(ctx, tx)
}

// TestCrashAtEachWrite ends the client at each write to its store, before and after it is kept. The next process brings
// the file there, in one copy.
func TestCrashAtEachWrite(t *testing.T) {
	for _, algorithms := range []string{"", "sha256-prefix"} {
		for n := 1; ; n++ { // the first write is Add's
			died := false
			for _, keep := range []bool{false, true} {
				bubble.Run(t, func(t *testing.T) {
					s := &crashing{Memory: upload.NewMemory(), left: n, keep: keep}
					w := newWorld(t, 1_500_000, func(w *world) { w.slow(rate / 3); w.opts.Store, w.srv.algorithms = s, algorithms })
					if err := crashOnce(w, s); err != nil {
						t.Errorf("write %d, kept %v: %v", n, keep, err)
					}
					died = died || s.dead.Load()
				})
			}
			if !died {
				t.Logf("%q: %d writes", algorithms, n-1)
				if n < 4 {
					t.Errorf("only %d writes: Add, Posted, URL and the end are more", n)
				}
				break
			}
		}
	}
}

func crashOnce(w *world, s *crashing) error {
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	for range 3000 {
		if u, _ := w.q.Get(id); s.dead.Load() || u.State == upload.Done {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.link.Reset()
	_ = w.q.Close()
	w.opts.Store = s.Memory
	w.start()
	if err := w.done(); err != nil {
		return err
	}
	if w.srv.made != 1 {
		return fmt.Errorf("%d copies were made: %s", w.srv.made, w.srv.requests())
	}
	return nil
}
