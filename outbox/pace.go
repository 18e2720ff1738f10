package outbox

import (
	"math"
	"time"
)

// Pace is how fast entries may be sent, so that a server's limit isn't run into.
type Pace struct {
	PerSecond float64 // sustained rate; 0: no limit
	Burst     int     // entries that may go at once; below 1 counts as 1
}

// PaceShare is how much of a Pace is used: entries that left evenly arrive unevenly, and the server counts arrivals.
const PaceShare = 0.95

// bucket is a token bucket.
type bucket struct {
	pace   Pace
	tokens float64
	at     time.Time // zero: the bucket is full
}

func (b *bucket) burst() float64 { return float64(max(b.pace.Burst, 1)) }

// set changes the pace; a bucket that never had one is full.
func (b *bucket) set(p Pace, now time.Time) {
	b.refill(now)
	if b.pace.PerSecond <= 0 {
		b.at = time.Time{}
	}
	b.pace = p
	b.tokens = min(b.tokens, b.burst())
}

func (b *bucket) refill(now time.Time) {
	if b.at.IsZero() {
		b.tokens = b.burst()
	} else {
		b.tokens = min(b.burst(), b.tokens+now.Sub(b.at).Seconds()*b.pace.PerSecond*PaceShare)
	}
	b.at = now
}

// ready says how many entries may go now, at most n.
func (b *bucket) ready(n int, now time.Time) int {
	if b.pace.PerSecond <= 0 {
		return n
	}
	b.refill(now)
	return min(n, int(b.tokens+1e-9)) // a sum of parts may fall short of the whole
}

// take uses up n, which ready allowed.
func (b *bucket) take(n int) {
	if b.pace.PerSecond > 0 {
		b.tokens -= float64(n)
	}
}

// next is when another entry may go; zero: now.
func (b *bucket) next(now time.Time) time.Time {
	if b.ready(1, now) > 0 {
		return time.Time{}
	}
	wait := (1 - b.tokens) / (b.pace.PerSecond * PaceShare)
	return now.Add(time.Duration(math.Ceil(wait * float64(time.Second))))
}
