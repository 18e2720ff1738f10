package realtime

import (
	"net"
	"time"
)

const (
	// flapWindow and flapBudget: that many verdicts in the window are taken as they are; each one more doubles the
	// patience, for a link that keeps being declared dead is more likely misjudged than broken that often. Two doublings are the
	// limit: what loss asks for is the estimator's to say, and a path that does break that often must not wait long.
	flapWindow = time.Minute
	flapBudget = 6
	flapMax    = 2
	// wakeJump is how far the wall clock must run ahead of the monotonic one to mean that the machine slept.
	wakeJump = 2 * time.Second
)

// liveDeadline is when judge must run next.
func (o *owner) liveDeadline() time.Time {
	l := o.link
	if l == nil || !l.up {
		return time.Time{}
	}
	at := o.live.probeAt(o.probePace())
	s, d := o.live.deadlines(&o.est, o.widen(), l.tr.raw.in.Load(), l.tr.raw.heard())
	if o.suspected {
		s = d
	}
	if !s.IsZero() {
		at = earlier(at, s)
	}
	return at
}

// probePace is quicker, with several probes on their way, while it is open whether the path loses segments.
func (o *owner) probePace() (interval time.Duration, ahead int) {
	if o.est.unsettled() && o.effort.ProbeInterval <= time.Second && !o.suspected {
		return min(warmInterval, o.effort.ProbeInterval), warmAhead
	}
	return o.effort.ProbeInterval, 1
}

// judge looks at the link's deadlines.
func (o *owner) judge(now time.Time) {
	l := o.link
	if l == nil || !l.up {
		return
	}
	switch o.live.judge(now, o.suspected, &o.est, o.widen(), l.tr.raw.in.Load(), l.tr.raw.heard()) {
	case dead:
		o.linkDead(now)
		return
	case suspect:
		if !o.suspected {
			o.suspect(now)
		}
	case alive:
	}
	if !now.Before(o.live.probeAt(o.probePace())) {
		o.probe(now)
	}
}

// probe sends a control ping.
func (o *owner) probe(now time.Time) {
	l := o.link
	at := o.stamp()
	o.live.sent(at, 0, l.tr.raw.in.Load())
	o.live.pinged = now
	l.tr.ping(o.began(true, at), at, o.live.waiting)
	o.count(func(s *Stats) { s.Probes++ })
}

// suspect asks the link once more and makes a second one ready. The first goes on being used.
func (o *owner) suspect(now time.Time) {
	o.suspected = true
	o.count(func(s *Stats) { s.Suspects++ })
	o.probe(now)
	if o.spare != nil || len(o.attempts) > 0 {
		return
	}
	if !o.lastStandby.IsZero() && now.Sub(o.lastStandby) < o.effort.StandbyInterval {
		return
	}
	o.lastStandby = now
	o.needToken(now, tokenAge)
	o.startAttempt(true)
	o.count(func(s *Stats) { s.Standbys++ })
}

// proof clears suspicion: the link works both ways.
func (o *owner) proof(sentAt, at time.Time) {
	l := o.link
	o.est.doubted = false
	o.est.uploaded(o.live.proof(sentAt, later(at.Add(-o.est.srtt), sentAt), l.tr.raw.in.Load()))
	if !o.suspected || !l.up {
		return
	}
	if len(o.live.unproven) > 0 && at.Sub(o.live.unproven[0].at) > o.est.suspectAfter() {
		return
	}
	o.suspected = false
	o.cancelAttempts()
	o.dropSpare()
}

func (o *owner) applyPong(e event) {
	if o.ghostSpoke(e.gen, e.at, nil) || o.link == nil || o.link.tr.gen != e.gen {
		return
	}
	rtt := e.at.Sub(e.sentAt)
	o.link.ponged(e.ping)
	o.answered(e.ping, true, e.at, rtt, e.bytes)
	if !o.est.delayedByUpload(rtt, e.bytes) {
		o.measure(e.sentAt, e.at)
	}
	o.proof(e.sentAt, e.at)
	o.roundTrip(rtt, nil)
	o.snapshot()
}

// measure takes an answer for a measure of the path, unless what delayed it is known to be something else: an earlier
// loss that held everything up behind it, or this process, which didn't run. It says whether it was late.
func (o *owner) measure(sentAt, at time.Time) bool {
	if !sentAt.After(o.heldUntil) || !sentAt.After(o.stalled) {
		return false
	}
	if !o.est.observe(at.Sub(sentAt)) {
		return false
	}
	o.heldUntil = at
	o.count(func(s *Stats) { s.LateProbes++ })
	return true
}

func (o *owner) roundTrip(rtt time.Duration, err error) {
	if o.o.OnRoundTrip != nil {
		o.o.OnRoundTrip(rtt, err)
	}
}

// linkDead gives the link up.
func (o *owner) linkDead(now time.Time) {
	o.count(func(s *Stats) { s.Dead++ })
	o.est.uploadStuck(o.live.waiting)
	o.link.dead = true
	if len(o.live.unproven) > 0 {
		o.lingering, o.ghostAsked, o.ghostBytes = true, o.live.unproven[0].at, o.live.waiting
		o.roundTrip(now.Sub(o.live.unproven[0].at), ErrLinkDead)
	}
	o.flaps = append(o.flaps, now)
	o.lastStandby, o.outage = time.Time{}, false // suspicion was right: be as ready for the next time
	o.lost(cause{class: classLocal, reason: ReasonLinkDead, err: ErrLinkDead})
}

// widen is the number of doublings of the deadline that the flap budget asks for.
func (o *owner) widen() int {
	for len(o.flaps) > 0 && time.Since(o.flaps[0]) > flapWindow {
		o.flaps = o.flaps[1:]
	}
	return min(max(0, len(o.flaps)-flapBudget+1), flapMax)
}

// probeChangedNetwork looks at a live connection after NetworkChanged.
func (o *owner) probeChangedNetwork(now time.Time) {
	if now.Sub(o.lastRedial) < redialDebounce {
		return
	}
	o.lastRedial = now
	o.est.age()
	if addressGone(o.link.tr.raw.LocalAddr()) {
		o.linkDead(now)
		return
	}
	o.probe(now)
}

// addressGone says whether a socket's own address is no longer the machine's: then nothing can reach it.
func addressGone(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok || t.IP.IsLoopback() || t.IP.IsUnspecified() {
		return false
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil || len(addrs) == 0 {
		return false
	}
	for _, have := range addrs {
		if n, ok := have.(*net.IPNet); ok && n.IP.Equal(t.IP) {
			return false
		}
	}
	return true
}

// slept says whether the wall clock ran ahead of the monotonic one, which stands still while a machine sleeps.
func slept(wall, mono time.Duration) bool { return wall-mono > wakeJump }

// noticeWake notices that the machine slept. Nothing tells of it but the wall clock, which is looked at whenever the owner
// runs: see Effort.WakeInterval.
func (o *owner) noticeWake(now time.Time) {
	wall := o.c.wall()
	w, m := wall.Sub(o.lastWall), now.Sub(o.lastMono)
	o.lastWall, o.lastMono = wall, now
	if slept(w, m) {
		o.wake(now, w-m)
	}
}

// wake gives the link a fresh start after a sleep: what is unanswered is asked again with the usual deadline, for
// the answers may be waiting in the socket. Pending pauses end, but for what is left of one that the server asked for.
// The token has aged by the sleep, too.
func (o *owner) wake(now time.Time, sleep time.Duration) {
	for _, k := range []timerKind{tRetry, tRefresh} {
		if t := o.timers[k]; !t.IsZero() {
			o.timers[k] = later(t.Add(-sleep), now)
		}
	}
	if l := o.link; l != nil && l.up {
		o.live.forgive(now)
		o.probe(now)
		return
	}
	o.directed = o.directed && o.timers[tRetry].After(now)
	o.step(inNetworkChanged, cause{reason: ReasonNetworkChanged})
}
