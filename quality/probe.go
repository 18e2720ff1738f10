package quality

import "time"

const (
	// burstLength probes are asked for where nothing is known: at the start, after an outage or a change.
	burstLength = 3
	burstGap    = 200 * time.Millisecond
	// confirmGap is the time between probes on suspicion; the first goes where others go, so that it takes one round
	// trip, the next ones on new connections, since it may be the connection alone that is dead.
	confirmGap = 250 * time.Millisecond
	// maxProbes may be outstanding at a time.
	maxProbes = 8
	// pathEach is how often a probe is asked for though others are answered, if those answers tell no RTT.
	pathEach = 10 * time.Second
)

// Why says what a probe is for.
type Why string

// Reasons of probes.
const (
	WhyStart   Why = "start"   // nothing is known, or it may have changed
	WhySpacing Why = "spacing" // nothing was heard for Effort.ProbeInterval
	WhyConfirm Why = "confirm" // an answer is overdue, an attempt failed, or a sample spoke of another level
	WhyReturn  Why = "return"  // is the server back?
)

// Probe is one that the estimator would like made. Whoever makes it tells its Begin, with SourcePing, and what came of it.
type Probe struct {
	Why Why
	// Fresh asks for a new connection, and for the server's challenge to come back: the old one may be dead, or a portal
	// may answer.
	Fresh bool
}

// probeState is what was probed.
type probeState struct {
	resting   bool   // no probes are wanted
	burst     int    // probes that are wanted soon
	lastProbe moment // when one began last
}

// probed is told that a probe began.
func (e *Estimator) probed() {
	e.lastProbe = e.now
	e.burst = max(e.burst-1, 0)
	e.askedBack()
}

// pinged is told that somebody was asked for a probe. Its Begin, which takes its place in a burst, will be told.
func (e *Estimator) pinged() { e.lastProbe = e.now }

// SetProbing says whether WantProbe may ask for probes, which it does at first.
func (e *Estimator) SetProbing(on bool) { e.resting = !on }

// WantProbe says whether a probe should be made now. It says so until the probe's Begin is told.
func (e *Estimator) WantProbe(now time.Time) (Probe, bool) {
	e.look(now)
	e.settle()
	p, at := e.nextProbe()
	return p, at != never && at <= e.now
}

// nextProbe is the next probe and when it should be made; never if too many are outstanding.
func (e *Estimator) nextProbe() (Probe, moment) {
	if e.resting {
		return Probe{}, never
	}
	probes := 0
	for _, x := range e.open[:e.opens] {
		if x.source == SourcePing {
			probes++
		}
	}
	if probes >= maxProbes || e.opens == maxOpen { // their ends are waited for
		return Probe{}, never
	}
	if e.lastProbe == never {
		return Probe{WhyStart, false}, e.now
	}
	p, at := e.regular()
	if e.burst > 0 && e.lastProbe+burstGap < at {
		p, at = Probe{WhyConfirm, e.reach != ReachOnline}, e.lastProbe+burstGap
		if e.rtt.n == 0 {
			p.Why = WhyStart
		}
	}
	if due := e.overdue(); due != never && e.reach == ReachOnline {
		soon := due
		if e.lastProbe >= due {
			soon = e.lastProbe + confirmGap
		}
		if soon < at {
			return Probe{WhyConfirm, e.lastProbe >= due}, soon
		}
	}
	return p, at
}

// regular is the probe that the state asks for by itself.
func (e *Estimator) regular() (Probe, moment) {
	switch e.reach {
	case ReachOffline, ReachCaptive, ReachServerDown:
		return Probe{WhyReturn, true}, e.lastProbe + e.returnWait()
	case ReachUnknown:
		return Probe{WhyStart, true}, e.lastProbe + min(e.effort.AwayInterval, e.effort.ProbeInterval)
	case ReachOnline:
	}
	heard := max(e.lastIn, e.lastProbe) + e.effort.ProbeInterval
	if w := e.window(); w == nil || w != &e.loaded && e.now-e.bare >= pathEach {
		heard = min(heard, e.lastProbe+max(e.effort.ProbeInterval, pathEach))
	}
	return Probe{WhySpacing, false}, heard
}

// Next says when to come back if nothing happens until then: the answer may change, or a probe be wanted. It is after now.
func (e *Estimator) Next(now time.Time) time.Time {
	e.look(now)
	e.settle()
	if e.zero.IsZero() {
		return now.Add(e.effort.ProbeInterval)
	}
	next := e.now + time.Minute // windows age
	sooner := func(at moment) {
		if at > e.now {
			next = min(next, at)
		}
	}
	if due := e.overdue(); due != never {
		sooner(due)
		sooner(due + e.patience())
	}
	if e.newest != never {
		sooner(e.newest + e.staleAfter() + 1)
	}
	if e.wanted != e.level {
		sooner(e.wantedAt + e.hold())
	}
	if e.changed > 0 {
		sooner(e.changed + changedFor)
	}
	if _, at := e.nextProbe(); at != never {
		sooner(max(at, e.now+time.Millisecond))
	}
	e.promised = next
	return e.zero.Add(next)
}
