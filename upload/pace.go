package upload

import (
	"context"
	"sync"
	"time"
)

const (
	paceSlice = 5 * time.Millisecond // what may be sent at once, as time at the present rate: a burst is a queue, too
	paceLeast = 1400                 // and at least so many bytes, which are a packet
	busyFirst = 64 << 10             // bytes a second while the chat is busy and nothing was measured yet
)

// pace holds back what all uploads of a queue send together: to a bound, and so that the chat has room. Where the chat's
// round trips are told, the brake sees to that; else it is a part of the measured rate while the chat is busy. What was
// measured under the bound or that part doesn't count, or the part would be of a part.
type pace struct {
	share float64

	mu     sync.Mutex // guards below
	bound  float64    // bytes a second; 0 is none
	busy   bool
	rate   float64 // of all uploads together while nothing held them back; 0 until known
	sender int     // uploads that are sending
	braked int     // counts changes of bound and part
	brake  brake
	free   time.Time
	wake   chan struct{} // closed and replaced when bound or part change
}

// sending is a chunk under way.
type sending struct {
	began  time.Time
	braked int     // -1 under a part
	let    float64 // what the brake had let through, or -1 where that wasn't what held back
}

func newPace(bound int64, share float64) *pace {
	return &pace{share: share, bound: float64(max(bound, 0)), wake: make(chan struct{})}
}

func (p *pace) setBusy(busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == busy {
		return
	}
	p.busy = busy
	if !p.brake.sees(time.Now()) {
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

// observe takes a round trip of the chat.
func (p *pace) observe(rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brake.observe(time.Now(), rtt)
}

// moved says that the network is another one.
func (p *pace) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brake.moved(time.Now())
}

// partLocked is the part of the measured rate that may be used now; 0 is all of it.
func (p *pace) partLocked(now time.Time) float64 {
	switch {
	case !p.busy || p.brake.sees(now):
		return 0
	case p.rate == 0:
		return busyFirst
	}
	return p.share * p.rate
}

// limitLocked is how many bytes a second may be sent now; 0 is no limit.
func (p *pace) limitLocked(now time.Time) (limit float64) {
	for _, l := range [...]float64{p.bound, p.partLocked(now), p.brake.limit(now)} {
		if l > 0 && (limit == 0 || l < limit) {
			limit = l
		}
	}
	return limit
}

// take waits until something may be sent and returns how many bytes, at most n; before a wait it calls waits. It returns 0
// when ctx ends.
func (p *pace) take(ctx context.Context, n int, waits func()) int {
	for {
		n, wait, wake := p.next(n)
		if wait <= 0 {
			return n
		}
		waits()
		if !pause(ctx, wait, wake) && ctx.Err() != nil {
			return 0
		}
	}
}

// next says how many bytes may be sent now, which counts them as sent, or how long to wait at most, until wake is closed.
func (p *pace) next(n int) (may int, wait time.Duration, wake <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if limit := p.limitLocked(now); limit > 0 {
		if wait = p.free.Sub(now); wait > 0 {
			return n, wait, p.wake
		}
		n = min(n, max(int(limit*paceSlice.Seconds()), paceLeast))
		if late := now.Add(-paceSlice); p.free.Before(late) { // a timer that was late is made good
			p.free = late
		}
		p.free = p.free.Add(time.Duration(float64(n) / limit * float64(time.Second)))
	}
	p.brake.sent(now, n)
	return n, 0, nil
}

// measured is the rate of one more upload, as far as it is known.
func (p *pace) measured() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate / float64(p.sender+1)
}

// begin counts one that sends; end tells what became of it.
func (p *pace) begin() sending {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.sender++
	s := sending{began: now, braked: p.braked, let: -1}
	if p.partLocked(now) > 0 {
		s.braked = -1
	}
	if p.bound == 0 && p.brake.limit(now) > 0 {
		s.let = p.brake.through(now)
	}
	return s
}

// end takes a chunk of n bytes that was acknowledged, or 0, with what begin returned. It says whether its rate is the
// path's, as the brake follows it, and no bound's or part's.
func (p *pace) end(s sending, n int64) (free bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	took, senders := now.Sub(s.began), p.sender
	p.sender--
	if s.braked != p.braked || n <= 0 || took <= 0 || p.partLocked(now) > 0 {
		return false
	}
	let := 0.0
	if s.let >= 0 && p.brake.limit(now) > 0 {
		let = p.brake.through(now) - s.let
	}
	p.brake.acked(now, n, took, senders, let)
	if p.bound > 0 {
		return false
	}
	rate := float64(n) / took.Seconds() * float64(senders)
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
