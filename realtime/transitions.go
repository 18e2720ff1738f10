package realtime

import (
	"log/slog"
	"time"
)

// step feeds the state machine, does what it says and tells of the change.
func (o *owner) step(in inputKind, c cause) {
	from := o.state
	to, actions := next(from, in)
	o.state = to
	tell := from != to
	for _, a := range actions {
		o.do(a, c)
		tell = tell || a == actRetry
	}
	if tell {
		o.publish(from, c)
	}
	if in == inAttemptFailed {
		o.checkAttempts()
	}
}

// checkAttempts ends it all if the application has set a limit and it is reached.
func (o *owner) checkAttempts() {
	if o.o.AttemptLimit > 0 && o.failures >= o.o.AttemptLimit && o.link == nil {
		o.step(inTerminal, cause{class: classTerminal, reason: ReasonAttempts, err: ErrAttempts})
	}
}

func (o *owner) do(a action, c cause) {
	now := time.Now()
	switch a {
	case actDial:
		if !o.directed {
			o.dialNow(now)
		}
	case actRedial:
		o.redial(now)
	case actRetry:
		o.scheduleRetry(now, c)
	case actLeave:
		o.leaveLink()
	case actDrop:
		o.dropLink()
	case actStopAttempts:
		o.stopAttempts()
	case actSettle:
		// dropLink and leaveLink settle: a call must not outlive its link even for a moment.
	case actArmSuspend:
		o.lostAt = now
		o.timers[tSuspend] = now.Add(o.o.SuspendAfter)
	case actDisarmSuspend:
		o.timers[tSuspend] = time.Time{}
	case actArmStable:
		o.timers[tStable] = now.Add(o.o.StableUptime)
	case actForget:
		if !o.directed {
			o.failures, o.renewals = 0, 0
			o.tok.have = false // it may be of another user by now
		}
	case actProbe:
		o.probeChangedNetwork(now)
	case actRejoin:
		o.rejoin(now)
	case actAsk:
		o.askLink(now)
	case actDoubt:
		o.est.doubted = true
		o.askLink(now)
	}
}

// publish tells the watchers, the log and the snapshot of a change: once, in one format.
func (o *owner) publish(from State, c cause) {
	now := time.Now()
	ch := Change{From: from, To: o.state, Reason: c.reason, Err: c.err, Attempt: o.failures, RetryIn: o.retryIn, At: now}
	if o.state == Connected || o.state == Disconnected || o.state == Failed {
		ch.RetryIn = 0
	}
	if o.state == Connected {
		ch.Attempt = 0 // that is the row's end for people; pauses go by o.failures until the connection has lasted
	}
	o.o.Logger.Info("realtime: state", slog.String("from", from.String()), slog.String("to", o.state.String()),
		slog.String("reason", string(c.reason)), slog.Any("err", c.err), slog.Int("attempt", ch.Attempt),
		slog.Duration("retry_in", ch.RetryIn))
	o.c.mu.Lock()
	s := &o.c.snap
	if s.State != ch.To {
		s.Since = now
	}
	s.State, s.Reason, s.Err, s.Attempt, s.RetryIn = ch.To, ch.Reason, ch.Err, ch.Attempt, ch.RetryIn
	o.c.mu.Unlock()
	o.snapshot()
	o.c.hub.Publish(ch)
}

// snapshot brings measures up to date for State and Stats.
func (o *owner) snapshot() {
	in, out := o.bytesIn, o.bytesOut
	client, local := "", ""
	if l := o.link; l != nil {
		in, out = in+l.tr.raw.in.Load(), out+l.tr.raw.out.Load()
		client, local = l.client, l.tr.raw.LocalAddr().String()
	}
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	s := &o.c.snap
	s.SRTT, s.RTTVar, s.LateShare = o.est.srtt, o.est.rttvar, o.est.lateShare()
	s.SuspectAfter, s.DeadAfter = o.est.suspectAfter(), min(o.est.deadAfter()<<o.widen(), deadMax)
	s.ClientID, s.LocalAddr = client, local
	o.c.stats.BytesIn, o.c.stats.BytesOut = in, out
}

func (o *owner) count(f func(*Stats)) {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	f(&o.c.stats)
}

// lost ends an established connection.
func (o *owner) lost(c cause) {
	now := time.Now()
	l := o.link
	o.tell(Exchange{Kind: ExchangeDown, At: now})
	l.fault = Phases{FaultSeen: now, Cause: c.reason, Silence: now.Sub(l.tr.raw.heard())}
	up := now.Sub(l.upAt)
	good := up >= tokenLasted && !c.resync // its token was
	if good {
		o.renewals = 0
	}
	switch {
	case good && c.class == classToken:
		o.failures = 0 // it worked until its token ended
	case up < o.o.StableUptime:
		o.failures++
	}
	if c.resync {
		o.voidPositions()
	}
	if o.settleClass(&c) {
		o.step(inTerminal, c)
		return
	}
	o.step(inLost, c)
}

// attemptFailed ends a round of attempts: nothing is under way any more.
func (o *owner) attemptFailed(c cause) {
	o.failures++
	o.count(func(s *Stats) { s.FailedAttempts++ })
	if c.resync {
		o.voidPositions()
	}
	if o.settleClass(&c) {
		o.step(inTerminal, c)
		return
	}
	o.step(inAttemptFailed, c)
}

// settleClass decides what a refused token means here. It says whether the cause is final.
func (o *owner) settleClass(c *cause) bool {
	switch c.class {
	case classTerminal:
		return true
	case classRenew:
		if o.o.Token == nil || o.renewals > 0 {
			return true
		}
		o.tok.renew = true
	case classToken:
		if o.o.Token == nil {
			c.class = classServer // nothing to renew: perhaps the server takes us as we are
			return false
		}
		o.tok.renew = true
	case classLocal, classServer, classDirected, classLong:
	}
	return false
}

// scheduleRetry plans the next attempt as the cause asks.
func (o *owner) scheduleRetry(now time.Time, c cause) {
	o.cause = c
	d := pause(c, o.effort, o.failures, now.Sub(o.lostAt), o.o.Rand.Int64N)
	switch c.class {
	case classToken, classRenew:
		if o.renewals == 0 {
			d = 0 // with a new token the next attempt is as good as the first
		}
		o.renewals++
		o.dropSpare()
	case classLocal:
		if o.spare != nil || len(o.attempts) > 0 {
			d = 0
		} else if o.failures > 0 && !o.roundStart.IsZero() {
			d = max(0, d-now.Sub(o.roundStart)) // a dial that hung was pause enough
		}
	case classServer, classDirected, classLong, classTerminal:
		o.stopAttempts() // a standby would come back at once, with everybody else's
	}
	o.retryIn, o.directed = d, c.class == classDirected
	o.swapped = false
	if d <= 0 {
		o.retryIn = 0
		o.dialNow(now)
		return
	}
	o.timers[tRetry] = now.Add(d)
}
