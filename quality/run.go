package quality

import (
	"context"
	"time"
)

const (
	// wakeJump is how far the wall clock must run ahead of the monotonic one to mean that the machine slept.
	wakeJump = 2 * time.Second
	// wakeEvery is how often the clocks are compared at least.
	wakeEvery = 10 * time.Second
	// pollEvery is the time between two readings of the sockets' counters.
	pollEvery = time.Second
	// stuckWait is how long the owner waits at least for probes that don't end though they were told to.
	stuckWait = 100 * time.Millisecond
)

// eventKind is what the owner's own goroutines tell.
type eventKind int

const (
	evConnected eventKind = iota // a probe has a new connection
	evDone                       // a probe ended
	evLink                       // the operating system says something
)

// event is one message to the owner. Which fields count depends on kind.
type event struct {
	kind        eventKind
	at          time.Time
	id          uint64
	gone        bool // evDone: it was given up
	fresh       bool // evDone: it was to make a new connection
	outcome     Outcome
	handshake   time.Duration
	up, changed bool
}

// owner is the goroutine that owns the estimator.
type owner struct {
	m      *Monitor
	e      *Estimator
	id     uint64                        // of the last probe
	probes map[uint64]context.CancelFunc // under way
	warm   bool                          // the prober has a connection that is most likely alive

	linked, up         bool // links were told of; there is a way out
	foreign            bool // samples came since the counters were read last
	polled             time.Time
	lastWall, lastMono time.Time
	dropped            uint64 // samples that the estimator knows to be lost
	told               Report
	counts             Stats
}

func newOwner(m *Monitor) *owner {
	o := &owner{
		m: m, e: NewEstimator(m.o.Effort), id: ownID, probes: make(map[uint64]context.CancelFunc),
		lastWall: m.wall(), lastMono: time.Now(), told: m.report, dropped: m.dropped.Load(),
	}
	o.e.Spread(m.seed)
	return o
}

// run is the owner's loop.
func (o *owner) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var samples []Sample
	var events []event
	for {
		samples, events = samples[:0], events[:0]
		select {
		case <-o.m.ctx.Done():
			o.end()
			return
		case s := <-o.m.box:
			samples = append(samples, s)
		case e := <-o.m.events:
			events = append(events, e)
		case <-o.m.wake:
		case <-timer.C:
		}
		// First what waited, since it is older than what is noticed and asked for now.
		for _, s := range samples {
			o.hear(s)
		}
		for _, e := range events {
			o.handle(e)
		}
		o.drain()
		o.noticeWake(time.Now())
		o.obey()
		now := time.Now()
		o.poll(now)
		o.probe(now)
		o.publish(now)
		timer.Reset(o.sleep(now))
	}
}

// drain takes what waits, up to a bound, so that probes get their turn in a flood of samples too. Losses are told when all
// that came before them was heard.
func (o *owner) drain() {
	dropped := o.m.dropped.Load()
	for range mailbox {
		select {
		case s := <-o.m.box:
			o.hear(s)
		case e := <-o.m.events:
			o.handle(e)
		default:
			if dropped != o.dropped && planted != bugLostEnds {
				o.e.lostSamples()
			}
			o.dropped = dropped
			return
		}
	}
}

// take tells the estimator and counts.
func (o *owner) take(s Sample) Refusal {
	why := o.e.Observe(s)
	if why == Taken {
		o.counts.Samples++
	} else {
		o.counts.Refused++
	}
	return why
}

// hear takes a sample from outside. One of another time is refused here: others are right, and the clock isn't to be doubted.
func (o *owner) hear(s Sample) {
	now := time.Now()
	age := now.Sub(s.At)
	if age < -reorder || age > heldUp {
		o.counts.Refused++
		if !s.ends() {
			return
		}
		s, age = Sample{Kind: KindEnd, ID: s.ID}, 0
	}
	s.At = now.Add(-max(age, 0)) // by the monotonic clock
	o.foreign = true
	if s.Kind == KindLink && s.Link != LinkDown {
		o.networkChanged()
	}
	o.take(s)
}

// obey does what callers asked for.
func (o *owner) obey() {
	o.m.mu.Lock()
	want := o.m.asked
	o.m.asked = asked{}
	o.m.mu.Unlock()
	if want.effort != nil {
		o.e.SetEffort(*want.effort)
	}
	if want.probing != nil {
		o.e.SetProbing(*want.probing)
		if !*want.probing {
			o.end()
		}
	}
	if want.changed {
		o.networkChanged()
		o.take(Sample{Kind: KindLink, At: time.Now(), Link: LinkChanged})
	}
}

// networkChanged gives up the probes that went to the network before, and its connection.
func (o *owner) networkChanged() {
	o.warm = false
	for _, cancel := range o.probes {
		cancel()
	}
}

func (o *owner) handle(e event) {
	switch e.kind {
	case evConnected:
		o.take(Sample{Kind: KindRoundTrip, At: e.at, Source: SourceHandshake, RTT: e.handshake})
	case evDone:
		o.done(e)
	case evLink:
		o.link(e)
	}
}

// done tells what came of a probe.
func (o *owner) done(e event) {
	o.probes[e.id]()
	delete(o.probes, e.id)
	switch {
	case e.gone:
		o.take(Sample{Kind: KindEnd, At: e.at, ID: e.id})
	case e.outcome.Cause != 0:
		o.warm = o.warm && e.fresh // a new connection that failed says nothing of the one that was kept
		o.take(Sample{Kind: KindFailure, At: e.at, ID: e.id, Source: SourcePing, Cause: e.outcome.Cause})
	case e.outcome.RTT <= 0: // a sign of life
		o.warm = true
		o.take(Sample{Kind: KindRoundTrip, At: e.at, ID: e.id, Source: SourcePing, RTT: 1, Fresh: true})
	default:
		o.warm = true
		o.take(Sample{Kind: KindRoundTrip, At: e.at, ID: e.id, Source: SourcePing, RTT: e.outcome.RTT})
	}
}

// link takes what the operating system says. Its first word is what is so and no change.
func (o *owner) link(e event) {
	was, first := o.up, !o.linked
	o.linked, o.up = true, e.up
	s := Sample{Kind: KindLink, At: e.at}
	switch {
	case !e.up && (was || first):
		s.Link = LinkDown
	case e.up && !was && !first:
		s.Link = LinkUp
	case e.up && e.changed:
		s.Link = LinkChanged
	default:
		return
	}
	if s.Link != LinkDown {
		o.networkChanged()
	}
	o.take(s)
}

// noticeWake notices that the machine slept: the wall clock went on, the monotonic one stood still.
func (o *owner) noticeWake(now time.Time) {
	wall := o.m.wall()
	d := wall.Sub(o.lastWall) - now.Sub(o.lastMono)
	o.lastWall, o.lastMono = wall, now
	if d <= wakeJump || planted == bugNoWake {
		return
	}
	if d >= forgetAfter {
		o.networkChanged()
	}
	o.take(Sample{Kind: KindLate, At: now, Took: d})
}

// listened says whether counters are worth reading.
func (o *owner) listened() bool {
	return o.m.o.Sockets != nil && (o.foreign || o.m.watchers.Load() > 0 || planted == bugPollAlways)
}

// poll reads the sockets' counters when that is due.
func (o *owner) poll(now time.Time) {
	if !o.listened() || now.Sub(o.polled) < pollEvery {
		return
	}
	o.polled, o.foreign = now, false
	o.m.o.Sockets(func(socket uint64, c Counters) {
		o.take(Sample{Kind: KindSocket, At: now, Socket: socket, Counters: c})
	})
}

// probe makes the probes that are wanted.
func (o *owner) probe(now time.Time) {
	for len(o.probes) < maxProbes {
		p, ok := o.e.WantProbe(now)
		if planted == bugAlwaysProbe && !ok {
			ok = o.e.now-o.e.lastProbe >= o.e.effort.ProbeInterval
		}
		if !ok || !o.launch(p, now) {
			return
		}
	}
}

// launch begins a probe.
func (o *owner) launch(p Probe, now time.Time) bool {
	if !p.Fresh && o.m.o.Ping != nil && o.m.o.Ping() {
		o.e.pinged() // its Begin is on its way here
		o.counts.Probes++
		return false
	}
	p.Fresh = p.Fresh || !o.warm
	o.id++
	id := o.id
	// While another one uses the connection, this one may need a new one too.
	begin := Sample{Kind: KindBegin, At: now, ID: id, Source: SourcePing, Fresh: p.Fresh || len(o.probes) > 0}
	if o.take(begin) != Taken {
		return false
	}
	o.counts.Probes++
	ctx, cancel := context.WithCancel(o.m.ctx)
	o.probes[id] = cancel
	o.m.wg.Go(func() { o.m.probe(ctx, id, p) })
	return true
}

// probe makes one probe and tells the owner. Its time begins anew when it has a connection: on a path so long that TLS and an
// answer take more than what is left of it, no new connection would ever do.
func (m *Monitor) probe(ctx context.Context, id uint64, p Probe) {
	timed, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(m.o.ProbeTimeout, cancel)
	defer timer.Stop()
	outcome := m.prober.Probe(timed, p, func(handshake time.Duration) {
		timer.Reset(m.o.ProbeTimeout)
		m.tell(event{kind: evConnected, at: time.Now(), handshake: handshake})
	})
	m.tell(event{kind: evDone, at: time.Now(), id: id, gone: ctx.Err() != nil, fresh: p.Fresh, outcome: outcome})
}

// publish makes the present report what State returns, and tells watchers if it is another one.
func (o *owner) publish(now time.Time) {
	r := o.e.Report(now)
	change := Change{Report: r, FromLevel: o.told.Level, FromReach: o.told.Reach}
	differs := r.differs(o.told)
	o.told = r
	o.m.mu.Lock()
	o.m.report, o.m.advice, o.m.stats = r, o.e.Advice(), o.counts
	if differs {
		o.m.hub.Publish(change)
	}
	o.m.mu.Unlock()
	if differs {
		o.m.o.Logger.Info("network", "level", r.Level.String(), "reach", r.Reach.String(), "reason", string(r.Reason),
			"from_level", change.FromLevel.String(), "from_reach", change.FromReach.String(), "rtt", r.RTT.Median,
			"confidence", r.Confidence)
	}
}

// sleep is the time until something is due.
func (o *owner) sleep(now time.Time) time.Duration {
	d := min(o.e.Next(now).Sub(now), wakeEvery)
	if o.listened() {
		d = min(d, o.polled.Add(pollEvery).Sub(now))
	}
	if len(o.probes) >= maxProbes {
		d = max(d, stuckWait)
	}
	return max(d, 0)
}

// end gives up the probes, whose goroutines are waited for by Close.
func (o *owner) end() {
	for _, cancel := range o.probes {
		cancel()
	}
}

// lostSamples is told that samples were lost, ends of exchanges perhaps: nobody is waited for any more but the monitor's
// own probes, whose ends aren't lost.
func (e *Estimator) lostSamples() {
	kept := 0
	for _, x := range e.open[:e.opens] {
		if x.id >= ownID {
			e.open[kept] = x
			kept++
		}
	}
	e.opens, e.missed = kept, never
}
