package realtime

import "time"

// verdict on a link.
type verdict int

const (
	alive verdict = iota
	suspect
	dead
)

const (
	// uploadMax is the longest that a probe is waited for because of what was sent before it: the longest frame at the
	// slowest rate.
	uploadMax = 30 * time.Second
	// bulk is the amount received since a probe was sent that shows a busy link rather than a dead one.
	bulk = 8 << 10
	// bulkStep in bytes is what has to come at bulkRate a second or quicker for the link to count as busy still: a big
	// amount may have come before it broke, and what trickles in behind that leaves an answer room enough.
	bulkStep, bulkRate = 2 << 10, 3 << 10
	// bulkMax is the longest that a busy link may leave a probe unanswered.
	bulkMax = 15 * time.Second
	// lateTimer is how late a deadline may be noticed before data waiting in the socket is given a chance. A process
	// that was stopped, or a machine that slept, sees all its deadlines pass at once.
	lateTimer = 50 * time.Millisecond
	// veryLateTimer calls for the longer grace.
	veryLateTimer = time.Second
	// maxUnproven bounds the list of what has no answer yet; later ones are covered by the earlier.
	maxUnproven = 1024
	// pingEvery is the longest time without a control ping on a link that is busy enough to need none: commands
	// prove the link, but their time is also the server's and doesn't measure the path.
	pingEvery = 5 * time.Second
)

// liveness judges one link from what was sent and what came back. An answer proves that everything sent before it
// arrived, and that the way back works. A push proves only the way back, and is therefore no answer. Pure: time comes in.
type liveness struct {
	unproven []sentMark // oldest first
	waiting  int        // bytes of unproven
	proven   time.Time  // when what was proven last had been sent, or when the link began
	arrived  time.Time  // when it reached the server, which is when the server began to get what comes behind it
	pinged   time.Time  // when the last ping was sent
	recvMark uint64     // bytes received when the oldest unproven was sent
	stepMark uint64     // bytes received when the present step of bulkStep began
	stepFrom time.Time  // when that was
	busyAt   time.Time  // when a step that came quickly enough was last complete
	grace    time.Time  // no verdict before
	graced   bool       // grace was given since the last proof
}

type sentMark struct {
	at    time.Time
	bytes int // sent since the mark before
}

func (l *liveness) begin(now time.Time) { *l = liveness{proven: now, pinged: now} }

// sent notes something that the server answers. received is the link's count of bytes so far.
func (l *liveness) sent(now time.Time, bytes int, received uint64) {
	if len(l.unproven) == 0 {
		l.mark(received, now)
	}
	l.waiting += bytes
	if n := len(l.unproven); n >= maxUnproven {
		l.unproven[n-1].bytes += bytes
		return
	}
	l.unproven = append(l.unproven, sentMark{now, bytes})
}

// proof notes an answer to something that was sent at sentAt and reached the server at arrived. It returns the bytes that
// it proves to have been uploaded, and how long that took.
func (l *liveness) proof(sentAt, arrived time.Time, received uint64) (bytes int, took time.Duration) {
	i := 0
	for i < len(l.unproven) && !l.unproven[i].at.After(sentAt) {
		bytes += l.unproven[i].bytes
		i++
	}
	if i > 0 {
		took = arrived.Sub(later(l.unproven[0].at, l.arrived))
		l.arrived = later(l.arrived, arrived)
		l.waiting -= bytes
	}
	l.unproven = append(l.unproven[:0], l.unproven[i:]...)
	l.mark(received, later(l.arrived, sentAt))
	l.proven = later(l.proven, sentAt)
	l.graced = false
	return bytes, took
}

// mark begins to count what comes in.
func (l *liveness) mark(received uint64, now time.Time) {
	l.recvMark, l.stepMark, l.stepFrom, l.busyAt = received, received, now, time.Time{}
}

// count notes what came in until lastRecv.
func (l *liveness) count(received uint64, lastRecv time.Time) {
	n := received - l.stepMark
	if n < bulkStep {
		return
	}
	if lastRecv.Sub(l.stepFrom).Seconds()*bulkRate <= float64(n) {
		l.busyAt = lastRecv
	}
	l.stepMark, l.stepFrom = received, lastRecv
}

// deadlines are the moments at which the link becomes suspect and dead if nothing comes; zero if nothing is unproven.
func (l *liveness) deadlines(e *estimator, widen int, received uint64, lastRecv time.Time) (suspectAt, deadAt time.Time) {
	if len(l.unproven) == 0 {
		return time.Time{}, time.Time{}
	}
	extra := e.uploadTime(l.waiting)
	first := later(l.unproven[0].at, l.arrived) // while an upload gets on, what is behind it has its time from there
	d1, d2 := e.suspectAfter(), min(e.deadAfter()<<widen, deadMax)
	suspectAt, deadAt = first.Add(d1+extra), first.Add(d2+extra)
	if l.count(received, lastRecv); received >= l.recvMark+bulk {
		last := first.Add(bulkMax)
		suspectAt = earlier(later(suspectAt, l.busyAt.Add(d1)), last)
		deadAt = earlier(later(deadAt, l.busyAt.Add(d2)), last)
	}
	return later(suspectAt, l.grace), later(deadAt, l.grace)
}

// judge gives the verdict at now. A deadline that is noticed late is put off once.
func (l *liveness) judge(now time.Time, suspected bool, e *estimator, widen int, received uint64, lastRecv time.Time) verdict {
	s, d := l.deadlines(e, widen, received, lastRecv)
	if s.IsZero() || now.Before(s) {
		return alive
	}
	var late time.Duration
	switch {
	case !now.Before(d):
		late = now.Sub(d)
	case !suspected:
		late = now.Sub(s)
	}
	if late > lateTimer && !l.graced {
		l.graced = true
		l.grace = now.Add(lateTimer)
		if late > veryLateTimer {
			l.grace = now.Add(veryLateTimer)
		}
		return alive
	}
	if now.Before(d) {
		return suspect
	}
	return dead
}

// forgive restarts the clock of everything unanswered: after a wake from sleep, or when the network changed.
func (l *liveness) forgive(now time.Time) {
	for i := range l.unproven {
		l.unproven[i].at = now
	}
}

// probeAt is when the next control ping is due. ahead is the number of answers that may be outstanding before pings
// become rare.
func (l *liveness) probeAt(interval time.Duration, ahead int) time.Time {
	rare := l.pinged.Add(max(interval, pingEvery))
	switch n := len(l.unproven); {
	case n >= ahead:
		return rare
	case n > 0:
		return l.pinged.Add(interval)
	}
	return earlier(later(l.proven, l.pinged).Add(interval), rare)
}

// pingBehind says whether a command should be followed by a ping: then a slow answer of the server is no sign of a
// dead link, for the pong comes at once.
func (l *liveness) pingBehind(now time.Time, interval time.Duration) bool {
	return now.Sub(l.pinged) >= min(interval, time.Second)/2
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
