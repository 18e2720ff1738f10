package quality_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
)

// back is how long a portal, or a server that is down, may be gone before that is known.
func back(p quality.Profile) time.Duration { return p.Effort().AwayMost*4/3 + second }

// returning plays a trouble that each probe finds, and returns when they began. What is reported mustn't change.
func (p *player) returning(d time.Duration, reach quality.Reach, cause quality.Cause) (began []time.Duration, err error) {
	from := p.now
	for end := from.Add(d); p.now.Before(end); {
		if _, ok := p.e.WantProbe(p.now); ok {
			began = append(began, p.now.Sub(from))
			id := p.begin()
			p.wait(ms)
			p.tell(quality.Sample{Kind: quality.KindFailure, ID: id, Cause: cause})
			continue
		}
		if next := p.e.Next(p.now); next.Before(end) {
			p.now = next
		} else {
			p.now = end
		}
		if r := p.report(); r.Reach != reach {
			return began, fmt.Errorf("%s after %v", r.Reach, p.now.Sub(from))
		}
	}
	return began, nil
}

// checkReturns counts the probes of 20 minutes.
func checkReturns() error {
	const down, captive, offline = quality.ReachServerDown, quality.ReachCaptive, quality.ReachOffline
	for _, row := range []struct {
		profile  quality.Profile
		reach    quality.Reach
		cause    quality.Cause
		from, to int // in all of it, with any seed
		plain    int // without one
		longest  time.Duration
	}{
		{quality.Foreground, down, quality.CauseRefused, 125, 141, 133, 10 * second},
		{quality.Foreground, captive, quality.CausePortal, 125, 141, 133, 10 * second},
		{quality.Foreground, offline, quality.CauseUnreachable, 1750, 1850, 1801, second},
		{quality.Background, down, quality.CauseRefused, 20, 28, 24, time.Minute},
		{quality.Background, captive, quality.CausePortal, 20, 28, 23, time.Minute},
		{quality.Background, offline, quality.CauseUnreachable, 275, 300, 286, 10 * second},
	} {
		for seed := range uint64(50) {
			p := play(row.profile)
			p.e.Spread(seed)
			p.pings(5, second, 60*ms)
			for range 2 {
				p.fails(row.cause)
			}
			began, err := p.returning(20*time.Minute, row.reach, row.cause)
			if n := len(began); err == nil && (n < row.from || n > row.to || seed == 0 && n != row.plain) {
				err = fmt.Errorf("%d probes, want %d, with a seed %d to %d", n, row.plain, row.from, row.to)
			}
			longest := time.Duration(0)
			for i := range began[1:] {
				longest = max(longest, began[i+1]-began[i])
			}
			limit := row.longest
			if seed > 0 {
				limit += limit / 3
			}
			if err == nil && longest > limit {
				err = fmt.Errorf("%v without a probe, want %v at most", longest, limit)
			}
			if err != nil {
				return fmt.Errorf("%s, %s, seed %d: %w", row.profile, row.reach, seed, err)
			}
		}
	}
	return nil
}

func TestProbesForAReturnGetRarer(t *testing.T) { holds(t, checkReturns) }

// Somebody comes to the front, or the network is another one: the waits begin anew.
func TestWaitsForAReturnBeginAnew(t *testing.T) {
	for name, anew := range map[string]func(*player){
		"effort":  func(p *player) { p.e.SetEffort(quality.Foreground.Effort()) },
		"network": func(p *player) { p.tell(quality.Sample{Kind: quality.KindLink, Link: quality.LinkChanged}) },
	} {
		p := play(quality.Background)
		p.pings(5, second, 60*ms)
		p.fails(quality.CauseRefused)
		p.fails(quality.CauseRefused)
		if _, err := p.returning(10*time.Minute, quality.ReachServerDown, quality.CauseRefused); err != nil {
			t.Fatal(err)
		}
		anew(p)
		began, err := p.returning(30*second, quality.ReachServerDown, quality.CauseRefused)
		if err != nil || len(began) < 3 {
			t.Errorf("%s: %v in 30s (%v)", name, began, err)
		}
	}
}

// TestProbesOfTwentyMinutes counts those of the monitor, with the seed of the rig.
func TestProbesOfTwentyMinutes(t *testing.T) {
	for name, row := range map[string]struct {
		begins func(*rig)
		reach  quality.Reach
		want   [2]uint64 // in the foreground and the background
	}{
		"500":   {func(r *rig) { r.answers(says(500)) }, quality.ReachServerDown, [2]uint64{131, 23}},
		"login": {func(r *rig) { r.answers(says(200)) }, quality.ReachCaptive, [2]uint64{131, 23}},
		"hangs": {
			func(r *rig) { r.Update(func(c *faultnet.Conditions) { c.Hang = true }); r.Strand(true, true) },
			quality.ReachServerDown,
			[2]uint64{131, 23},
		},
		"cut": {func(r *rig) { r.Cut() }, quality.ReachOffline, [2]uint64{1799, 284}},
	} {
		for p, want := range row.want {
			effort := quality.Profile(p).Effort()
			goes(t, run(60*ms, quality.Options{Effort: effort}, func(r *rig) error {
				time.Sleep(20 * second)
				row.begins(r)
				if _, err := r.until(row.reach, effort.ProbeInterval+5*second); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				before := r.m.Stats().Probes
				if err := r.stays(row.reach, 20*time.Minute); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if n := r.m.Stats().Probes - before; n != want {
					return fmt.Errorf("%s, %s: %d probes, want %d", name, quality.Profile(p), n, want)
				}
				return nil
			}))
		}
	}
}

// refusing is a prober whose server is down, and when it was asked.
type refusing struct {
	mu sync.Mutex // guards at
	at []time.Time
}

func (p *refusing) Probe(context.Context, quality.Probe, func(time.Duration)) quality.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = append(p.at, time.Now())
	return quality.Outcome{Cause: quality.CauseRefused}
}

// checkPhase: ten monitors lose their server at one moment. After a few minutes they don't ask it at one any more.
func checkPhase(t *testing.T) error {
	return bubbled(t, func() error {
		var all [10]refusing
		began := time.Now()
		for i := range all {
			m, err := quality.New(quality.Options{Prober: &all[i], Rand: rand.New(rand.NewPCG(uint64(i), 0))})
			if err == nil {
				err = m.Start()
			}
			if err != nil {
				return err
			}
			defer m.Close()
		}
		time.Sleep(20 * time.Minute)
		in := map[time.Duration]int{} // probes of 100 ms, of 10 s in all
		for i := range all {
			all[i].mu.Lock()
			for _, at := range all[i].at {
				if after := at.Sub(began); after > 5*time.Minute {
					in[after/(100*ms)]++
				}
			}
			all[i].mu.Unlock()
		}
		most := 0
		for _, n := range in {
			most = max(most, n)
		}
		if most > 4 {
			return fmt.Errorf("%d of 10 monitors ask within 100ms", most)
		}
		return nil
	})
}

func TestMonitorsDoNotStayInPhase(t *testing.T) { goes(t, checkPhase) }

// TestNoEffortIsAFlood: whatever an effort says, probes for a return are 100 ms apart at least.
func TestNoEffortIsAFlood(t *testing.T) {
	goes(t, func(t *testing.T) error {
		return bubbled(t, func() error {
			var asked refusing
			m, err := quality.New(quality.Options{
				Prober: &asked, Rand: rand.New(rand.NewPCG(1, 2)), Effort: quality.Effort{AwayInterval: 1, AwayFor: 1, AwayMost: 1},
			})
			if err == nil {
				err = m.Start()
			}
			if err != nil {
				return err
			}
			time.Sleep(time.Minute)
			err = m.Close()
			if n := len(asked.at); err == nil && (n < 500 || n > 601) {
				err = fmt.Errorf("%d probes in a minute, want up to 601", n)
			}
			return err
		})
	})
}
