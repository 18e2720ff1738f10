package quality

import "time"

const (
	// evenWaits probes for a return come by the effort's numbers alone: whoever waits for the end of a short trouble gets it.
	evenWaits = 4
	// spreadBy is the largest part of a wait that is given or taken after them.
	spreadBy = 1.0 / 3
)

// backState is what was asked for since the way to the server was lost.
type backState struct {
	backFrom moment        // when it was, or became what it is
	asked    int           // probes that began since
	wait     time.Duration // until the next one, without the spread; 0 is the effort's first
	spread   time.Duration // what is given to it
	dice     uint64        // state of the generator; 0 spreads nothing
}

// Spread makes the waits between probes for a return differ from those of others with another seed: each but the first few is
// up to a third shorter or longer. The seed alone decides by how much. 0, which is so at first, spreads nothing.
func (e *Estimator) Spread(seed uint64) { e.dice = seed }

// again begins the waits anew.
func (e *Estimator) again() { e.backState = backState{backFrom: e.now, dice: e.dice} }

// waits are the numbers of the present reach: the first wait, how long it stays, and the longest.
func (e *Estimator) waits() (least, stays, most time.Duration) {
	if e.reach == ReachOffline {
		return e.effort.OfflineInterval, e.effort.OfflineFor, max(e.effort.OfflineMost, e.effort.OfflineInterval)
	}
	return e.effort.AwayInterval, e.effort.AwayFor, max(e.effort.AwayMost, e.effort.AwayInterval)
}

// lost says whether a reach is one that a return is asked from.
func (r Reach) lost() bool { return r == ReachOffline || r == ReachCaptive || r == ReachServerDown }

// askedBack is told that a probe began, and decides when the next one should.
func (e *Estimator) askedBack() {
	if !e.reach.lost() {
		return
	}
	least, stays, most := e.waits()
	if e.wait = max(e.wait, least); e.now-e.backFrom > stays && planted != bugNoBackOff {
		e.wait = min(e.wait+e.wait/2, most)
	}
	e.asked++
	if e.spread = 0; e.dice == 0 || e.asked <= evenWaits {
		return
	}
	e.spread = time.Duration((2*e.roll() - 1) * spreadBy * float64(e.wait))
}

// returnWait is the time from one probe for a return to the next. The spread makes none shorter than a monitor may probe.
func (e *Estimator) returnWait() time.Duration {
	least, _, _ := e.waits()
	return max(max(e.wait, least)+e.spread, min(least, leastInterval))
}

// awayWait is by how much evidence of a portal, or of a server that is down, may be apart.
func (e *Estimator) awayWait() time.Duration {
	if e.reach != ReachCaptive && e.reach != ReachServerDown {
		return e.effort.AwayInterval
	}
	return max(e.effort.AwayInterval, e.returnWait())
}

// roll is a number from 0 to 1, 1 excluded: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
// 2014).
func (e *Estimator) roll() float64 {
	e.dice += 0x9e3779b97f4a7c15
	z := e.dice
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
