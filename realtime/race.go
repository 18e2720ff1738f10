package realtime

import (
	"context"
	"errors"
	"time"
)

const (
	// spareAge is how long an upgraded connection may wait for its first command: the server closes it after 15 s
	// with a code that means never again to other clients.
	spareAge = 10 * time.Second
	// redialDebounce merges bursts of network notices.
	redialDebounce = 100 * time.Millisecond
	// patienceMin and patienceMax bound the time for the connect reply before another dial is started beside it.
	patienceMin = time.Second
	patienceMax = 5 * time.Second
	// unknownOverlap is the pause between overlapping dials while nothing is known of the path: beyond the round trip of a
	// very slow one, and short enough for the end of an outage to be caught up within 2 s.
	unknownOverlap = 1250 * time.Millisecond
)

// dialNow uses the standby if there is one, else starts an attempt unless one is under way.
func (o *owner) dialNow(now time.Time) {
	o.timers[tRetry], o.retryIn, o.directed = time.Time{}, 0, false
	if o.link != nil || o.waiting != nil {
		return
	}
	o.needToken(now, tokenAge)
	if s := o.spare; s != nil {
		o.spare, o.timers[tSpare] = nil, time.Time{}
		o.use(s, now)
		return
	}
	if len(o.attempts) == 0 {
		o.roundStart = now
		o.startAttempt(false)
	}
	o.armOverlap(now)
}

func (o *owner) startAttempt(standby bool) {
	o.nextGen++
	a := o.c.startAttempt(o.nextGen, o.attemptTimeout(), o.dial)
	a.standby = standby
	o.attempts = append(o.attempts, a)
	o.count(func(s *Stats) { s.Attempts++ })
}

// attemptTimeout grows with failures in a row: what was measured may be of another path. Until there has been an answer on
// this one, what somebody else knows of it counts for more.
func (o *owner) attemptTimeout() time.Duration {
	d := o.est.attemptTimeout()
	if f := o.o.AttemptTimeout; f != nil && o.est.samples == 0 {
		if told := f(); told > 0 {
			d = told
		}
	}
	return min(d<<min(o.failures/4, 3), 10*time.Second)
}

// redial answers NetworkChanged: what was begun on the old network is given up. A delay that the server asked for
// stays: a client that changes networks would else be let in early, and with it everybody behind the same router.
func (o *owner) redial(now time.Time) {
	o.est.age()
	if o.directed || now.Sub(o.lastRedial) < redialDebounce {
		return
	}
	o.lastRedial = now
	o.cancelAttempts()
	o.dropSpare()
	if o.link != nil || o.waiting != nil { // it waits for an answer on what may be the old network: run beside it
		o.startAttempt(false)
		return
	}
	o.dialNow(now)
}

// overlapAfter is how long to wait for an answer before another dial is started.
func (o *owner) overlapAfter() time.Duration {
	if o.effort.Overlap == 0 {
		return 0
	}
	if o.est.srtt == 0 {
		return max(o.effort.Overlap, unknownOverlap)
	}
	return max(o.effort.Overlap, o.est.srtt*9/4) // TLS or upgrade may need two round trips behind a proxy
}

func (o *owner) armOverlap(now time.Time) {
	o.timers[tOverlap] = time.Time{}
	if d := o.overlapAfter(); d > 0 && now.Sub(o.lostAt) <= o.effort.PatientAfter {
		o.timers[tOverlap] = now.Add(d)
	}
}

// overlap starts another dial while the earlier ones hang. A dial that began before a dead network came back sits in
// the back-off of its SYN; a fresh one gets through at once. The oldest stays until its timeout, for paths that are
// just slow; the others rotate.
func (o *owner) overlap(now time.Time) {
	if o.state == Connected || o.state == Disconnected || o.state == Failed || o.waiting != nil {
		return
	}
	if o.link == nil && len(o.attempts) == 0 {
		return // a pause is under way
	}
	if s := o.spare; s != nil {
		if o.link != nil && !o.swapped && now.Sub(o.link.began) >= o.patience() {
			o.spare, o.timers[tSpare] = nil, time.Time{}
			o.swap(s, now)
		}
		return
	}
	moved, step := false, o.overlapAfter()
	if o.est.srtt > 0 {
		step /= 2 // a round trip and a bit
	}
	for _, a := range o.attempts {
		moved = moved || a.stage > stageDial && now.Sub(a.moved) < step
	}
	if !moved {
		if len(o.attempts) >= o.effort.Dials {
			o.attempts[1].cancel()
			o.attempts = append(o.attempts[:1], o.attempts[2:]...)
		}
		o.outage = true
		o.startAttempt(false)
	}
	o.armOverlap(now)
}

func (o *owner) attemptMoved(e event) {
	for _, a := range o.attempts {
		if a.id != e.gen {
			continue
		}
		a.stage, a.moved = e.stage, e.at
		fresh := o.o.Token == nil || o.tok.have && e.at.Sub(o.tok.at) < tokenUse
		if !o.dialed && !fresh && o.link == nil && o.waiting == nil {
			o.dialed = true
			o.reached(a.id)
		}
	}
}

// reached tells, once for an attempt, that it got through and that there is no token for it yet.
func (o *owner) reached(id uint64) {
	if o.o.OnReached != nil && o.told != id {
		o.told = id
		o.o.OnReached()
	}
}

// takeAttempt removes an attempt from the list. It returns nil for one that was given up.
func (o *owner) takeAttempt(id uint64) *attempt {
	for i, a := range o.attempts {
		if a.id == id {
			o.attempts = append(o.attempts[:i], o.attempts[i+1:]...)
			return a
		}
	}
	return nil
}

func (o *owner) attemptEnded(e event) {
	a := o.takeAttempt(e.gen)
	switch {
	case a == nil:
		if e.tr != nil {
			e.tr.kill()
		}
	case e.err != nil:
		o.attemptBroke(e.err)
	default:
		o.attemptOpened(&opened{e.tr, e.phases})
	}
}

func (o *owner) attemptOpened(s *opened) {
	now := time.Now()
	o.est.provisional(s.phases.Upgrade)
	switch {
	case o.state == Disconnected || o.state == Failed, o.link != nil && o.link.up && !o.suspected:
		s.tr.kill()
	case o.link != nil && !o.link.up && !o.swapped && now.Sub(o.link.began) >= o.patience():
		// The newer connection made two round trips while the older one didn't answer once.
		o.swap(s, now)
	case o.link != nil || o.waiting != nil:
		o.dropSpare()
		o.spare = s
		o.timers[tSpare] = now.Add(spareAge)
	default:
		o.use(s, now)
	}
}

// swap gives up a connection that doesn't answer connect for a newer one, once in a round: a server that is slow for
// everybody must not be asked again and again.
func (o *owner) swap(s *opened, now time.Time) {
	o.swapped = true
	o.dropLink()
	o.use(s, now)
}

// attemptBroke decides what a failed attempt means: nothing yet, while others are under way.
func (o *owner) attemptBroke(err error) {
	if o.link != nil || o.waiting != nil || o.state == Connected || o.state == Disconnected || o.state == Failed {
		return
	}
	o.outage = true
	c := dialCause(err)
	if c.class != classLocal || len(o.attempts) == 0 {
		o.cancelAttempts() // an answer speaks for the others too: with them, what it asks for would be forgotten
		o.attemptFailed(c)
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	o.failures++
	o.count(func(s *Stats) { s.FailedAttempts++ })
	o.retryIn, o.cause = 0, c
	o.publish(o.state, c)
	o.checkAttempts()
}

// use takes a fresh transport for the connection, as soon as there is a token.
func (o *owner) use(s *opened, now time.Time) {
	o.waiting = s
	o.cancelAttempts()
	o.timers[tOverlap] = time.Time{}
	o.needToken(now, tokenUse)
	if o.tok.have {
		o.begin(now)
		return
	}
	o.reached(s.tr.gen) // after the look at the token's age: one that is too old isn't there either
	o.timers[tHold] = s.tr.ready.Add(spareAge)
}

// holdTimedOut gives up a socket that waits for a token, before the server does.
func (o *owner) holdTimedOut() {
	if o.waiting == nil {
		return
	}
	o.dropWaiting()
	o.attemptFailed(tokenCause(context.DeadlineExceeded))
}

func (o *owner) patience() time.Duration {
	return min(max(4*o.est.srtt, patienceMin), patienceMax)
}

func (o *owner) cancelAttempts() {
	for _, a := range o.attempts {
		a.cancel()
	}
	o.attempts = nil
}

func (o *owner) dropSpare() {
	if o.spare != nil {
		o.spare.tr.leave()
		o.spare = nil
	}
	o.timers[tSpare] = time.Time{}
}

func (o *owner) dropWaiting() {
	if o.waiting != nil {
		o.waiting.tr.kill()
		o.waiting = nil
	}
	o.timers[tHold] = time.Time{}
}

// stopAttempts stops everything that could become a connection, except for the one that is.
func (o *owner) stopAttempts() {
	o.cancelAttempts()
	o.dropSpare()
	o.dropWaiting()
	o.timers[tRetry], o.timers[tOverlap] = time.Time{}, time.Time{}
	o.retryIn, o.directed = 0, false
	if o.link == nil || !o.link.up {
		o.tok.stop()
	}
}
