package quality

import (
	"math"
	"time"
)

const (
	// confirmAfter failures of the server it is taken for down, if one of them was a probe's or they span failSpan: one
	// endpoint that fails is no server that is down, and the probe that the first failure asks for tells.
	confirmAfter = 2
	failSpan     = time.Second
	// callTime is what the server may need for a call.
	callTime = 300 * time.Millisecond
	// freshTrips is the round trips of a new connection with TLS and a request.
	freshTrips = 3
	// hazard is the mean time that nothing changes: what is known gets less sure by it.
	hazard = 5 * time.Minute
)

// reachState is what is known of the way to the server.
type reachState struct {
	reach      Reach
	why        Reason // of reach
	since      moment // when level or reach changed
	newest     moment // of any evidence
	open       [maxOpen]exchange
	opens      int
	missed     moment // when the first answer was due that timed out in the present silence, or never
	lastIn     moment // when somebody was heard
	lastServer moment // when the server was
	quietFrom  moment // silence before doesn't count: we slept, or it was another network
	lastPath   moment // when the path was seen to work, though not the server
	portal     moment // when a portal answered
	failures   int    // of the server, in a row
	firstFail  moment
	failProbe  bool   // one of them was a probe's
	awayFrom   moment // when reach was lost last: an answer to what began before waited for its return
	backAt     moment // when it came back last: so did a handshake that began before
}

// somebody was heard, though not the server: there is a network.
func (e *Estimator) somebody() {
	e.lastIn, e.newest = e.now, e.now
	e.missed = never
}

// inbound takes a sign of life of the server.
func (e *Estimator) inbound() {
	e.somebody()
	e.lastServer = e.now
	e.failures, e.failProbe = 0, false
	if e.reach == ReachOnline {
		return
	}
	if e.reach != ReachUnknown && planted != bugKeepCounters {
		e.forget() // it may be another network, and what was lost was lost to the outage
		e.backAt = e.now
	}
	e.burst = burstLength
	e.setReach(ReachOnline, "")
}

func (e *Estimator) setReach(reach Reach, why Reason) {
	if e.why = why; e.reach == reach {
		return
	}
	if e.reach == ReachOnline {
		e.awayFrom = e.now
	}
	// A portal may refuse at times, and a server be behind one: that is one wait.
	same := e.reach != ReachOffline && reach != ReachOffline && e.reach.lost() && reach.lost()
	e.reach, e.since = reach, e.now
	if !same {
		e.again()
	}
}

func (e *Estimator) offline(why Reason) {
	e.newest = e.now
	e.setReach(ReachOffline, why)
}

// failure puts a failed attempt down to who is at fault.
func (e *Estimator) failure(s Sample) {
	x, known := e.close(s.ID)
	switch s.Cause {
	case CauseTimeout:
		e.smooth.missed()
		due := e.now
		if known {
			due = e.due(x)
		}
		if planted != bugTimeoutsLost && e.tells(x) && due >= e.lastIn && (e.missed == never || due < e.missed) {
			e.missed = due
		}
	case CauseUnreachable:
		e.offline(ReasonUnreachable)
	case CausePortal:
		if planted == bugPortalOnline {
			e.inbound()
			return
		}
		e.somebody()
		e.failures, e.portal = 0, e.now
		e.setReach(ReachCaptive, ReasonPortal)
	case CauseRefused, CauseServerError:
		e.serverFailed(s)
	case causeEnd:
	}
}

func (e *Estimator) serverFailed(s Sample) {
	if planted == bugErrorOffline {
		e.offline(ReasonUnreachable)
		return
	}
	e.somebody()
	if e.reach == ReachCaptive && e.now-e.portal < 3*e.awayWait() {
		return // portals refuse, too
	}
	if e.failures++; e.failures == 1 {
		e.firstFail = e.now
		e.burst = max(e.burst, 1)
	}
	e.failProbe = e.failProbe || s.Source == SourcePing
	if e.failures >= confirmAfter && (e.failProbe || e.now-e.firstFail >= failSpan) {
		why := ReasonRefused
		if s.Cause == CauseServerError {
			why = ReasonServerError
		}
		e.setReach(ReachServerDown, why)
	}
}

// due is when the answer of an exchange is late by more than chance.
func (e *Estimator) due(x exchange) moment {
	wait := e.smooth.answerBy()
	if x.source != SourcePing {
		wait += callTime
	}
	if x.fresh {
		wait += (freshTrips - 1) * e.smooth.guess()
	}
	return max(x.began, e.quietFrom) + wait
}

// tells says whether silence of an exchange would say anything. Behind a portal, and without a server, connections from
// before are silent by themselves: only a probe that somebody would answer tells of the network then.
func (e *Estimator) tells(x exchange) bool {
	away := e.reach == ReachCaptive || e.reach == ReachServerDown
	return !away || x.fresh && x.source == SourcePing
}

// overdue is when the oldest answer that nothing was heard after was due, or never.
func (e *Estimator) overdue() moment {
	first := never
	if e.missed != never {
		first = max(e.missed, e.quietFrom)
	}
	for _, x := range e.open[:e.opens] {
		// One that was overdue already when somebody else was answered waits for something else.
		if due := e.due(x); e.tells(x) && due >= e.lastIn && (first == never || due < first) {
			first = due
		}
	}
	return first
}

// patience is how long silence is borne beyond what is overdue. Where segments are lost, one answer may be late by
// several timeouts.
func (e *Estimator) patience() time.Duration {
	d := max(e.effort.Patience, e.smooth.answerBy()+e.effort.Patience/2)
	if e.lossy() {
		d = max(d, 7*(e.smooth.guess()+rtoMin)) // three in a row
	}
	return min(d, 10*time.Second)
}

// silence decides about what is outstanding.
func (e *Estimator) silence() {
	due := e.overdue()
	if due == never || e.now < due {
		return
	}
	if e.reach == ReachOffline {
		e.newest = e.now // still silent
	}
	if e.now < due+e.patience() {
		return
	}
	if e.lastPath >= due && e.now-e.lastPath < e.patience()+3*e.awayWait() {
		e.newest = e.now
		e.setReach(ReachServerDown, ReasonNoAnswer)
		return
	}
	if e.reach != ReachOffline {
		e.offline(ReasonSilence)
	}
}

// suspicious says that an answer is overdue.
func (e *Estimator) suspicious() bool {
	due := e.overdue()
	return due != never && e.now >= due
}

// stale says that the evidence is too old to know anything.
func (e *Estimator) stale() bool {
	return planted != bugNoAge && e.newest != never && e.now-e.newest > e.staleAfter()
}

// staleAfter is the age of evidence from which on nothing is known. Where a return is asked for ever more rarely, what was
// answered last is so until a few more have had no answer.
func (e *Estimator) staleAfter() time.Duration {
	if !e.reach.lost() {
		return e.effort.StaleAfter
	}
	return max(e.effort.StaleAfter, staleProbes*e.returnWait())
}

// settle does what is due by the present time.
func (e *Estimator) settle() {
	for e.opens > 0 && e.now-e.open[0].began > openFor {
		e.close(e.open[0].id)
	}
	e.silence()
	if e.stale() {
		e.setReach(ReachUnknown, ReasonOldEvidence)
	}
	e.expire()
	e.setLevel()
}

func (e *Estimator) reason() Reason {
	switch {
	case e.reach != ReachOnline:
		return e.why
	case e.level == Unknown:
		return ReasonMeasuring
	}
	return e.levelReason()
}

// confidence is the probability that level and reach are right.
func (e *Estimator) confidence() float64 {
	if e.newest == never || e.reach == ReachUnknown {
		return 0
	}
	fresh := math.Exp(-float64(e.now-e.newest) / float64(hazard))
	switch e.reach {
	case ReachCaptive:
		return 0.99 * fresh
	case ReachServerDown:
		return 0.98 * fresh
	case ReachOffline:
		if e.why != ReasonSilence {
			return 0.97 * fresh // notices of the system are wrong at times
		}
		return e.silenceConfidence()
	case ReachOnline, ReachUnknown:
	}
	p := e.levelConfidence() * fresh
	if e.suspicious() {
		p /= 2
	}
	return p
}

// silenceConfidence is how unlikely it is that losses alone explain the silence: each timeout is twice the one before.
func (e *Estimator) silenceConfidence() float64 {
	due := e.overdue()
	if due == never {
		return 0.97
	}
	silent := max(0, (e.now - due).Seconds()) // what was sent since the silence began may be due later
	timeouts := math.Log2(silent/(e.smooth.guess()+rtoMin).Seconds() + 1)
	p := max(2*e.loss().Share, 0.02)
	return 1 - min(0.5, math.Pow(min(p, 0.9), timeouts))
}
