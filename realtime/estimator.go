package realtime

import (
	"time"

	"github.com/chatsdk/chatsdk/internal/rto"
)

// Numbers of the path model. They are tied to each other: see suspectAfter and deadAfter.
const (
	suspectMin = 250 * time.Millisecond // below it a scheduler's hiccup looks like a fault
	suspectMax = 5 * time.Second
	slack      = 50 * time.Millisecond // timers, two schedulers, one control frame behind another

	// deadMin leaves a link on a short path time for a stall of the server (collection, fsync). With probes 0.5 s
	// apart and one round trip on the standby it still ends in less than 1.5 s at an RTT of 100 ms.
	deadMin = 750 * time.Millisecond
	// deadMax lets five losses in a row pass at an RTT of 300 ms.
	deadMax = 17 * time.Second
	// unknownPath is taken for SRTT before the first measure.
	unknownPath = 500 * time.Millisecond

	// usualRate is the rate in bytes/s that an upload is taken to have until the path shows another one, and lowestRate the
	// slowest that is waited for. A dead link with bytes on their way is found that much later than an idle one.
	usualRate  = 64 << 10
	lowestRate = 2 << 10
	// rateStep divides the rate when a link was declared dead with bytes on their way: it may have been slow. Two steps
	// lead to the lowest, since each costs a connection and the upload that was on it.
	rateStep = 8
	// bulkUpload is enough to measure a rate with, and someUpload enough to see that it is higher than believed: a loss
	// costs a small upload most of its rate.
	bulkUpload = 8 << 10
	someUpload = 1 << 10

	// rtoMin is what Linux adds to the round trip for its retransmission timeout; others add more.
	rtoMin = 200 * time.Millisecond

	// window is the number of probes after which an old one counts for 1/e. Some hundred are needed to tell 5% from 2%.
	window = 300
	// fewSamples guards the first estimates of the loss rate against a single early hiccup.
	fewSamples = 20
	// segmentsPerHour is what an hour of probes sends, both ways, at 0.5 s each.
	segmentsPerHour = 2 * 7200
	// falseDead is the number of false verdicts an hour that the deadline aims to stay below. At 5% loss that takes
	// patience for five losses in a row.
	falseDead = 3e-4
	maxChain  = 5

	// warmUp is the number of answers after which a path without a late one counts as clean: one that loses 5% of
	// segments gets that far once in 170 times, and then has its first chain of two once in 20.
	warmUp = 50
	// newChain is the number of losses in a row that a path gets the benefit of until then. Patience for one less
	// costs a path that loses 5% its connection once in 400 times, before anything tells it from a dead one.
	newChain = 3
	// warmInterval is the probe interval while it is open whether the path loses segments, in profiles that probe at
	// all eagerly, and warmAhead the number of probes that may be on their way at a time.
	warmInterval = 100 * time.Millisecond
	warmAhead    = 4
	// cleanRun answers without a late one end all talk of loss: at 5% one run in ten million gets that far, at 1% one
	// in 25. From cleanHint on it is worth being quick about it.
	cleanRun  = 160
	cleanHint = 20

	// baseSamples is the length of one half of the low-pass minimum's window.
	baseSamples = 16
	// newLevel late answers in a row aren't loss: the path has become longer.
	newLevel = 8
)

// estimator knows the path: its round-trip time (RFC 6298) and how often answers are so late that segments must have
// been lost. TCP shows loss as delay, in steps of a doubling retransmission timeout, so a deadline that loss can't
// reach has to come from the loss rate and not from the variance. The zero value knows nothing. For one goroutine.
type estimator struct {
	srtt, rttvar time.Duration
	samples      int     // answers since the path was new
	weight, late float64 // decaying counts of answers and of late ones
	clean        int     // answers in a row that were not late
	pardoned     bool    // the one late answer counted follows a clean run: a hiccup, unless there is another
	inRow        int     // late answers in a row
	rowMin       time.Duration
	base, half   time.Duration // minimum of the finished and of the running half window
	inHalf       int
	guess        bool // srtt comes from a handshake
	rate         int  // of uploads, in bytes/s, less than usualRate; 0: that
	doubted      bool // nothing else gets through either, as far as is known
}

// observe takes a round trip and says whether it was late.
func (e *estimator) observe(rtt time.Duration) bool {
	rtt = max(rtt, time.Microsecond)
	e.samples++
	e.weight = e.weight*(1-1.0/window) + 1
	e.late *= 1 - 1.0/window
	if base := e.usual(); base > 0 && rtt > base+lateBy(base) {
		e.countLate(rtt)
		return true
	}
	e.inRow = 0
	if e.clean++; e.clean >= cleanRun {
		e.late = 0
	}
	e.lowPass(rtt)
	e.smooth(rtt)
	return false
}

// lateBy is what a retransmission adds to the usual time: a timeout is the round-trip time and rtoMin. A tenth less is
// asked for, since the usual time isn't exact. What comes sooner was delayed by something that doesn't double.
func lateBy(base time.Duration) time.Duration { return (base + rtoMin) * 9 / 10 }

func (e *estimator) countLate(rtt time.Duration) {
	e.pardoned = e.clean >= cleanRun
	e.clean = 0
	e.late++
	e.inRow++
	if e.inRow == 1 || rtt < e.rowMin {
		e.rowMin = rtt
	}
	if e.inRow >= newLevel {
		e.relevel()
	}
}

// provisional takes a handshake for a measure until there is a better one: it may hold more than one round trip.
func (e *estimator) provisional(rtt time.Duration) {
	if e.srtt == 0 {
		e.srtt, e.rttvar = rto.First(rtt)
		e.guess = true
	}
}

// relevel takes a run of late answers for a longer path instead of loss.
func (e *estimator) relevel() {
	e.late = max(0, e.late-float64(e.inRow))
	e.base, e.half, e.inHalf, e.inRow = e.rowMin, e.rowMin, 1, 0
	e.srtt, e.rttvar = e.rowMin, e.rowMin/4
}

func (e *estimator) lowPass(rtt time.Duration) {
	if e.inHalf == 0 || rtt < e.half {
		e.half = rtt
	}
	if e.inHalf++; e.inHalf >= baseSamples {
		e.base, e.inHalf = e.half, 0
	}
}

// usual is the low-pass minimum of the round-trip time, 0 if unknown.
func (e *estimator) usual() time.Duration {
	switch {
	case e.base == 0:
		return e.half
	case e.inHalf == 0:
		return e.base
	}
	return min(e.base, e.half)
}

// smooth is RFC 6298, section 2. Late answers are left out: they say nothing of the path's length, and the variance
// would carry one of them for many probes.
func (e *estimator) smooth(rtt time.Duration) {
	if e.srtt == 0 || e.guess {
		e.srtt, e.rttvar = rto.First(rtt)
		e.guess = false
		return
	}
	e.srtt, e.rttvar = rto.Next(e.srtt, e.rttvar, rtt)
}

// age makes what is known count for less: the network may have changed.
func (e *estimator) age() {
	e.rttvar = max(e.rttvar, e.srtt/2)
	e.weight, e.late, e.samples, e.inRow, e.clean, e.pardoned = 0, 0, 0, 0, 0, false
	e.base, e.half, e.inHalf = 0, 0, 0
	e.rate = 0
}

func (e *estimator) uploadRate() int {
	if e.rate == 0 {
		return usualRate
	}
	return e.rate
}

// uploadTime is how long an answer may be late because of bytes that were sent before what it answers.
func (e *estimator) uploadTime(bytes int) time.Duration {
	return min(time.Duration(bytes)*time.Second/time.Duration(e.uploadRate()), uploadMax)
}

// uploaded takes an upload that arrived for a measure of the rate, of which half is believed: it may get slower.
func (e *estimator) uploaded(bytes int, took time.Duration) {
	if bytes < someUpload {
		return
	}
	rate := usualRate
	if took > 0 {
		rate = int(min(int64(bytes)*int64(time.Second)/int64(took)/2, usualRate))
	}
	if bytes < bulkUpload {
		rate = max(rate, e.uploadRate())
	}
	e.setRate(rate)
}

// uploadStuck is told of bytes that were on their way when patience ended. If a slow upload explains that, the next one
// gets more time: without it the same upload would begin again and again, and never arrive.
func (e *estimator) uploadStuck(bytes int) {
	if time.Duration(bytes)*time.Second/lowestRate >= e.deadAfter()/2 {
		e.setRate(e.uploadRate() / rateStep)
	}
}

func (e *estimator) setRate(rate int) {
	if e.rate = max(rate, lowestRate); e.rate >= usualRate {
		e.rate = 0
	}
}

// delayedByUpload says whether an answer is late enough to smell of loss, and the bytes before what it answers may be why.
func (e *estimator) delayedByUpload(rtt time.Duration, bytes int) bool {
	base := e.usual()
	return base > 0 && rtt > base+lateBy(base) && time.Duration(bytes)*time.Second/lowestRate >= rtt-base
}

// lateShare is the part of answers that came late, 0 to 1.
func (e *estimator) lateShare() float64 {
	if e.weight == 0 {
		return 0
	}
	return e.late / e.weight
}

// loss is the loss rate of a segment: an answer is late if one of two segments was lost.
func (e *estimator) loss() float64 {
	if e.pardoned || e.clean >= cleanRun {
		return 0
	}
	return e.late / (2 * max(e.weight, fewSamples))
}

// chains is the number of losses in a row that the path is likely to bring within hours. The longer the run of answers
// without a loss, the smaller it gets: most lossy stretches end.
func (e *estimator) chains() int {
	p := e.loss()
	if p == 0 {
		return 1
	}
	k := 1
	for expected := p * p * segmentsPerHour; expected > falseDead && k < maxChain; k++ {
		expected *= p
	}
	left := cleanRun - e.clean
	return 1 + ((k-1)*left+cleanRun-1)/cleanRun
}

// unsettled says whether it is open, and worth knowing soon, whether the path loses segments.
func (e *estimator) unsettled() bool {
	return e.samples < warmUp || e.loss() > 0 && e.clean >= cleanHint
}

// chain is the delay of a segment that was lost k times in a row: each timeout is twice the one before.
func (e *estimator) chain(k int) time.Duration {
	return time.Duration(1<<k-1)*max(rtoMin, e.srtt+rtoMin) + e.srtt + slack
}

// suspectAfter is the age of an unanswered probe at which a standby is worth dialling.
func (e *estimator) suspectAfter() time.Duration {
	if e.srtt == 0 {
		return 2 * unknownPath
	}
	d := min(max(e.srtt+4*e.rttvar+slack, suspectMin), suspectMax)
	switch k := e.chains(); {
	case k > 3:
		d = max(d, e.chain(2))
	case k > 1:
		d = max(d, e.chain(1))
	}
	return min(d, suspectMax)
}

// deadAfter is the age of an unanswered probe at which the link is given up. On a clean path that is about twice
// suspectAfter, and one loss. On a lossy one it lies above the longest chain of losses that is to be expected, and so it
// does on a new one: until there have been answers, nothing but time tells a chain of losses from a dead link. Before
// the first answer after a change of networks the link is more likely dead than unlucky, and so it is where others don't
// get through either.
func (e *estimator) deadAfter() time.Duration {
	if e.srtt == 0 {
		return 4 * unknownPath
	}
	d := max(2*min(max(e.srtt+4*e.rttvar+slack, suspectMin), suspectMax), deadMin)
	k := e.chains()
	if e.samples > 0 && e.samples < warmUp && !e.doubted {
		k = max(k, newChain)
	}
	d = max(d, e.chain(k))
	if k > newChain {
		d += rtoMin // two chains, one each way, may add up; the second is nearly always short
	}
	return min(d, deadMax)
}

// attemptTimeout bounds each step of an attempt.
func (e *estimator) attemptTimeout() time.Duration {
	if e.srtt == 0 {
		return 10 * time.Second
	}
	return min(max(8*e.srtt, 1500*time.Millisecond), 10*time.Second)
}
