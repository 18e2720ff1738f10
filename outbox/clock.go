package outbox

import "time"

// clock compares this machine's clock, which people and servers set, with the monotonic one. Expiry goes by the latter;
// the former is only what a deadline is stored in.
//
// Where the monotonic clock stands still during sleep (Linux, macOS) sleep looks like a clock that was set, and doesn't
// count. A jump while no process runs can't be told from time that passed, and counts.
type clock struct {
	wall func() time.Time
	base time.Time // the wall clock when mono was looked at
	mono time.Time
}

// jumpThreshold is more than what keeping a clock right moves it by in a minute, and less than anybody sets it by.
const jumpThreshold = 5 * time.Second

// start notes where the clocks are.
func (c *clock) start(now time.Time) { c.base, c.mono = c.wall(), now }

// at is what the wall clock would say if nobody had set it since start.
func (c *clock) at(now time.Time) time.Time { return c.base.Add(now.Sub(c.mono)) }

// jump says by how much the wall clock was set since start, and starts again if it was.
func (c *clock) jump(now time.Time) time.Duration {
	d := c.wall().Sub(c.at(now))
	if d.Abs() < jumpThreshold {
		return 0
	}
	c.start(now)
	return d
}

// deadline is when an entry expires, by the monotonic clock of now; zero: never. A clock that was set back doesn't make
// an entry live longer than it was to live in all.
func (c *clock) deadline(now time.Time, e *Entry) time.Time {
	if e.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return now.Add(min(e.ExpiresAt.Sub(c.wall()), e.ExpiresIn))
}

// lookAtClock is how often the clocks are compared while something can expire.
const lookAtClock = time.Minute

// expire settles what is too old, and moves the stored times along when the clock was set.
func (o *owner) expire(now time.Time) {
	if len(o.expiring) == 0 || now.Before(o.expiryT) || now.Before(o.storeT) {
		return
	}
	var tx Tx
	jump := o.clock.jump(now)
	wall := o.clock.wall()
	for it := range o.expiring {
		over := !now.Before(it.deadline)
		if planted == bugExpireOnJump {
			over = !wall.Before(it.ExpiresAt)
		}
		switch {
		case over:
			o.move(it, evExpire, ReasonExpired, &tx, func(e *Entry) { e.Err = "not sent within " + it.ExpiresIn.String() })
		case jump != 0:
			o.move(it, evEdit, "", &tx, func(e *Entry) { e.ExpiresAt = e.ExpiresAt.Add(jump) })
		}
	}
	sortByOrder(tx.Put)
	sortChanges(o.moved)
	_ = o.commit(tx) // undone and tried again where it fails
	o.expiryT = now.Add(lookAtClock)
	for it := range o.expiring {
		if it.deadline.Before(o.expiryT) {
			o.expiryT = it.deadline
		}
	}
}

// watchExpiry makes expire look at an item in time, if it can expire.
func (o *owner) watchExpiry(it *item) {
	if it.State != Queued || it.deadline.IsZero() {
		delete(o.expiring, it)
		return
	}
	if len(o.expiring) == 0 || it.deadline.Before(o.expiryT) {
		o.expiryT = time.Time{} // now: it also notes where the clocks are
	}
	o.expiring[it] = struct{}{}
}
