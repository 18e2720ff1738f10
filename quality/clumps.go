package quality

import (
	"math"
	"time"
)

const (
	// clumpBucket is the time whose losses are counted together: longer than most bursts, and a burst falls into two at most.
	clumpBucket = 2 * time.Second
	clumpFor    = 2 * time.Minute // after which what was seen counts for little
	// clumpPrior is how many losses it takes to be as sure that they come in bursts as that they don't.
	clumpPrior = 4
)

// clumps is how much losses come in bursts: the variance of their number, as a multiple of what it were if each segment was
// lost by itself. So many segments say no more than one that is. It is measured by the differences between one bucket and
// the next (von Neumann), to which a path that loses at another rate from now on contributes but one. The zero value has
// seen nothing.
type clumps struct {
	at           moment
	n, k         int // of the present bucket
	lastN, lastK int // of the one before
	seen, single float64
	d, s         float64 // what the bucket before added to them
}

func (c *clumps) add(now moment, n, k int) {
	if now-c.at >= clumpBucket {
		c.fold()
		keep := math.Exp(-float64(now-c.at) / float64(clumpFor))
		c.seen, c.single = keep*c.seen, keep*c.single
		if now-c.at >= 2*clumpBucket {
			c.n, c.k = 0, 0 // it wasn't the one before
		}
		c.lastN, c.lastK, c.n, c.k, c.at = c.n, c.k, 0, 0, now
	}
	c.n, c.k = c.n+n, c.k+k
}

func (c *clumps) fold() {
	c.d, c.s = 0, 0
	if c.lastN == 0 || c.n == 0 || c.k+c.lastK == 0 {
		return
	}
	a, b := float64(c.n), float64(c.lastN)
	k := float64(c.k + c.lastK)
	d := float64(c.k)*b - float64(c.lastK)*a
	c.d, c.s = d*d/(a*b), k*(1-k/(a+b))
	c.seen, c.single = c.seen+c.d, c.single+c.s
}

// credit takes back losses, which are of this bucket or of the one before.
func (c *clumps) credit(k int) {
	now := min(k, c.k)
	if c.k -= now; k > now {
		c.lastK = max(c.lastK-(k-now), 0)
		c.seen, c.single = max(c.seen-c.d, 0), max(c.single-c.s, 0)
		c.d, c.s = 0, 0
	}
}

// factor is at least 1.
func (c *clumps) factor() float64 {
	return max(1, (c.seen+clumpPrior)/(c.single+clumpPrior))
}
