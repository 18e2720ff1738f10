package uploads

import (
	"context"
	"sync"

	"github.com/tus/tusd/v2/pkg/handler"
)

// locks gives each upload to one request at a time, and to the newest: the holder is interrupted at once, and of those
// that wait only the newest stays. tusd's memory locker lets waiters of any age interrupt each other, and asks a holder
// through a field that it writes without a lock, so that one which is asked early isn't interrupted at all.
type locks struct {
	mu   sync.Mutex
	held map[string]*held // guarded by mu
}

// held is a lock that somebody has.
type held struct {
	holder *request
	next   *waiter // the newest that waits, or nil
}

type waiter struct {
	request *request
	granted chan struct{} // closed when it has the lock
	refused chan struct{} // closed when a newer one came
}

var _ handler.Locker = (*locks)(nil)

func newLocks() *locks { return &locks{held: map[string]*held{}} }

// NewLock names a lock.
func (l *locks) NewLock(id string) (handler.Lock, error) { return lock{l, id}, nil }

type lock struct {
	locks *locks
	id    string
}

// Lock takes the lock as soon as its holder has stopped. handler.ErrFileLocked if a newer request came, or ctx ended.
func (l lock) Lock(ctx context.Context, _ func()) error {
	mine := requestOf(ctx)
	l.locks.mu.Lock()
	h := l.locks.held[l.id]
	if h == nil {
		l.locks.held[l.id] = &held{holder: mine}
		l.locks.mu.Unlock()
		return nil
	}
	if h.next != nil {
		close(h.next.refused)
	}
	w := &waiter{request: mine, granted: make(chan struct{}), refused: make(chan struct{})}
	h.next = w
	holder := h.holder
	l.locks.mu.Unlock()
	if planted != bugNoHandover {
		holder.interrupt(handler.ErrUploadInterrupted)
	}
	select {
	case <-w.granted:
		return nil
	case <-w.refused:
		return handler.ErrFileLocked
	case <-ctx.Done():
	}
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	if h := l.locks.held[l.id]; h != nil {
		switch {
		case h.next == w:
			h.next = nil
		case h.holder == mine: // granted at the same moment
			l.unlockLocked()
		}
	}
	return handler.ErrFileLocked
}

// Unlock gives the lock to the newest that waits.
func (l lock) Unlock() error {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	l.unlockLocked()
	return nil
}

func (l lock) unlockLocked() {
	h := l.locks.held[l.id]
	if h == nil || h.next == nil {
		delete(l.locks.held, l.id)
		return
	}
	l.locks.held[l.id] = &held{holder: h.next.request}
	close(h.next.granted)
}
