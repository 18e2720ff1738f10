package server

import (
	"context"
	"sync"
)

// activity counts what is being answered, so that a stop can wait for it. A sync.WaitGroup won't do: work begins while
// somebody waits.
type activity struct {
	mu   sync.Mutex
	n    int           // guarded by mu
	idle chan struct{} // guarded by mu; closed when n becomes 0, nil if nobody waits
}

// enter begins a piece of work; the returned function ends it.
func (a *activity) enter() (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	return a.leave
}

func (a *activity) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n--; a.n == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// wait returns when nothing is being answered, or ctx's error.
func (a *activity) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
