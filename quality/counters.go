package quality

import (
	"math"
	"time"
)

const (
	// maxSockets that are told of at a time: the connection, dials beside it, uploads, and what HTTP keeps, each from both ends.
	maxSockets = 16
	// segmentRate is more segments a second than any client sends.
	segmentRate = 1e6
	// A peer's counters are doubtful if they speak of so many late answers, and our own round trips showed fewer by so many
	// standard deviations: once in some hundred times by chance.
	doubtAt   = 6
	doubtBy   = 2.5
	doubtHalf = time.Minute // after which half of what speaks for a doubt is forgotten
	// enoughOwn is how many of our own exchanges without a late one it takes to doubt at once.
	enoughOwn = 20
	// lossLately is how long a loss that was seen makes late answers suspect of being retransmissions.
	lossLately = 30 * time.Second
	// countersFor is how long counters are taken to be told, without news of them.
	countersFor = time.Minute
)

// socket is what was told of one socket last. Its counters belong to it: a new one starts anew.
type socket struct {
	id      uint64
	peer    bool
	at      moment
	last    Counters
	n, lost int // since the last proof that the socket lives: a dead one sends again and again, which is no loss
}

// lossState is what is known of loss.
type lossState struct {
	sockets  [maxSockets]socket
	nsockets int

	up, down lossWindow // segments, by our counters and the peer's
	late     lossWindow // exchanges, by their times

	segments wayFilters
	answers  lossFilter // by their times

	doubt doubt

	class    int    // of loss, 0 to lossClasses-1
	counted  moment // when counters told of segments last, or 0
	lossSeen moment // when a segment was lost last, or 0
}

func (e *Estimator) forgetLoss() {
	e.up.clear()
	e.down.clear()
	e.late.clear()
	e.segments.clear()
	e.answers.clear()
	for i := range e.sockets[:e.nsockets] {
		e.sockets[i].n, e.sockets[i].lost = 0, 0
	}
	e.class, e.lossSeen, e.counted = 0, 0, 0
	e.doubt = doubt{}
}

func (e *Estimator) expireLoss() {
	e.up.expire(e.now)
	e.down.expire(e.now)
	e.late.expire(e.now)
}

// possible says whether such counters can be.
func (c Counters) possible() bool {
	return c.Retransmitted <= c.Sent && c.Spurious <= c.Sent && c.Delivered <= c.Sent &&
		c.Sent < 1<<62 && c.SRTT >= 0 && c.SRTT <= longestRTT
}

// after says whether counters can follow others of the same socket after some time.
func (c Counters) after(last Counters, d time.Duration) bool {
	return c.Sent >= last.Sent && c.Retransmitted >= last.Retransmitted && c.Spurious >= last.Spurious &&
		c.Delivered >= last.Delivered && float64(c.Sent-last.Sent) <= segmentRate*(d.Seconds()+1) &&
		c.Retransmitted-last.Retransmitted <= c.Sent-last.Sent
}

// socketOf finds a socket or makes room for a new one; the one that was told of longest ago goes.
func (e *Estimator) socketOf(id uint64, peer bool) (s *socket, known bool) {
	oldest := 0
	for i := range e.sockets[:e.nsockets] {
		if s = &e.sockets[i]; s.peer == peer && (s.id == id || planted == bugKeepCounters) {
			return s, true
		}
		if e.sockets[i].at < e.sockets[oldest].at {
			oldest = i
		}
	}
	if e.nsockets < maxSockets {
		oldest = e.nsockets
		e.nsockets++
	}
	return &e.sockets[oldest], false
}

func (e *Estimator) dropSocket(id uint64) {
	for i := 0; i < e.nsockets; i++ {
		if e.sockets[i].id == id && planted != bugKeepCounters {
			e.nsockets--
			e.sockets[i] = e.sockets[e.nsockets]
			i--
		}
	}
}

// count takes counters.
func (e *Estimator) count(sample Sample) Refusal {
	c, peer := sample.Counters, sample.Kind == KindPeer
	s, known := e.socketOf(sample.Socket, peer)
	if !known {
		*s = socket{id: sample.Socket, peer: peer, at: e.now, last: c}
		return Taken
	}
	last, at := s.last, s.at
	s.last, s.at = c, e.now
	if !c.after(last, e.now-at) && planted != bugBackwards && planted != bugKeepCounters {
		s.n, s.lost = 0, 0
		return RefusedCounters
	}
	again := int(c.Retransmitted-last.Retransmitted) - int(c.Spurious-last.Spurious)
	if again < 0 { // that they were sent for nothing is known a round trip later
		e.creditLost(s, -again)
		again = 0
	}
	sent := int(c.Sent - last.Sent)
	delivered := c.Delivered > last.Delivered
	if delivered && !peer {
		e.lastPath = max(e.lastPath, at)
	}
	alive := delivered || c.Delivered == 0 && e.lastServer >= at && sent > again
	if !peer && c.SRTT > 0 && alive && (e.rtt.n == 0 || e.now-e.rtt.newest().at > bareFor) {
		e.hands.add(e.now, c.SRTT)
	}
	n, lost := s.n, min(s.lost, s.n)
	switch {
	case planted == bugKeepCounters:
		n, lost = n+sent, min(lost+again, n+sent)
	case peer:
		n, lost = sent, min(again, sent) // as of an answer of its: it lives
	case !alive:
		s.n, s.lost = n+sent, lost+again
		return Taken
	default: // it outlived what came before; what is new may be the beginning of its end
		s.n, s.lost = sent, again
	}
	switch {
	case n <= 0:
		return Taken
	case peer:
		return e.countDown(s, n, lost)
	}
	e.countLost(wayUp, n, lost)
	return Taken
}

// doubt compares the late answers that a peer's counters speak of with those that came.
type doubt struct {
	at            moment
	claimed, seen float64
	own, late     int // answers since the reading before
}

// answered takes an answer of our own.
func (d *doubt) answered(own, late int) { d.own, d.late = d.own+own, d.late+late }

// take takes the share that a peer says was lost since the reading before.
func (d *doubt) take(now moment, share float64) {
	keep := math.Exp2(-float64(now-d.at) / float64(doubtHalf))
	d.claimed = keep*d.claimed + share*float64(d.own)
	d.seen = keep*d.seen + float64(d.late)
	d.at, d.own, d.late = now, 0, 0
}

func (d *doubt) founded() bool {
	return d.claimed >= doubtAt && d.seen < d.claimed-doubtBy*math.Sqrt(d.claimed)
}

// countDown takes what the peer says it lost, unless our own round trips know better: then what was believed goes, too.
func (e *Estimator) countDown(s *socket, n, lost int) Refusal {
	share := float64(lost) / float64(n)
	e.doubt.take(e.now, share)
	never := e.late.n >= enoughOwn && e.late.k == 0 && share*float64(e.late.n) >= doubtAt
	founded := e.doubt.founded()
	if lost > 0 && (never || founded) && planted != bugBelievePeer {
		s.lost += lost
		if founded {
			e.down.clear()
			e.segments.forgetDown()
		}
		return RefusedDoubtful
	}
	e.countLost(wayDown, n, lost)
	return Taken
}

// ways are the windows by way.
func (e *Estimator) ways(w way) *lossWindow {
	if w == wayDown {
		return &e.down
	}
	return &e.up
}

func (e *Estimator) countLost(w way, n, lost int) {
	e.counted = e.now
	e.ways(w).add(e.now, n, lost, e.segments.clump[w].factor())
	e.segments.add(w, e.now, n, lost)
	if lost > 0 {
		e.lossSeen = e.now
	}
}

// creditLost takes back losses that were none.
func (e *Estimator) creditLost(s *socket, k int) {
	held := min(k, s.lost)
	if s.lost -= held; k == held {
		return
	}
	w := wayUp
	if s.peer {
		w = wayDown
	}
	e.ways(w).credit(k - held)
	e.segments.credit(w, e.now, k-held)
}

// countLate takes an answer for what its time says of loss.
func (e *Estimator) countLate(own, late bool) {
	n, k := 0, 0
	if own {
		n = 1
	}
	if late {
		k = 1
	}
	e.doubt.answered(n, k)
	if !own && (!late || e.late.n <= e.late.k) {
		return // it came together with others: one loss held up all of them
	}
	e.late.add(e.now, n, k, 1)
	e.answers.add(e.now, float64(n), float64(k))
}

// lostLately says whether counters showed a loss.
func (e *Estimator) lostLately() bool { return e.lossSeen > 0 && e.now-e.lossSeen < lossLately }

// lossy says that losses are frequent enough to be patient with.
func (e *Estimator) lossy() bool { return e.class > 1 }

// byTimes says whether loss is judged by late answers: where there are no counters, or only ours, which see nothing of
// the way down, and the answers speak of more.
func (e *Estimator) byTimes() bool {
	if e.counted == 0 || e.now-e.counted > countersFor {
		return true
	}
	return e.down.n == 0 && best(e.answers.posterior(e.now)) > best(e.segments.posterior(e.now))
}

// loss is what the report says of it.
func (e *Estimator) loss() Loss {
	if e.byTimes() {
		return e.late.report()
	}
	return e.ways(e.segments.worse(e.up.n, e.down.n)).report()
}

// lossPosterior is the probability of each class.
func (e *Estimator) lossPosterior() [lossClasses]float64 {
	if e.byTimes() {
		return e.answers.posterior(e.now)
	}
	return e.segments.posterior(e.now)
}

// lossClass is the class of loss, with patience for the better.
func (e *Estimator) lossClass() int {
	post := e.lossPosterior()
	worse, better := 0.0, 0.0
	for i, p := range post {
		switch {
		case i > e.class:
			worse += p
		case i < e.class:
			better += p
		}
	}
	if worse > worseAt || better > betterAt {
		e.class = best(post)
	}
	return e.class
}
