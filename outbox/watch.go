package outbox

import (
	"context"
	"sync"
)

// watchers hand changes to any number of readers. None is dropped, so a reader that stands still costs memory; it never
// holds the queue up.
type watchers struct {
	wg   sync.WaitGroup
	done chan struct{}

	mu     sync.Mutex // guards below
	closed bool
	all    map[*watcher]struct{}
}

type watcher struct {
	out     chan Change
	wake    chan struct{}
	pending []Change // guarded by watchers.mu
}

func newWatchers() *watchers {
	return &watchers{done: make(chan struct{}), all: make(map[*watcher]struct{})}
}

// publish appends changes for everybody. It never blocks.
func (w *watchers) publish(changes []Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v := range w.all {
		v.pending = append(v.pending, changes...)
		v.poke()
	}
}

// add starts a watcher with what is present. The caller keeps publish out until it returns.
func (w *watchers) add(ctx context.Context, present []Change) <-chan Change {
	v := &watcher{out: make(chan Change), wake: make(chan struct{}, 1), pending: present}
	v.poke()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		close(v.out)
		return v.out
	}
	w.all[v] = struct{}{}
	w.wg.Go(func() { w.forward(ctx, v) })
	return v.out
}

func (v *watcher) poke() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (w *watchers) forward(ctx context.Context, v *watcher) {
	defer close(v.out)
	defer func() {
		w.mu.Lock()
		delete(w.all, v)
		w.mu.Unlock()
	}()
	for {
		select {
		case <-v.wake:
		case <-ctx.Done():
			return
		case <-w.done:
			return
		}
		w.mu.Lock()
		pending := v.pending
		v.pending = nil
		w.mu.Unlock()
		for _, c := range pending {
			c.Entry = c.Entry.clone()
			select {
			case v.out <- c:
			case <-ctx.Done():
				return
			case <-w.done:
				return
			}
		}
	}
}

// close ends all watchers and waits for them. Idempotent.
func (w *watchers) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.done)
	}
	w.mu.Unlock()
	w.wg.Wait()
}
