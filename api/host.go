package api

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// hostKey names what shares a fate: one server behind one address.
type hostKey struct{ scheme, name, port string }

func keyOf(u *url.URL) hostKey {
	k := hostKey{u.Scheme, strings.ToLower(u.Hostname()), u.Port()}
	switch {
	case k.port != "":
	case k.scheme == "https":
		k.port = "443"
	default:
		k.port = "80"
	}
	return k
}

func (k hostKey) String() string {
	name := k.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	return k.scheme + "://" + name + ":" + k.port
}

// host is what a Client knows of one server. It may be used concurrently.
type host struct {
	key     hostKey
	used    uint64 // when last, in the Client's count of calls; guarded by Client.mu, as is written
	written string // the name and port as the last call wrote them

	mu       sync.Mutex // guards what follows; never held over a wait
	breaker  breaker
	gate     gate
	budget   budget
	path     path
	waiting  []*waiter // the next to go first
	answered bool      // it did, once
	// After a token that was brand new was refused too, no other is asked for until then.
	noRenew  time.Time
	rejected int // new tokens refused in a row
	stats    HostStats
}

// HostStats counts what a Client did with a host.
type HostStats struct {
	Calls    int // begun
	Attempts int // sent
	Retries  int // of those, not the first of their call
	Opened   int // times the circuit opened
}

// HostState is a host as a Client sees it.
type HostState struct {
	Host    string
	Circuit Circuit
	RetryIn time.Duration // until the circuit, or the server's limit, lets the next call through; 0 is now
	Budget  float64       // tokens left for retries after faults of the server, which take 12 each; at most 100
	RTT     time.Duration // smoothed, 0 if not measured yet
	Timeout time.Duration // of an attempt on an unmeasured route
	Waiting int           // calls held back
	Stats   HostStats
}

// waiter is a call that is held back.
type waiter struct {
	priority Priority
	order    uint64
	wake     chan struct{} // 1-buffered
}

// before orders the queue: the more urgent first, then who came first.
func (w *waiter) before(o *waiter) int {
	switch {
	case w.priority != o.priority:
		return int(o.priority - w.priority)
	case w.order < o.order:
		return -1
	}
	return 1
}

// maxWaiting bounds the calls that a host holds back.
const maxWaiting = 10_000

func (h *host) enqueueLocked(w *waiter) bool {
	if len(h.waiting) >= maxWaiting {
		return false
	}
	at, _ := slices.BinarySearchFunc(h.waiting, w, (*waiter).before)
	h.waiting = slices.Insert(h.waiting, at, w)
	return true
}

// leave takes w out of the queue, if it is in it, and wakes who is first then.
func (h *host) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveLocked(w)
}

func (h *host) leaveLocked(w *waiter) {
	if i := slices.Index(h.waiting, w); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
	}
	h.wakeLocked()
}

// wakeLocked makes the first in the queue look again.
func (h *host) wakeLocked() {
	if len(h.waiting) > 0 {
		select {
		case h.waiting[0].wake <- struct{}{}:
		default:
		}
	}
}

// tryLocked lets an attempt through if gate and circuit do. If not, why says which of them, and again when to ask again
// at the latest; zero is when somebody else is done.
func (h *host) tryLocked(now time.Time, leaseFor time.Duration) (p permit, again time.Time, why error) {
	if again, ok := h.gate.ready(now); !ok {
		return permit{}, again, ErrRateLimited
	}
	p, ok, again := h.breaker.admit(now, leaseFor)
	if !ok {
		return permit{}, again, ErrCircuitOpen
	}
	h.gate.enter(now)
	return p, time.Time{}, nil
}

// idleLocked says that nothing would be lost by forgetting the host.
func (h *host) idleLocked(now time.Time) bool {
	return h.breaker.state == Closed && h.gate.inflight == 0 && len(h.waiting) == 0 && !now.Before(h.gate.until)
}

// state returns a snapshot.
func (h *host) state(now time.Time) HostState {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HostState{
		Host: h.key.String(), Circuit: h.breaker.state, Budget: h.budget.left(now),
		RTT: h.path.rtt.mean, Timeout: h.path.timeout("", 0), Waiting: len(h.waiting), Stats: h.stats,
	}
	if h.breaker.state == Open {
		s.RetryIn = max(h.breaker.until.Sub(now), 0)
	}
	s.RetryIn = max(s.RetryIn, h.gate.until.Sub(now))
	return s
}
