package quality

import "time"

const (
	// lateAfter is how much later than Next somebody may come back without having overslept: timers are late by a
	// fraction of that, a machine that slept by more.
	lateAfter = time.Second
	// longGap without a call is taken for sleep whatever Next said.
	longGap = 2 * time.Minute
	// reorder is by how much samples may come out of order, from several goroutines, or from a queue that was held up: they
	// count as of the newest. Older ones up to heldUp are refused, each by itself.
	reorder = 10 * time.Second
	heldUp  = time.Minute
	// absurdGap is more than any machine sleeps.
	absurdGap = 366 * 24 * time.Hour
	// strangers samples in a row from another time show that the clock was set by more than heldUp: everything begins anew.
	strangers = 3
	// forgetAfter is the length of a sleep after which the network is most likely another one.
	forgetAfter = 30 * time.Second

	longestRTT = 2 * time.Minute
	maxOpen    = 64          // exchanges; the last maxProbes places are for probes, which have to find out what the others wait for
	openFor    = time.Minute // an exchange that nobody ended is forgotten after this
	maxDrops   = 32
)

// exchange is outstanding.
type exchange struct {
	id     uint64
	began  moment
	source Source
	fresh  bool
}

// Estimator turns samples into a Report. It has no goroutine and no clock, allocates nothing once made, and isn't safe
// for concurrent use. The zero value works with the effort of Foreground.
type Estimator struct {
	effort   Effort
	started  bool
	zero     time.Time
	now      moment
	promised moment // what Next said, 0 if it wasn't asked
	strange  int    // samples in a row from another time
	refused  [refusals]uint64

	reachState
	levelState
	probeState
	backState

	goodput [2]rates // up and down
	drops   [maxDrops]moment
	dropped int
}

// NewEstimator returns an Estimator that knows nothing. Fields of effort that are zero are those of Foreground.
func NewEstimator(effort Effort) *Estimator {
	e := &Estimator{effort: effort}
	e.init()
	return e
}

func (e *Estimator) init() {
	e.effort = e.effort.filled()
	e.late.exchanges, e.answers.exchanges = true, true
	e.since, e.newest, e.why = never, never, ReasonStart
	e.missed, e.lastIn, e.lastServer, e.lastPath, e.portal, e.lastProbe = never, never, never, never, never, never
	e.awayFrom, e.backAt = never, never
	e.burst = burstLength
	e.started = true
}

// never is a moment before all others.
const never = moment(-1 << 62)

// SetEffort changes the effort; what is known stays. Waits for a return begin anew: somebody may wait now.
func (e *Estimator) SetEffort(effort Effort) {
	if effort = effort.filled(); effort != e.effort {
		e.effort = effort
		e.again()
	}
}

// Refused is how many samples were refused for a reason since the estimator was made.
func (e *Estimator) Refused(why Refusal) uint64 {
	if why <= Taken || why >= refusals {
		return 0
	}
	return e.refused[why]
}

// Observe takes a sample. What makes no sense is refused, changes nothing and is counted (Refused). It doesn't allocate.
func (e *Estimator) Observe(s Sample) Refusal {
	why := e.arrive(s.At)
	if why == Taken {
		why = e.take(s)
		e.settle()
	} else if s.ends() {
		e.close(s.ID) // that it ended late is no silence
	}
	if why != Taken {
		e.refused[why]++
	}
	return why
}

// arrive moves the time to a sample's.
func (e *Estimator) arrive(at time.Time) Refusal {
	if !e.started {
		e.init()
	}
	if e.zero.IsZero() {
		if at.IsZero() {
			return RefusedClock
		}
		e.zero = at
	}
	m := at.Sub(e.zero)
	switch {
	case m >= e.now-reorder && m <= e.now+absurdGap:
	case m >= e.now-heldUp && m < e.now:
		return RefusedClock
	default:
		if e.strange++; e.strange >= strangers {
			e.restart()
		}
		return RefusedClock
	}
	e.strange = 0
	e.look(at)
	return Taken
}

// restart forgets all but the effort and the counts of refusals: the clock was set, and no time is to be trusted.
func (e *Estimator) restart() {
	*e = Estimator{effort: e.effort, refused: e.refused, backState: backState{dice: e.dice}}
	e.init()
}

// look moves the time forward and notices a sleep. A time from the past counts as the present.
func (e *Estimator) look(at time.Time) {
	if !e.started {
		e.init()
	}
	if e.zero.IsZero() {
		return
	}
	m := at.Sub(e.zero)
	if m <= e.now || m > e.now+absurdGap {
		return
	}
	slept := m-e.now > longGap || e.promised > 0 && m > e.promised+lateAfter
	from := max(e.promised, e.now)
	e.now = m
	if slept {
		e.overslept(m - from)
	}
	if m >= e.promised {
		e.promised = 0
	}
}

// overslept is told that nobody looked for so long: silence meanwhile is our own.
func (e *Estimator) overslept(d time.Duration) {
	if planted == bugSleepSilence {
		return
	}
	e.quietFrom = e.now
	e.burst = max(e.burst, 1)
	if d >= forgetAfter {
		e.forget()
		e.again()
		e.burst = burstLength
	}
}

// take is the table of what each kind of sample does.
func (e *Estimator) take(s Sample) Refusal {
	if why := s.check(); why != Taken {
		if s.ends() {
			e.close(s.ID)
		}
		return why
	}
	switch s.Kind {
	case KindRoundTrip:
		e.roundTrip(s)
	case KindBegin:
		return e.begin(s)
	case KindEnd:
		e.close(s.ID)
	case KindInbound:
		e.inbound()
	case KindFailure:
		e.failure(s)
	case KindSocket, KindPeer:
		return e.count(s)
	case KindTransfer:
		e.transfer(s)
	case KindLink:
		e.link(s.Link)
	case KindLate:
		e.overslept(s.Took)
	case KindDrop:
		e.drop(s.Socket)
	case kindsEnd: // was refused
	}
	return Taken
}

// ends says whether a sample is the end of an exchange, if it names one.
func (s Sample) ends() bool {
	return s.Kind == KindRoundTrip || s.Kind == KindFailure || s.Kind == KindEnd
}

// check refuses what can't be, whatever is known.
func (s Sample) check() Refusal {
	if s.Kind <= 0 || s.Kind >= kindsEnd || s.Source < 0 || s.Source >= sourceEnd {
		return RefusedKind
	}
	switch s.Kind {
	case KindRoundTrip:
		if s.RTT <= 0 || s.RTT > longestRTT || s.Server < 0 || s.Server >= s.RTT {
			return RefusedRTT
		}
	case KindBegin:
		if s.ID == 0 {
			return RefusedID
		}
	case KindFailure:
		if s.Cause <= 0 || s.Cause >= causeEnd {
			return RefusedKind
		}
	case KindSocket, KindPeer:
		if !s.Counters.possible() {
			return RefusedCounters
		}
	case KindTransfer:
		if s.Bytes <= 0 || s.Took <= 0 || float64(s.Bytes)/s.Took.Seconds() > fastest {
			return RefusedTransfer
		}
	case KindLink:
		if s.Link <= 0 || s.Link >= linkEnd {
			return RefusedKind
		}
	case KindLate:
		if s.Took < 0 {
			return RefusedClock
		}
	case KindEnd, KindInbound, KindDrop, kindsEnd:
	}
	return Taken
}

func (e *Estimator) begin(s Sample) Refusal {
	e.close(s.ID)
	if e.opens == maxOpen || s.Source != SourcePing && e.opens >= maxOpen-maxProbes {
		return RefusedFull
	}
	e.open[e.opens] = exchange{s.ID, e.now, s.Source, s.Fresh}
	e.opens++
	if s.Source == SourcePing {
		e.probed()
	}
	return Taken
}

// close ends an exchange, if it is known.
func (e *Estimator) close(id uint64) (x exchange, ok bool) {
	for i := range e.open[:e.opens] {
		if x = e.open[i]; id != 0 && x.id == id {
			e.opens--
			copy(e.open[i:], e.open[i+1:e.opens+1])
			return x, true
		}
	}
	return exchange{}, false
}

func (e *Estimator) drop(socket uint64) {
	e.drops[e.dropped%maxDrops] = e.now
	e.dropped++
	e.dropSocket(socket)
	e.burst = max(e.burst, 1)
}

// dropsLately counts those of the last hour.
func (e *Estimator) dropsLately() (n int) {
	for _, at := range e.drops[:min(e.dropped, maxDrops)] {
		if e.now-at <= time.Hour {
			n++
		}
	}
	return n
}

// link takes a notice. It is a hint: what is heard afterwards counts for more.
func (e *Estimator) link(event LinkEvent) {
	switch event {
	case LinkDown:
		e.offline(ReasonLinkDown)
	case LinkUp, LinkChanged:
		e.forget()
		e.again()
		e.opens, e.missed = 0, never // they went to the network before
		e.quietFrom = e.now
		e.burst = burstLength
		e.changed = e.now
	case linkEnd:
	}
}

// Report says what is known at a time. It may settle what was due by then, and nothing else.
func (e *Estimator) Report(now time.Time) Report {
	e.look(now)
	e.settle()
	r := Report{At: now, Level: e.level, Reach: e.reach, Reason: e.reason(), Drops: e.dropsLately(), Loss: e.loss()}
	if e.since != never {
		r.Since = e.zero.Add(e.since)
	}
	if e.rtt.n > 0 {
		r.RTT = RTT{Median: e.rtt.usual(), Variation: e.rtt.variation(), Tail: e.rtt.tail(), Samples: e.rtt.n}
	}
	if e.loaded.n > 0 {
		r.RTT.Loaded = e.loaded.usual()
	}
	r.Goodput = Goodput{Up: e.goodput[0].median(e.now), Down: e.goodput[1].median(e.now)}
	r.Confidence = e.confidence()
	if e.newest != never {
		r.Age = e.now - e.newest
	}
	return r
}
