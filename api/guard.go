package api

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Guard is a circuit by itself, for calls that aren't HTTP. It may be used concurrently.
type Guard struct {
	lease time.Duration
	opts  BreakerOptions
	began time.Time // reading the time since then costs half of reading the time
	// closed is the generation plus 1 while the circuit is closed, else 0: nobody needs the lock to be let through then.
	closed atomic.Uint64

	mu sync.Mutex // guards b; never held over a call
	b  breaker
}

// NewGuard makes a circuit with an interactive client's defaults. A probe that takes longer than lease, or 30s if that
// is 0, doesn't keep others out any more.
func NewGuard(o BreakerOptions, lease time.Duration) *Guard {
	orDefault(&lease, 30*time.Second)
	g := &Guard{lease: lease, opts: o.withDefaults(false), began: time.Now()}
	g.b = breaker{o: &g.opts, rng: newJitter(nil)}
	g.closed.Store(1)
	return g
}

// Do calls f, or returns ErrCircuitOpen. f says whose fault it was that it failed: FaultServer and FaultOverload count,
// a panic doesn't.
func (g *Guard) Do(f func() Fault) error {
	p := permit{gen: g.closed.Load() - 1}
	if p.gen == math.MaxUint64 {
		var ok bool
		if p, ok = g.admit(); !ok {
			return ErrCircuitOpen
		}
	}
	r := resultNone
	defer func() { g.record(p, r) }()
	switch f() {
	case FaultServer, FaultOverload:
		r = resultFailed
	case FaultNone, FaultAuth:
		r = resultOK
	case FaultCaller, FaultPath:
	}
	return nil
}

func (g *Guard) admit() (permit, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok, _ := g.b.admit(g.now(), g.lease)
	return p, ok
}

func (g *Guard) record(p permit, r result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.b.record(g.now(), p, r, 0) == "" {
		return // it didn't move
	}
	if g.b.state == Closed {
		g.closed.Store(g.b.gen + 1)
	} else {
		g.closed.Store(0)
	}
}

func (g *Guard) now() time.Time { return g.began.Add(time.Since(g.began)) }

// State is the present one.
func (g *Guard) State() Circuit {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.state
}
