package realtime

import (
	"time"
)

// timerKind names a deadline of the owner.
type timerKind int

const (
	tRetry    timerKind = iota // the pause before the next attempt is over
	tOverlap                   // start another dial beside those that hang
	tConnect                   // the connect command should have been answered
	tStable                    // the connection has lasted
	tSuspend                   // too long without success
	tRefresh                   // the token is about to expire
	tSubs                      // a subscription is due for another try
	tCommands                  // a command should have been answered
	tSpare                     // the standby has become too old to be used
	tHold                      // a socket has waited too long for a token
	tGhost                     // a dead link has been listened to long enough
	tLive                      // probe, or judge the link
	numTimers
)

// owner holds all state of the connection. Only its goroutine touches it.
type owner struct {
	c      *Client
	o      Options
	dial   dialer
	effort Effort

	state    State
	failures int // failed attempts in a row
	renewals int // token renewals since the last connection whose token was good
	lostAt   time.Time
	cause    cause // of the last loss or failure
	retryIn  time.Duration
	directed bool // the pending pause is the server's
	timers   [numTimers]time.Time

	exchanges   exchanging
	est         estimator
	link        *link // from the connect command on
	live        liveness
	suspected   bool
	ghost       *ghost    // the link declared dead last
	lingering   bool      // the link being dropped becomes the ghost
	ghostAsked  time.Time // its oldest unanswered probe
	ghostBytes  int       // what was being uploaded on it
	lastStandby time.Time
	lastRedial  time.Time
	flaps       []time.Time // verdicts of the last minute
	outage      bool        // since the last verdict a dial didn't get through at once
	heldUntil   time.Time   // what was sent before was held up by a segment that was lost
	due         time.Time   // the deadline slept for
	stamped     time.Time   // the last stamp
	stalled     time.Time   // when a deadline was last noticed late: what was under way was held up in here

	attempts   []*attempt
	roundStart time.Time
	spare      *opened // upgraded, ready to take over
	waiting    *opened // upgraded, waits for the token
	nextGen    uint64
	dialed     bool   // since the last connection OnReached was told of a dial whose upgrade was still to come
	told       uint64 // the attempt that OnReached was told of last
	lastFault  Phases // how the last established link ended
	swapped    bool   // this round has given up a slow connect once

	tok    tokenState
	subs   map[string]*Subscription
	server map[string]*serverSub

	lastWall, lastMono time.Time
	bytesIn, bytesOut  uint64 // of finished transports
}

// opened is a transport that has no connection on it yet.
type opened struct {
	tr     *transport
	phases Phases
}

func newOwner(c *Client) *owner {
	now := time.Now()
	return &owner{
		c: c, o: c.o, dial: newDialer(c.o, c.ep), effort: c.o.Profile.Effort(),
		subs: make(map[string]*Subscription), server: make(map[string]*serverSub),
		lastWall: c.wall(), lastMono: now,
	}
}

// run is the owner's loop. Frames that wait are always applied before a deadline is looked at.
func (o *owner) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer o.shutdown()
	var first []event
	for {
		timer.Reset(o.sleep(time.Now()))
		first = first[:0]
		select {
		case <-o.c.ctx.Done():
			return
		case <-o.c.box.wake:
		case e := <-o.c.events:
			first = append(first, e)
		case <-timer.C:
		}
		o.noticeStall(time.Now())
		for _, e := range first {
			o.handle(e)
		}
		o.drain()
		now := time.Now()
		o.noticeWake(now)
		o.fire(now)
	}
}

// drain handles what waits, up to a bound, so that deadlines get their turn on a busy connection too.
func (o *owner) drain() {
	for _, e := range o.c.box.take() {
		o.handle(e)
	}
	for range 256 {
		select {
		case e := <-o.c.events:
			o.handle(e)
		default:
			return
		}
	}
}

func (o *owner) handle(e event) {
	switch e.kind {
	case evConnect:
		o.directed = false // somebody asks by hand: that beats the server's wish
		o.step(inConnect, cause{reason: ReasonAsked})
	case evDisconnect:
		o.step(inDisconnect, cause{reason: ReasonAsked})
		o.lastFault = Phases{} // what comes next is no reconnect
		o.dropGhost()
	case evNetworkChanged:
		o.step(inNetworkChanged, cause{reason: ReasonNetworkChanged})
	case evProbe:
		o.probeAsked(time.Now())
	case evPathBack:
		o.step(inPathBack, cause{})
	case evPathLost:
		o.step(inPathLost, cause{})
	case evProfile:
		o.setProfile(e.profile)
	case evSubscribe:
		o.addSub(e.sub)
	case evUnsubscribe:
		o.removeSub(e.sub)
	case evCall:
		o.startCall(e.call)
	case evAbandon:
		o.abandonCall(e.call)
	case evDrained:
		o.queueDrained()
	case evStage:
		o.attemptMoved(e)
	case evOpened:
		o.attemptEnded(e)
	case evFrame:
		o.applyFrame(e)
	case evPong:
		o.applyPong(e)
	case evGone:
		o.transportGone(e)
	case evToken:
		o.tokenArrived(e)
	}
}

// sleep is the time until the earliest deadline.
func (o *owner) sleep(now time.Time) time.Duration {
	o.timers[tLive] = o.liveDeadline()
	o.due = time.Time{}
	for _, t := range o.timers {
		if !t.IsZero() {
			o.due = soonest(o.due, t)
		}
	}
	if o.due.IsZero() {
		return time.Hour
	}
	if o.state != Disconnected && o.state != Failed {
		// Timers stand still while the machine sleeps: a pause of 30 s would go on for what was left of it.
		o.due = earlier(o.due, now.Add(o.effort.WakeInterval))
	}
	o.due = later(o.due, now) // what has just become due isn't late
	return o.due.Sub(now)
}

// noticeStall remembers that this process didn't run when it should have: answers that came late by it say nothing of
// the path.
func (o *owner) noticeStall(now time.Time) {
	if !o.due.IsZero() && now.Sub(o.due) > lateTimer {
		o.stalled = now
	}
}

// fire acts on the deadlines that have passed.
func (o *owner) fire(now time.Time) {
	for k := range o.timers {
		if t := o.timers[k]; t.IsZero() || now.Before(t) {
			continue
		}
		o.timers[k] = time.Time{}
		switch timerKind(k) {
		case tRetry:
			o.directed = false
			o.step(inRetryDue, cause{})
		case tOverlap:
			o.overlap(now)
		case tConnect:
			o.connectTimedOut()
		case tStable:
			o.step(inStable, cause{})
		case tSuspend:
			o.step(inSuspendDue, cause{reason: ReasonSuspended, err: o.cause.err})
		case tRefresh:
			o.refreshToken()
		case tSubs:
			o.retrySubs(now)
		case tCommands:
			o.commandsTimedOut(now)
		case tSpare:
			o.dropSpare()
			if o.suspected { // patience is longer than the server's with a connection that doesn't begin
				o.startAttempt(true)
			}
		case tHold:
			o.holdTimedOut()
		case tGhost:
			o.dropGhost()
		case tLive:
			o.judge(now)
		case numTimers:
		}
	}
}

func (o *owner) setProfile(p Profile) {
	before := o.effort
	o.effort = p.Effort()
	if o.effort.RetryCap < before.RetryCap && !o.timers[tRetry].IsZero() && !o.directed {
		o.timers[tRetry] = time.Now() // somebody waits now
	}
}

// shutdown ends everything. Attempts end by the client's context.
func (o *owner) shutdown() {
	o.cause = cause{reason: ReasonClosed, err: ErrClosed}
	if l := o.link; l != nil {
		o.leaveLink()
		o.settle(l, ErrClosed)
	}
	for _, s := range []*opened{o.spare, o.waiting} {
		if s != nil {
			s.tr.kill()
		}
	}
	for _, a := range o.attempts {
		a.cancel()
	}
	o.dropGhost()
	o.tok.stop()
	from := o.state
	o.state = Disconnected
	o.publish(from, cause{reason: ReasonClosed})
}
