package quality_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// noon is when scripts begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// player plays a script to an estimator.
type player struct {
	e   *quality.Estimator
	now time.Time
	id  uint64
}

func play(p quality.Profile) *player {
	return &player{e: quality.NewEstimator(p.Effort()), now: noon}
}

func (p *player) tell(s quality.Sample) quality.Refusal {
	s.At = p.now
	return p.e.Observe(s)
}

// wait lets time go by, looking whenever the estimator wants that, so that nothing is overslept.
func (p *player) wait(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		next := p.e.Next(p.now)
		if next.After(end) {
			next = end
		}
		p.now = next
		p.e.Report(p.now)
	}
}

func (p *player) begin() uint64 {
	p.id++
	p.tell(quality.Sample{Kind: quality.KindBegin, ID: p.id})
	return p.id
}

// ping is one that is answered.
func (p *player) ping(rtt time.Duration) {
	id := p.begin()
	p.wait(rtt)
	p.tell(quality.Sample{Kind: quality.KindRoundTrip, ID: id, RTT: rtt})
}

// pings are n, one each so often.
func (p *player) pings(n int, every, rtt time.Duration) {
	for range n {
		began := p.now
		p.ping(rtt)
		p.wait(every - p.now.Sub(began))
	}
}

// unanswered are pings that time out.
func (p *player) unanswered(n int, every, timeout time.Duration) {
	for range n {
		id := p.begin()
		p.wait(timeout)
		p.tell(quality.Sample{Kind: quality.KindFailure, ID: id, Cause: quality.CauseTimeout})
		p.wait(every - timeout)
	}
}

func (p *player) fails(c quality.Cause) {
	p.tell(quality.Sample{Kind: quality.KindFailure, Cause: c})
}

func (p *player) socket(id uint64, c quality.Counters) quality.Refusal {
	return p.tell(quality.Sample{Kind: quality.KindSocket, Socket: id, Counters: c})
}

func (p *player) report() quality.Report { return p.e.Report(p.now) }

// is compares what is reported with what should be.
func (p *player) is(level quality.Level, reach quality.Reach) error {
	if r := p.report(); r.Level != level || r.Reach != reach {
		return fmt.Errorf("after %v: %s and %s (%s), want %s and %s", p.now.Sub(noon), r.Level, r.Reach, r.Reason, level, reach)
	}
	return nil
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// noisy is a round trip as paths have them.
func noisy(r *rand.Rand, rtt time.Duration) time.Duration {
	return time.Duration(float64(rtt) * math.Exp(0.12*r.NormFloat64()))
}
