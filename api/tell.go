package api

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// teller hands changes of circuits on, in order, outside of locks, and without a goroutine of its own: whoever caused a
// change delivers what is there, and what comes meanwhile.
type teller struct {
	to  func(CircuitChange)
	log *slog.Logger

	some atomic.Bool // is queued, so that nobody needs the lock to see that nothing is

	mu      sync.Mutex // guards what follows
	queue   []CircuitChange
	telling bool
}

// add queues a change. The caller may hold a host's lock, which keeps a host's changes in order.
func (t *teller) add(c CircuitChange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, c)
	t.some.Store(true)
}

// deliver tells what is queued. The caller holds no lock. A callback that calls back in only queues.
func (t *teller) deliver() {
	if !t.some.Load() {
		return
	}
	t.mu.Lock()
	if t.telling || len(t.queue) == 0 {
		t.mu.Unlock()
		return
	}
	t.telling = true
	defer func() { // also when a callback panics: the next change is told all the same
		t.telling = false
		t.some.Store(len(t.queue) > 0)
		t.mu.Unlock()
	}()
	for len(t.queue) > 0 {
		c := t.queue[0]
		t.queue = t.queue[1:]
		t.one(c)
	}
}

// one tells one change without the lock, which is held before and after.
func (t *teller) one(c CircuitChange) {
	t.mu.Unlock()
	defer t.mu.Lock()
	t.log.Info("circuit", "host", c.Host, "from", c.From.String(), "to", c.To.String(), "reason", c.Reason, "retryIn", c.RetryIn)
	if t.to != nil {
		t.to(c)
	}
}

// changeLocked describes a change of the circuit that has just happened.
func (h *host) changeLocked(from Circuit, reason string) CircuitChange {
	now := time.Now()
	ch := CircuitChange{Host: h.key.String(), From: from, To: h.breaker.state, Reason: reason, At: now}
	if ch.To == Open {
		ch.RetryIn = h.breaker.until.Sub(now)
	}
	return ch
}
