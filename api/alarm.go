package api

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// alarm is a timer that serves one attempt after the other. It isn't stopped with them but left to ring: an attempt that
// may take longer finds it set, and it is set anew only once it has rung. To make, set and stop a timer for each attempt
// cost a quarter of a happy call.
type alarm struct {
	began time.Time // times are nanoseconds since then
	bug   bug       // that was planted when it was made
	owner atomic.Pointer[attempt]
	at    atomic.Int64 // when it rings at the latest; 0 if it isn't set
	free  *alarm       // the next one without an owner; guarded by Client.mu

	mu    sync.Mutex // guards setting; never held over a wait
	timer *time.Timer
}

// maxAlarms bounds those that are kept without an owner.
const maxAlarms = 64

// never is a time that doesn't come. Two bits less than there are: see silence.
const never = math.MaxInt64 >> 2

func newAlarm(began time.Time) *alarm {
	al := &alarm{began: began, bug: planted}
	al.timer = time.AfterFunc(time.Hour, al.ring)
	al.timer.Stop()
	return al
}

// watch sees to it that the alarm rings at until or before. The owner has noted until already.
func (al *alarm) watch(until int64) {
	if at := al.at.Load(); at != 0 && at <= until {
		return
	}
	al.mu.Lock()
	defer al.mu.Unlock()
	if at := al.at.Load(); at != 0 && at <= until {
		return
	}
	al.at.Store(until)
	al.timer.Reset(time.Duration(until) - time.Since(al.began))
}

// ring is the timer's. The owner is looked up after at is cleared: whoever became it before is seen here, and whoever
// comes later sets the alarm himself.
func (al *alarm) ring() {
	al.at.Store(0)
	a := al.owner.Load()
	if a == nil {
		return
	}
	heard := a.silence.Load()
	until := silence(heard).until()
	if until == never {
		return
	}
	if int64(time.Since(al.began)) < until && al.bug != bugAlarmEarly {
		if al.bug != bugAlarmForgets {
			al.watch(until)
		}
		return
	}
	if a.silence.CompareAndSwap(heard, int64(silenceOf(silence(heard).phase(), never))) {
		a.expire(until)
	}
}

// takeAlarmLocked takes one that is kept, or returns nil.
func (c *Client) takeAlarmLocked() *alarm {
	al := c.alarms
	if al != nil {
		c.alarms, al.free = al.free, nil
		c.kept--
	}
	return al
}

// keepAlarmLocked keeps al for another attempt, if there is room.
func (c *Client) keepAlarmLocked(al *alarm) {
	if c.closed || c.kept >= maxAlarms {
		al.timer.Stop()
		return
	}
	al.free, c.alarms = c.alarms, al
	c.kept++
}

// stopAlarms lets go of those that are kept.
func (c *Client) stopAlarms() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for al := c.takeAlarmLocked(); al != nil; al = c.takeAlarmLocked() {
		al.timer.Stop()
	}
}
