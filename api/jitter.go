package api

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// jitter draws waits. It may be used concurrently.
type jitter struct {
	mu  sync.Mutex // guards rng; held for one draw
	rng *rand.Rand
}

func newJitter(r *rand.Rand) *jitter { return &jitter{rng: backoff.Rand(r)} }

// upTo draws from 0 to d, both included.
func (j *jitter) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Duration(j.rng.Int64N(int64(d) + 1))
}

// full is the wait before retry number n (1, 2, …): drawn from 0 up to first doubled each time, at most limit.
func (j *jitter) full(first, limit time.Duration, n int) time.Duration {
	d := first
	for k := 1; k < n && d < limit; k++ {
		d *= 2
	}
	return j.upTo(min(d, limit))
}
