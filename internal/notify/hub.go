// Package notify hands changes of a value to any number of watchers, none of which can hold up the publisher.
package notify

import (
	"context"
	"slices"
	"sync"
)

// backlog is how many changes wait for a slow watcher before they are merged. A watcher that prints or draws is some
// changes late at most; one that is stuck must not grow without bound.
const backlog = 64

// Hub publishes values of type T. The zero value isn't ready: use New. Safe for concurrent use.
type Hub[T any] struct {
	key   func(T) string // or nil: all values are of one thing
	merge func(older, newer T) T
	wg    sync.WaitGroup
	done  chan struct{}

	mu       sync.Mutex // guards below
	closed   bool
	last     T
	watchers map[*watcher[T]]struct{}
}

type watcher[T any] struct {
	out     chan T
	wake    chan struct{}
	pending []T // guarded by Hub.mu
}

// New returns a hub whose present value is first. merge makes one value of two that a slow watcher hasn't taken yet.
func New[T any](first T, merge func(older, newer T) T) *Hub[T] {
	return &Hub[T]{merge: merge, last: first, done: make(chan struct{}), watchers: make(map[*watcher[T]]struct{})}
}

// NewKeyed returns a hub for values of several things, which key tells apart: only values of the same thing are merged, so
// that the newest of each always arrives. More values wait for a slow watcher than otherwise, by one for each thing.
func NewKeyed[T any](first T, key func(T) string, merge func(older, newer T) T) *Hub[T] {
	h := New(first, merge)
	h.key = key
	return h
}

// Publish makes v the present value and passes it on. It never blocks. After Close it does nothing.
func (h *Hub[T]) Publish(v T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.last = v
	for w := range h.watchers {
		w.pending = h.queue(w.pending, v)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// queue adds a value to those that wait. If they are too many, the last one of the same thing becomes part of it.
func (h *Hub[T]) queue(pending []T, v T) []T {
	if len(pending) < backlog {
		return append(pending, v)
	}
	for i, older := range slices.Backward(pending) {
		if h.key == nil || h.key(older) == h.key(v) {
			return append(slices.Delete(pending, i, i+1), h.merge(older, v))
		}
	}
	return append(pending, v)
}

// Watch returns a channel that gets the present value at once and then each change, merged only if the reader is more
// than a backlog behind. It is closed when ctx ends or the hub is closed.
func (h *Hub[T]) Watch(ctx context.Context) <-chan T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watchLocked(ctx, []T{h.last})
}

// WatchFrom is Watch for a hub of several things: the channel gets first, the present value of each, instead of the last
// value that was published. The caller keeps Publish out until it returns.
func (h *Hub[T]) WatchFrom(ctx context.Context, first ...T) <-chan T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watchLocked(ctx, slices.Clone(first))
}

func (h *Hub[T]) watchLocked(ctx context.Context, first []T) <-chan T {
	w := &watcher[T]{out: make(chan T, 1), wake: make(chan struct{}, 1), pending: first}
	if h.closed {
		close(w.out)
		return w.out
	}
	w.wake <- struct{}{}
	h.watchers[w] = struct{}{}
	h.wg.Go(func() { h.forward(ctx, w) })
	return w.out
}

func (h *Hub[T]) forward(ctx context.Context, w *watcher[T]) {
	defer close(w.out)
	defer func() {
		h.mu.Lock()
		delete(h.watchers, w)
		h.mu.Unlock()
	}()
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		case <-h.done:
			h.flush(w)
			return
		}
		for _, v := range h.take(w) {
			select {
			case w.out <- v:
			case <-ctx.Done():
				return
			case <-h.done:
				return
			}
		}
	}
}

// flush gives a watcher that is reading the last word before its channel is closed.
func (h *Hub[T]) flush(w *watcher[T]) {
	for _, v := range h.take(w) {
		select {
		case w.out <- v:
		default:
			return
		}
	}
}

func (h *Hub[T]) take(w *watcher[T]) []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := w.pending
	w.pending = nil
	return p
}

// Close closes the channels of all watchers and returns when their goroutines are gone. Idempotent.
func (h *Hub[T]) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.done)
	}
	h.mu.Unlock()
	h.wg.Wait()
}
