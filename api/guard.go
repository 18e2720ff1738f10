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
	began time.Time // reading the time since then costs less than reading the time
	// closed is the generation plus 1 while the circuit is closed, else 0: nobody needs the lock to be let through then.
	closed atomic.Uint64

	// recent says that seen is exact enough to count a success by; doubt ends that. Reading the clock is what costs most.
	recent atomic.Bool
	doubt  *time.Timer

	mu   sync.Mutex // guards what follows; never held over a call
	b    breaker
	seen time.Time // when the clock was read last
}

// recency is how much later than it says a success may have been, as a share of the window: a tenth of a slot.
const recency = 10 * slots

// NewGuard makes a circuit with an interactive client's defaults. A probe that takes longer than lease, or 30s if that
// is 0, doesn't keep others out any more.
func NewGuard(o BreakerOptions, lease time.Duration) *Guard {
	orDefault(&lease, 30*time.Second)
	g := &Guard{lease: lease, opts: o.withDefaults(false), began: time.Now()}
	g.b = breaker{o: &g.opts, rng: newJitter(nil)}
	g.closed.Store(1)
	g.doubt = time.AfterFunc(time.Hour, func() { g.recent.Store(false) })
	g.doubt.Stop()
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
	if r != resultOK || g.b.state != Closed || !g.recent.Load() {
		g.seen = g.now()
		if g.recent.CompareAndSwap(false, true) && planted != bugOldSuccess {
			g.doubt.Reset(g.opts.Window / recency)
		}
	}
	if g.b.record(g.seen, p, r, 0) == "" {
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
