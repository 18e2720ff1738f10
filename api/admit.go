package api

import (
	"errors"
	"time"
)

// errCrowd is the cause where too many calls wait already.
var errCrowd = errors.New("too many calls wait for the host already")

// leaseSlack is what a probe may take beyond its attempt's timeout before it counts as lost.
const leaseSlack = time.Second

// admit waits until the host's gate and circuit let an attempt through.
func (cl *call) admit() (p permit, waited bool, err error) {
	h := cl.h
	if f := cl.c.opts.AttemptTimeout; f != nil && cl.ours { // outside of the lock: it is somebody else's
		cl.told = f()
	}
	var w *waiter
	for {
		now := cl.now()
		h.mu.Lock()
		if len(h.waiting) == 0 || h.waiting[0] == w || w == nil && cl.aheadLocked() {
			cl.limit = cl.limitLocked()
			lease := cl.limit + leaseSlack
			before := h.breaker.state
			var why error
			var again time.Time
			p, again, why = h.tryLocked(now, lease)
			if before != h.breaker.state {
				cl.c.tell.add(h.changeLocked(before, "time to look"))
			}
			if why == nil {
				if w != nil {
					h.leaveLocked(w)
				}
				cl.countLocked()
				h.mu.Unlock()
				cl.c.tell.deliver()
				return p, w != nil, nil
			}
			w, err = cl.queueLocked(w, why, again, now)
			h.mu.Unlock()
			if err == nil {
				err = cl.await(w, again)
			}
		} else {
			w, err = cl.queueLocked(w, h.whyLocked(now), h.gate.until, now)
			h.mu.Unlock()
			if err == nil {
				err = cl.await(w, time.Time{})
			}
		}
		cl.c.tell.deliver()
		if err != nil {
			if w != nil {
				h.leave(w)
			}
			return permit{}, true, err
		}
	}
}

// aheadLocked says that the call would be the first in the queue.
func (cl *call) aheadLocked() bool {
	w := waiter{priority: cl.set.Priority, order: cl.order}
	return w.before(cl.h.waiting[0]) < 0
}

// whyLocked says what holds the queue up.
func (h *host) whyLocked(now time.Time) error {
	if _, ok := h.gate.ready(now); !ok {
		return ErrRateLimited
	}
	return ErrCircuitOpen
}

// now looks at the clock, unless that was done and nothing has taken time since.
func (cl *call) now() time.Time {
	if cl.looked.IsZero() {
		cl.looked = cl.c.now()
	}
	return cl.looked
}

// countLocked counts the attempt that begins, and notes what it has to know of the host.
func (cl *call) countLocked() {
	cl.patience = min(max(8*cl.h.path.rtt.bound(), minPatience), maxPatience)
	cl.known = cl.h.answered
	s := &cl.h.stats
	if cl.n == 0 {
		s.Calls++
	} else {
		s.Retries++
	}
	s.Attempts++
}

// queueLocked puts the call in the queue, unless waiting can't help: again is when it could go on at the earliest.
func (cl *call) queueLocked(w *waiter, why error, again, now time.Time) (*waiter, error) {
	long := again.Sub(now)
	switch {
	case cl.set.FailFast && (errors.Is(why, ErrCircuitOpen) || now.Before(cl.h.gate.until)), // pacing alone is no reason to fail
		errors.Is(why, ErrRateLimited) && long > cl.c.opts.MaxRetryAfter,
		!cl.deadline.IsZero() && again.After(cl.deadline):
		if long > 0 {
			cl.retryAt = again
		}
		fault := FaultServer
		if errors.Is(why, ErrRateLimited) {
			fault = FaultOverload
		}
		return w, cl.fail(why, fault, nil)
	case w != nil:
		return w, nil
	}
	w = &waiter{priority: cl.set.Priority, order: cl.order, wake: make(chan struct{}, 1)}
	if !cl.h.enqueueLocked(w) {
		return nil, cl.fail(ErrRateLimited, FaultCaller, errCrowd)
	}
	return w, nil
}

// await sleeps until again, if that isn't zero, or until somebody wakes w.
func (cl *call) await(w *waiter, again time.Time) error {
	cl.looked = time.Time{}
	until := again
	if !cl.deadline.IsZero() && (until.IsZero() || cl.deadline.Before(until)) {
		until = cl.deadline
	}
	var fired <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		fired = t.C
	}
	select {
	case <-w.wake:
	case <-fired:
		if !cl.deadline.IsZero() && !time.Now().Before(cl.deadline) {
			return cl.ended(errDeadline)
		}
	case <-cl.ctx.Done():
		return cl.ended(cl.ctx.Err())
	case <-cl.c.ctx.Done():
		return cl.ended(ErrClosed)
	}
	return nil
}

// limitLocked is the timeout of the next attempt.
func (cl *call) limitLocked() time.Duration {
	o := &cl.c.opts
	d := min(max(cl.h.path.timeout(cl.route, cl.told), o.AttemptMin), o.AttemptMax)
	return min(d<<cl.h.path.shift(), o.AttemptMax)
}
