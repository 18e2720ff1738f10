package quality_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// counting is a prober that takes its time and counts how many probes are under way.
type counting struct {
	takes   time.Duration
	outcome quality.Outcome
	shakes  time.Duration

	mu           sync.Mutex // guards below
	now, most, n int
}

func (c *counting) Probe(ctx context.Context, _ quality.Probe, connected func(time.Duration)) quality.Outcome {
	c.add(1)
	defer c.add(-1)
	connected(c.shakes)
	select {
	case <-ctx.Done():
		return quality.Outcome{Cause: quality.CauseTimeout}
	case <-time.After(c.takes):
		return c.outcome
	}
}

func (c *counting) add(d int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
	c.most, c.n = max(c.most, c.now), c.n+max(d, 0)
}

// TestOneProbeAtATime: while probes are answered in less than the time between them there is one at a time; while none is,
// not more than eight.
func TestOneProbeAtATime(t *testing.T) {
	for _, row := range []struct {
		takes time.Duration
		most  int
	}{{150 * ms, 1}, {350 * ms, 2}, {time.Hour, 8}} { // at 350 ms the burst of the start overlaps
		c := &counting{takes: row.takes, outcome: quality.Outcome{RTT: row.takes}, shakes: row.takes}
		if err := run(0, quality.Options{Prober: c}, func(*rig) error {
			time.Sleep(5 * time.Minute)
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.most > row.most || c.n < 200 {
				return fmt.Errorf("%v: %d probes, up to %d at a time, want up to %d", row.takes, c.n, c.most, row.most)
			}
			return nil
		})(t); err != nil {
			t.Error(err)
		}
	}
}

// TestOddOutcomes: whatever a prober says, what makes no sense is refused and counted, and the rest stands.
func TestOddOutcomes(t *testing.T) {
	for name, row := range map[string]struct {
		outcome quality.Outcome
		reach   quality.Reach
	}{
		"no such cause":  {quality.Outcome{Cause: 99}, quality.ReachUnknown},
		"negative cause": {quality.Outcome{Cause: -1, RTT: ms}, quality.ReachUnknown},
		"a long time":    {quality.Outcome{RTT: time.Hour}, quality.ReachUnknown},
		"negative time":  {quality.Outcome{RTT: -1}, quality.ReachOnline}, // a sign of life
		"nothing":        {quality.Outcome{}, quality.ReachOnline},
	} {
		c := &counting{takes: 20 * ms, outcome: row.outcome, shakes: -1}
		if err := run(0, quality.Options{Prober: c}, func(r *rig) error {
			time.Sleep(time.Minute)
			if s := r.m.Stats(); s.Refused < s.Probes-1 || s.Probes > 700 { // the handshakes at least
				return fmt.Errorf("%+v", s)
			}
			return r.is(quality.Unknown, row.reach)
		})(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
