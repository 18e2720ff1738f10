package server

import (
	"math"
	"sync"
	"time"
)

// bucket is a token bucket.
type bucket struct {
	tokens float64
	at     time.Time
}

// throttle holds one token bucket for each key. It may be used concurrently.
type throttle struct {
	rate  float64 // tokens a second
	burst float64

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu; a key without a bucket has a full one
}

func newThrottle(rate float64, burst int) *throttle {
	return &throttle{rate: rate, burst: float64(burst), buckets: map[string]bucket{}}
}

// take takes up to n tokens and says how many it got and, if that wasn't all, when the rest (or a full bucket) is there.
func (t *throttle) take(key string, n int, now time.Time) (got int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.refilledLocked(key, now)
	got = min(n, int(b.tokens))
	b.tokens -= float64(got)
	t.buckets[key] = b
	if rest := min(float64(n-got), t.burst); rest > 0 {
		wait = time.Duration(math.Ceil((rest - b.tokens) / t.rate * float64(time.Second)))
	}
	return got, wait
}

// put gives tokens back.
func (t *throttle) put(key string, n int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.refilledLocked(key, now)
	b.tokens = min(b.tokens+float64(n), t.burst)
	t.buckets[key] = b
}

func (t *throttle) refilledLocked(key string, now time.Time) bucket {
	b, ok := t.buckets[key]
	if !ok {
		return bucket{tokens: t.burst, at: now}
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = min(b.tokens+d.Seconds()*t.rate, t.burst), now
	}
	return b
}

// sweep forgets full buckets, so that the number of keys stays what the last minutes brought.
func (t *throttle) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.buckets {
		if t.refilledLocked(k, now).tokens >= t.burst {
			delete(t.buckets, k)
		}
	}
}
