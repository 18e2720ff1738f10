package quality

import (
	"math"
	"time"
)

const (
	// A transfer tells a rate if it is longer than what a connection may send at once, in bytes and in time.
	tellsBytes = 32 << 10
	tellsTime  = 250 * time.Millisecond
	rateCount  = 16
	rateHalf   = time.Minute
	rateAge    = 10 * time.Minute
	fastest    = 1e11 // bytes a second that no network of a client carries

	chunkTime             = 2 // seconds
	chunkLeast, chunkMost = 64 << 10, 8 << 20
	usualChunk            = 1 << 20
)

// rates holds what transfers achieved. The zero value is empty.
type rates struct {
	at [rateCount]moment
	r  [rateCount]float64
	n  int // ever
}

func (r *rates) add(now moment, rate float64) {
	r.at[r.n%rateCount], r.r[r.n%rateCount] = now, rate
	r.n++
}

// median is the weighted one of what is young enough, 0 if nothing is.
func (r *rates) median(now moment) float64 {
	var v [rateCount]weighted
	n := 0
	for i := range min(r.n, rateCount) {
		if age := now - r.at[i]; age <= rateAge {
			v[n] = weighted{r.r[i], math.Exp2(-float64(age) / float64(rateHalf))}
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return weightedMedian(v[:n])
}

func (e *Estimator) transfer(s Sample) {
	e.inbound()
	if s.Bytes < tellsBytes || s.Took < tellsTime {
		return
	}
	way := 0
	if s.Down {
		way = 1
	}
	e.goodput[way].add(e.now, float64(s.Bytes)/s.Took.Seconds())
}

// Advice is what others may set their bounds by, as of the last sample or question.
func (e *Estimator) Advice() Advice {
	const shortest, longest = 1500 * time.Millisecond, 10 * time.Second
	rto := e.smooth.rto()
	lossEachWay := 2 * (rto + rtoMin)
	shift := e.smooth.misses
	return Advice{
		Known:   e.smooth.srtt > 0,
		RTO:     rto,
		Attempt: min(max(rto+lossEachWay, shortest)<<shift, longest),
		// A lost SYN comes again only after a second: rather begin another dial.
		Handshake: min(max(freshTrips*rto+rtoMin, shortest)<<shift, longest),
		ChunkUp:   chunk(e.goodput[0].median(e.now)),
		ChunkDown: chunk(e.goodput[1].median(e.now)),
	}
}

func chunk(rate float64) int64 {
	if rate == 0 {
		return usualChunk
	}
	return int64(min(max(chunkTime*rate, chunkLeast), chunkMost))
}
