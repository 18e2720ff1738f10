package accuracy

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// Cause is what makes a link good or bad.
type Cause int

// Causes.
const (
	Latency    Cause = iota // round-trip times of each level
	Blackout                // times of each level, and nothing at all
	Captive                 // a portal in between
	ServerDown              // refused, failing, or silent while the machine still takes connections
	Address                 // another network: old connections are dead, and the times are others
	Lossy                   // segments are lost independently
	Bursty                  // segments are lost in bursts
	OneWay                  // segments are lost independently, and only up or only down
	causes
)

var causeNames = [causes]string{"latency", "blackout", "captive", "server-down", "address", "loss", "bursts", "one-way"}

// String returns the cause's name in lower case.
func (c Cause) String() string { return causeNames[c] }

// MarshalText writes the name.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

const (
	// guard is how far from the edge of a level, as a share, the truth stays: nobody can tell 149 ms from 151.
	guard             = 0.2
	leastRTT, mostRTT = 8 * time.Millisecond, 1500 * time.Millisecond
	burstSlot         = 250 * time.Millisecond
	burstLoss         = 0.6 // in a burst
)

// failing is how a server is down.
type failing int

const (
	refuses failing = iota
	errs
	hangs
)

// way is a direction, or both.
type way int

const (
	bothWays way = iota
	upOnly
	downOnly
)

// stretch is a time in which the link doesn't change.
type stretch struct {
	from    time.Duration
	rtt     time.Duration
	loss    float64
	bursty  bool
	way     way // that loses
	reach   quality.Reach
	failing failing
	network int  // connections of another one are dead
	told    bool // the operating system tells of its beginning
	resets  bool // a portal resets old connections and refuses new ones; others drop what isn't plain HTTP
}

// level is the truth.
func (s stretch) level() quality.Level {
	switch s.reach {
	case quality.ReachOffline:
		return quality.Offline
	case quality.ReachOnline:
		return max(levelOfRTT(s.rtt), levelOfLoss(s.loss))
	case quality.ReachUnknown, quality.ReachCaptive, quality.ReachServerDown:
	}
	return quality.Unknown
}

func levelOfRTT(rtt time.Duration) quality.Level {
	l := quality.Excellent
	for _, edge := range [...]time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond} {
		if rtt >= edge {
			l++
		}
	}
	return l
}

func levelOfLoss(p float64) quality.Level {
	switch {
	case p == 0:
		return quality.Excellent
	case p < 0.01:
		return quality.Good
	case p < 0.05:
		return quality.Fair
	}
	return quality.Poor
}

// link is what a network does over time.
type link struct {
	stretches []stretch
	model     Model
	salt      uint64 // of bursts, and of what varies slowly
}

func (l *link) index(t time.Duration) int {
	return max(0, sort.Search(len(l.stretches), func(i int) bool { return l.stretches[i].from > t })-1)
}

func (l *link) at(t time.Duration) *stretch { return &l.stretches[l.index(t)] }

// lost says whether a segment sent at a time is lost to chance.
func (l *link) lost(r *rand.Rand, s *stretch, t time.Duration, up bool) bool {
	p := s.loss
	if s.way == upOnly && !up || s.way == downOnly && up {
		return false
	}
	if s.bursty {
		slot := uint64(t/burstSlot) + l.salt
		if rand.New(rand.NewPCG(slot, l.salt)).Float64() >= p/burstLoss {
			return false
		}
		p = burstLoss
	}
	return p > 0 && r.Float64() < p
}

// newLink draws a link of a cause.
func newLink(r *rand.Rand, cause Cause, model Model, length time.Duration) *link {
	l := &link{model: model, salt: r.Uint64()}
	var before stretch
	for t := time.Duration(0); t < length; t += varieties[model].dwell(r) {
		s := draw(r, cause, before, len(l.stretches) == 0)
		s.from = t
		l.stretches = append(l.stretches, s)
		before = s
	}
	return l
}

// draw makes a stretch whose truth differs from the one before, all levels of the cause equally often.
func draw(r *rand.Rand, cause Cause, before stretch, first bool) stretch {
	s := stretch{reach: quality.ReachOnline, network: before.network}
	for {
		s.rtt = drawRTT(r, quality.Excellent+quality.Level(r.IntN(4)))
		s.reach, s.loss, s.bursty = quality.ReachOnline, 0, false
		switch cause {
		case Blackout:
			if r.IntN(5) == 0 {
				s.reach, s.told = quality.ReachOffline, r.IntN(4) == 0
			}
		case Captive:
			if r.IntN(3) == 0 {
				s.reach, s.resets = quality.ReachCaptive, r.IntN(2) == 0
				s.rtt = drawRTT(r, quality.Excellent+quality.Level(r.IntN(2))) // the portal is near
			}
		case ServerDown:
			if r.IntN(3) == 0 {
				s.reach, s.failing = quality.ReachServerDown, failing(r.IntN(3))
				if !first && before.reach == quality.ReachOnline {
					s.rtt = before.rtt
				}
			}
		case Address:
			s.network, s.told = before.network+1, r.IntN(2) == 0
		case Lossy, Bursty:
			s.rtt = drawRTT(r, quality.Excellent)
			s.loss, s.bursty = drawLoss(r, quality.Excellent+quality.Level(r.IntN(4))), cause == Bursty
		case OneWay:
			s.rtt = drawRTT(r, quality.Excellent)
			s.loss, s.way = drawLoss(r, quality.Excellent+quality.Level(r.IntN(4))), upOnly+way(r.IntN(2))
		case Latency, causes:
		}
		if first || s.level() != before.level() || s.reach != before.reach {
			return s
		}
	}
}

// drawRTT draws one of a level, away from its edges.
func drawRTT(r *rand.Rand, l quality.Level) time.Duration {
	bounds := [...]time.Duration{leastRTT, 50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond, mostRTT}
	low, high := float64(bounds[l-1]), float64(bounds[l])
	if l > quality.Excellent {
		low *= 1 + guard
	}
	if l < quality.Poor {
		high *= 1 - guard
	}
	return time.Duration(low * math.Pow(high/low, r.Float64()))
}

// drawLoss draws a rate of a level.
func drawLoss(r *rand.Rand, l quality.Level) float64 {
	if l == quality.Excellent {
		return 0
	}
	low, high := lossRange(l)
	return low * math.Pow(high/low, r.Float64())
}

// lossRange is that of a level with loss, away from its edges: twice the guard, as rates are known less well than times.
func lossRange(l quality.Level) (low, high float64) {
	bounds := [...]float64{0.001, 0.01, 0.05, 0.2}
	low, high = bounds[l-2], bounds[l-1]
	if l > quality.Good {
		low *= 1 + 2*guard
	}
	if l < quality.Poor {
		high *= 1 - 2*guard
	}
	return low, high
}
