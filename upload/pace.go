package upload

import (
	"context"
	"sync"
	"time"
)

const (
	paceSlice = 50 * time.Millisecond // what may be sent at once, as time at the present rate
	paceLeast = 4 << 10               // and at least so many bytes
	busyFirst = 64 << 10              // bytes a second while the chat is busy and nothing was measured yet
)

// pace holds back what all uploads of a queue send together: to a bound, and to a part of the measured rate while the
// chat is busy. What was measured under its own brake doesn't count, or the part would be of a part.
type pace struct {
	share float64

	mu     sync.Mutex // guards below
	bound  float64    // bytes a second; 0 is none
	busy   bool
	rate   float64 // of all uploads together while nothing held them back; 0 until known
	sender int     // uploads that are sending
	braked int     // counts changes of the brake
	free   time.Time
	wake   chan struct{} // closed and replaced when the brake changes
}

func newPace(bound int64, share float64) *pace {
	return &pace{share: share, bound: float64(max(bound, 0)), wake: make(chan struct{})}
}

func (p *pace) setBusy(busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy != busy {
		p.busy = busy
		p.changedLocked()
	}
}

func (p *pace) setRate(bound int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bound = float64(max(bound, 0))
	p.changedLocked()
}

func (p *pace) changedLocked() {
	p.braked++
	p.free = time.Time{}
	close(p.wake)
	p.wake = make(chan struct{})
}

// limitLocked is how many bytes a second may be sent now; 0 is no limit.
func (p *pace) limitLocked() float64 {
	limit := p.bound
	if p.busy {
		part := float64(busyFirst)
		if p.rate > 0 {
			part = p.share * p.rate
		}
		if limit == 0 || part < limit {
			limit = part
		}
	}
	return limit
}

// take waits until something may be sent and returns how many bytes, at most n. It returns 0 when ctx ends.
func (p *pace) take(ctx context.Context, n int) int {
	for {
		p.mu.Lock()
		limit, now := p.limitLocked(), time.Now()
		if limit == 0 {
			p.mu.Unlock()
			return n
		}
		wait := p.free.Sub(now)
		if wait <= 0 {
			n = min(n, max(int(limit*paceSlice.Seconds()), paceLeast))
			p.free = now.Add(time.Duration(float64(n) / limit * float64(time.Second)))
			p.mu.Unlock()
			return n
		}
		wake := p.wake
		p.mu.Unlock()
		if !pause(ctx, wait, wake) && ctx.Err() != nil {
			return 0
		}
	}
}

// held says whether take would hold something back.
func (p *pace) held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limitLocked() > 0
}

// measured is the rate of one more upload, as far as it is known.
func (p *pace) measured() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate / float64(p.sender+1)
}

// begin counts one that sends; end tells what became of it.
func (p *pace) begin() (brake int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sender++
	if p.limitLocked() > 0 {
		return -1
	}
	return p.braked
}

// end takes the rate of a chunk that was acknowledged, or 0, with what begin returned; it says whether the rate is the
// path's and not the brake's.
func (p *pace) end(brake int, rate float64) (free bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	senders := p.sender
	p.sender--
	if brake != p.braked || rate <= 0 {
		return false
	}
	rate *= float64(senders)
	if p.rate == 0 {
		p.rate = rate
	}
	p.rate += rateWeight * (rate - p.rate)
	return true
}

// pause waits for d, and true is returned, or until wake is closed or ctx ends.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
	case <-ctx.Done():
	}
	return false
}
