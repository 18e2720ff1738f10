package faultnet

import (
	"math/rand/v2"
	"time"
)

// acks is what the sender of one direction learns from its peer: which segments have arrived, and how long they and
// their acknowledgements took. It decides nothing: segments are sent again whatever is acknowledged. Times come from
// what was carried, never from the link's settings. It has no lock or clock of its own.
//
// An acknowledgement takes the delay and jitter of the way back. One that is lost there is made up for by the next, or
// else by one that comes a retransmission timeout later.
type acks struct {
	rng     *rand.Rand // of the way back; nil while nothing is drawn from it
	flying  []ack      // in order
	missing ack        // of what has arrived and whose acknowledgements were lost; at is zero while none can come

	segments, bytes     int64 // acknowledged
	srtt, rttvar, least time.Duration
}

// ack is one acknowledgement on its way, for everything before it.
type ack struct {
	at              time.Time     // when it arrives at the sender
	rtt             time.Duration // what its segment and it took, or 0 where that tells nothing
	segments, bytes int64
}

// arrived has the peer acknowledge a segment that reached it at a moment.
func (a *acks) arrived(s *segment, at time.Time, way *treatment, rto time.Duration) {
	news := ack{segments: 1, bytes: int64(len(s.data))}
	switch {
	case way.blocked():
		a.miss(news, time.Time{})
		return
	case way.Loss > 0 && a.rng.Float64() < way.Loss:
		a.miss(news, at.Add(rto))
		return
	}
	back := way.Delay
	if way.Jitter > 0 {
		back += time.Duration(a.rng.Int64N(int64(way.Jitter)))
	}
	if !s.repeated { // which copy is acknowledged isn't known (Karn's algorithm, RFC 6298 section 3)
		news.rtt = max(at.Add(back).Sub(s.left), time.Microsecond)
	}
	news.at = at.Add(back)
	if n := len(a.flying); n > 0 && a.flying[n-1].at.After(news.at) {
		news.at = a.flying[n-1].at
	}
	news.segments += a.missing.segments
	news.bytes += a.missing.bytes
	a.missing = ack{}
	a.flying = append(a.flying, news)
}

// miss notes a lost acknowledgement. The first of several says when one comes instead.
func (a *acks) miss(lost ack, instead time.Time) {
	if a.missing.segments == 0 {
		a.missing.at = instead
	}
	a.missing.segments += lost.segments
	a.missing.bytes += lost.bytes
}

// settle takes what has come back up to now.
func (a *acks) settle(now time.Time, way *treatment) {
	if way.Stall {
		return
	}
	n := 0
	for ; n < len(a.flying) && !a.flying[n].at.After(now); n++ {
		a.take(&a.flying[n])
	}
	if a.flying = a.flying[n:]; len(a.flying) == 0 {
		a.flying = nil
	}
	if at := a.missing.at; !at.IsZero() && !at.After(now) {
		a.take(&a.missing)
		a.missing = ack{}
	}
}

func (a *acks) take(k *ack) {
	a.segments += k.segments
	a.bytes += k.bytes
	if k.rtt > 0 {
		a.sample(k.rtt)
	}
}

// sample takes a round-trip time, as in RFC 6298 section 2.
func (a *acks) sample(rtt time.Duration) {
	if a.srtt == 0 {
		a.srtt, a.rttvar, a.least = rtt, rtt/2, rtt
		return
	}
	a.rttvar += ((a.srtt - rtt).Abs() - a.rttvar) / 4
	a.srtt += (rtt - a.srtt) / 8
	a.least = min(a.least, rtt)
}

// changeWay changes what the way back is like at a moment.
func (a *acks) changeWay(now time.Time, from, to *treatment, rto time.Duration) {
	a.settle(now, from)
	if from.Stall && !to.Stall { // what was held back comes now, and has taken as long
		for i := range a.flying {
			if k := &a.flying[i]; k.at.Before(now) {
				if k.rtt > 0 {
					k.rtt += now.Sub(k.at)
				}
				k.at = now
			}
		}
	}
	switch {
	case to.blocked():
		for _, k := range a.flying {
			a.miss(k, time.Time{})
		}
		a.flying, a.missing.at = nil, time.Time{}
	case from.blocked() && a.missing.segments > 0:
		a.missing.at = now.Add(rto)
	}
}
