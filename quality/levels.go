package quality

import (
	"math"
	"time"
)

const (
	// margin is how far beyond an edge the median has to be to move the level: without it a path at an edge would
	// change its level with every sample.
	margin = 1.08
	// A worse level is borne so long before it is told, a better one so long: bad news are urgent, good ones may wait.
	holdWorse  = 500 * time.Millisecond
	holdBetter = 3 * time.Second
	// bareFor is how long a measure of the bare path keeps calls, whose time is the server's too, from being taken for one.
	bareFor = 10 * time.Second
	// changedFor is how long the level of the network before is told after a change.
	changedFor = 3 * time.Second
	// maxConfirms bounds the probes in a row that a sample of another level asks for.
	maxConfirms = 8
	// edgeConfirms is the same for one that is within the margin: a path at an edge has many of them.
	edgeConfirms = 3
	// synRTO is when a lost SYN is sent again: a handshake that took as long may hold two.
	synRTO = time.Second
)

// edges are where levels of latency end.
var edges = [...]time.Duration{Excellent: 50 * time.Millisecond, Good: 150 * time.Millisecond, Fair: 300 * time.Millisecond}

// latencyLevel is the level of a round-trip time.
func latencyLevel(rtt time.Duration) Level {
	for l := Excellent; l < Poor; l++ {
		if rtt < edges[l] {
			return l
		}
	}
	return Poor
}

// levelState is what is known of how well data flows.
type levelState struct {
	rtt    rttWindow
	loaded rttWindow // beside transfers
	hands  rttWindow // handshakes and the kernel's: where nothing else is known
	smooth smoothed
	bare   moment        // of the last sample without a server's time in it
	least  time.Duration // that an answer took, the server's time included, since the first ping or handshake; 0 before

	lossState

	latency  Level // of the median, with its margin
	level    Level
	wanted   Level  // what it is about to become
	wantedAt moment // since when
	changed  moment // of the network, or 0
	confirms int    // probes asked for in a row since a sample was of another level
}

// forget drops what was measured: the network may be another one.
func (e *Estimator) forget() {
	e.rtt.clear()
	e.loaded.clear()
	e.hands.clear()
	e.forgetLoss()
	e.goodput = [2]rates{}
	e.smooth = smoothed{}
	e.confirms, e.least = 0, 0
}

func (e *Estimator) roundTrip(s Sample) {
	e.close(s.ID)
	rtt, told := e.withoutServer(s)
	if s.Source == SourceHandshake {
		e.lastPath = e.now
		if e.now-s.RTT < e.backAt {
			return // it waited for the end of an outage
		}
		e.smooth.atLeast(min(rtt, synRTO))
		if rtt < synRTO {
			e.hands.add(e.now, rtt)
		}
		return
	}
	began := e.now - s.RTT
	e.inbound()
	switch {
	case s.Fresh && planted != bugHandshakeRTT:
		return // it holds the connection's set-up
	case began < e.awayFrom && planted != bugOutageRTT:
		return // it waited for the end of an outage
	case s.Loaded:
		e.loaded.add(e.now, rtt)
		return
	case s.Source == SourceCall && !told && e.bare > 0 && e.now-e.bare < bareFor:
		return // an upper bound, where better is known
	}
	if s.Source == SourcePing || told {
		e.bare = e.now
	}
	e.measured(rtt)
}

// credibleTime is the share of the shortest answer that is believed to be left without the server's time: round trips vary.
const credibleTime = 0.7

// withoutServer is a round trip without the server's own time, and whether that was told: it can't have been so long that the
// path took less than it ever did by a ping or a handshake.
func (e *Estimator) withoutServer(s Sample) (rtt time.Duration, told bool) {
	if !s.Fresh && (s.RTT < e.least || e.least == 0 && s.Source != SourceCall) {
		e.least = s.RTT
	}
	rtt = s.RTT - s.Server
	if credible := time.Duration(credibleTime * float64(e.least)); rtt < credible {
		return min(e.least, s.RTT), false
	}
	return rtt, s.Server > 0
}

// measured takes a round trip of the path.
func (e *Estimator) measured(rtt time.Duration) {
	own, late := e.rtt.add(e.now, rtt)
	e.countLate(own, late)
	e.smooth.misses = 0
	if !late {
		e.smooth.add(rtt)
	}
	if planted != bugNoChangePoint {
		if k := e.rtt.cut(e.lostLately()); k > 0 {
			e.late.retract(e.rtt.s[0].at)
			e.answers.clear() // what looked late was a longer path
			e.smooth = smoothed{srtt: e.rtt.usual(), rttvar: e.rtt.usual() / 4}
		}
	}
	switch most := maxConfirms; {
	case latencyLevel(rtt) == e.latency || e.latency == Unknown:
		e.confirms = 0
	default:
		if e.margined(rtt) == e.latency {
			most = edgeConfirms
		}
		if e.confirms < most {
			e.confirms++
			e.burst = max(e.burst, 1)
		}
	}
}

// usual is the weighted median.
func (w *rttWindow) usual() time.Duration { return time.Duration(math.Exp(w.middle)) }

// variation is a standard deviation.
func (w *rttWindow) variation() time.Duration {
	return time.Duration(math.Exp(w.middle) * w.sigma)
}

// guess is SRTT, or what is taken for it.
func (s smoothed) guess() time.Duration {
	if s.srtt == 0 {
		return unknownPath
	}
	return s.srtt
}

// margined is the level of a time, or the present one as long as it is within its margin.
func (e *Estimator) margined(rtt time.Duration) Level {
	l := latencyLevel(rtt)
	if planted == bugNoHysteresis {
		return l
	}
	wide := time.Duration(float64(rtt) * margin)
	narrow := time.Duration(float64(rtt) / margin)
	switch {
	case e.latency == Unknown:
	case l > e.latency:
		return max(latencyLevel(narrow), e.latency)
	case l < e.latency:
		return min(latencyLevel(wide), e.latency)
	}
	return l
}

// window is where the level's round-trip time comes from, or nil.
func (e *Estimator) window() *rttWindow {
	for _, w := range [...]*rttWindow{&e.rtt, &e.loaded, &e.hands} {
		if w.n > 0 && e.now-w.newest().at <= max(e.effort.StaleAfter, bareFor) {
			return w
		}
	}
	return nil
}

// expire forgets old samples.
func (e *Estimator) expire() {
	age := max(rttAge, 8*e.effort.ProbeInterval)
	e.rtt.expire(e.now, age)
	e.loaded.expire(e.now, age)
	e.hands.expire(e.now, age)
	e.expireLoss()
}

// setLevel follows what is known, with patience.
func (e *Estimator) setLevel() {
	level, hold := e.seen()
	if level == e.level {
		e.wanted = level
		return
	}
	if hold && planted != bugNoHysteresis {
		if better := level < e.level; e.wanted == e.level || (e.wanted < e.level) != better {
			e.wantedAt = e.now
		}
		e.wanted = level
		if e.now < e.wantedAt+e.hold() {
			return
		}
	}
	e.level, e.wanted, e.since = level, level, e.now
}

// hold is how long a wanted level has to be wanted.
func (e *Estimator) hold() time.Duration {
	if e.wanted < e.level {
		return holdBetter
	}
	return holdWorse
}

// seen is the level that the evidence speaks for, and whether that may wait.
func (e *Estimator) seen() (l Level, hold bool) {
	switch e.reach {
	case ReachOffline:
		e.latency = Unknown
		return Offline, false
	case ReachUnknown, ReachCaptive, ReachServerDown:
		e.latency = Unknown
		return Unknown, false
	case ReachOnline:
	}
	w := e.window()
	if w == nil {
		e.latency = Unknown
		if e.changed > 0 && e.now < e.changed+changedFor && e.level != Offline { // which the server's word ended
			return e.level, false
		}
		return Unknown, false
	}
	e.latency = e.margined(w.usual())
	hold = e.level != Unknown && e.level != Offline && e.changed == 0
	e.changed = 0 // what is told from here on was measured on the new network
	return max(e.latency, Excellent+Level(e.lossClass())), hold
}

// levelReason says which axis decides.
func (e *Estimator) levelReason() Reason {
	switch w := e.window(); {
	case w == nil:
		return ReasonChanged
	case e.class > int(e.latency-Excellent):
		return ReasonLoss
	case w == &e.loaded:
		return ReasonLoad
	}
	return ReasonRTT
}

// levelConfidence is the probability of the level while online.
func (e *Estimator) levelConfidence() float64 {
	w := e.window()
	if w == nil || e.level < Excellent || e.level > Poor {
		return 0.3 // nothing but what was before
	}
	post := e.lossPosterior()
	upTo := func(l Level) float64 { // probability that both axes are at most l
		loss := 0.0
		for c := 0; c <= int(l-Excellent); c++ {
			loss += post[c]
		}
		high := time.Duration(math.MaxInt64)
		if l < Poor {
			high = edges[l]
		}
		return loss * w.below(high)
	}
	p := upTo(e.level)
	if e.level > Excellent {
		p -= upTo(e.level - 1)
	}
	if e.confirms > 0 {
		p *= 0.7 // a sample spoke against it
	}
	return min(max(p, 0), 1)
}
