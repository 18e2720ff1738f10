package quality_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// checkSpacing: an idle monitor sends a probe each ProbeInterval after the last answer, and tells nothing new meanwhile.
func checkSpacing(t *testing.T) error {
	for _, row := range []struct {
		o       quality.Options
		spacing time.Duration
	}{
		{quality.Options{}, 600 * ms},
		{quality.Options{Effort: quality.Background.Effort()}, 10100 * ms},
		{quality.Options{Effort: quality.Background.Effort(), PingInterval: 3 * second}, 3100 * ms},
	} {
		if err := run(100*ms, row.o, func(r *rig) error {
			time.Sleep(5 * second)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			changes := r.m.Watch(ctx)
			<-changes // the present state
			from, conns := time.Now(), r.Stats().Conns
			time.Sleep(10 * time.Minute)
			pings := r.arrived(from)
			for i := 1; i < len(pings); i++ {
				if d := pings[i].Sub(pings[i-1]); d != row.spacing {
					return fmt.Errorf("two probes %v apart, want %v", d, row.spacing)
				}
			}
			if want := int(10 * time.Minute / row.spacing); len(pings) < want || len(pings) > want+1 {
				return fmt.Errorf("%d probes in 10m, want %d", len(pings), want)
			}
			if len(changes) > 0 {
				return fmt.Errorf("a steady path changed: %+v", <-changes)
			}
			if n := r.Stats().Conns - conns; n > 0 {
				return fmt.Errorf("%d new connections on a steady path", n)
			}
			return nil
		})(t); err != nil {
			return fmt.Errorf("%v: %w", row.spacing, err)
		}
	}
	return nil
}

func TestProbesAreSpacedByEffort(t *testing.T) { goes(t, checkSpacing) }

func TestSetEffortHoldsFromNowOn(t *testing.T) {
	goes(t, run(60*ms, quality.Options{PingInterval: 3 * second}, func(r *rig) error {
		for _, row := range []struct {
			effort quality.Effort
			want   int
		}{{quality.Background.Effort(), 5}, {quality.Foreground.Effort(), 107}, {quality.Effort{ProbeInterval: 1}, 375}} {
			r.m.SetEffort(row.effort)
			time.Sleep(10 * second)
			from := time.Now()
			time.Sleep(time.Minute)
			if n := len(r.arrived(from)); n < row.want || n > row.want+1 {
				return fmt.Errorf("%v: %d probes a minute, want %d", row.effort.ProbeInterval, n, row.want)
			}
		}
		return nil
	}))
}

// checkCalls: while calls are answered there is nothing to probe for. Where nobody tells the server's own time in them,
// there is one probe in 10 s at most.
func checkCalls(t *testing.T) error {
	for _, row := range []struct {
		server time.Duration
		most   int
	}{{20 * ms, 0}, {0, 6}} {
		if err := run(100*ms, quality.Options{}, func(r *rig) error {
			time.Sleep(5 * second)
			calls := func(d time.Duration) {
				for from := time.Now(); time.Since(from) < d; time.Sleep(200 * ms) {
					r.call(120*ms, row.server)
				}
			}
			calls(second)
			from := time.Now()
			calls(time.Minute)
			if n := len(r.arrived(from)); n > row.most {
				return fmt.Errorf("server's time %v: %d probes beside calls, want at most %d", row.server, n, row.most)
			}
			return r.is(quality.Good, quality.ReachOnline)
		})(t); err != nil {
			return err
		}
	}
	return nil
}

func TestNoProbeWhileCallsFlow(t *testing.T) { goes(t, checkCalls) }

// A blackout is seen by calls that aren't answered as well as by probes.
func TestBlackoutIsSeenByCalls(t *testing.T) {
	goes(t, run(100*ms, quality.Options{}, func(r *rig) error {
		time.Sleep(5 * second)
		for range 50 {
			r.call(120*ms, 20*ms)
		}
		r.Cut()
		r.m.Observe(quality.Sample{Kind: quality.KindBegin, ID: r.m.NextID(), Source: quality.SourceCall})
		_, err := r.until(quality.ReachOffline, 2*second)
		return err
	}))
}

// checkPoll: counters are read once a second while somebody watches or samples come in, and else not.
func checkPoll(t *testing.T) error {
	var reads atomic.Int64
	sockets := func(tell func(uint64, quality.Counters)) {
		n := uint64(reads.Add(1))
		tell(7, quality.Counters{Sent: 400 * n, Retransmitted: 40 * n, Delivered: 360 * n})
	}
	return run(100*ms, quality.Options{Sockets: sockets}, func(r *rig) error {
		expect := func(what string, d time.Duration, want int64) error {
			before := reads.Load()
			time.Sleep(d)
			if n := reads.Load() - before; n < want || n > want+1 || want == 0 && n > 0 {
				return fmt.Errorf("%s: %d readings in %v, want %d", what, n, d, want)
			}
			return nil
		}
		if err := expect("nobody", time.Minute, 0); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		r.m.Watch(ctx)
		if err := expect("a watcher", time.Minute, 60); err != nil {
			cancel()
			return err
		}
		cancel()
		if s := r.m.State(); s.Level != quality.Poor || s.Loss.Share < 0.09 || s.Loss.Share > 0.11 || s.Loss.Inferred {
			return fmt.Errorf("%s (%s), loss %+v, want poor and a tenth", s.Level, s.Reason, s.Loss)
		}
		time.Sleep(2 * second)
		if err := expect("nobody any more", time.Minute, 0); err != nil {
			return err
		}
		before := reads.Load()
		for range 60 {
			r.m.Observe(quality.Sample{Kind: quality.KindInbound})
			time.Sleep(second / 2)
		}
		if n := reads.Load() - before; n < 29 || n > 31 {
			return fmt.Errorf("traffic: %d readings in 30s", n)
		}
		return nil
	})(t)
}

func TestCountersAreReadWhileSomebodyWantsThem(t *testing.T) { goes(t, checkPoll) }

// checkLostEnds: the monitor's goroutine is held up, the mailbox overflows, and the end of an exchange finds no room. Nobody
// asks then why there is no answer.
func checkLostEnds(t *testing.T) error {
	var hold chan struct{}
	var held atomic.Bool
	sockets := func(func(uint64, quality.Counters)) {
		if held.Load() {
			<-hold
		}
	}
	return bubbled(t, func() error {
		hold = make(chan struct{}) // of the bubble
		return inBubble(100*ms, quality.Options{Sockets: sockets, Effort: quality.Background.Effort()}, func(r *rig) error {
			time.Sleep(15 * second)
			held.Store(true)
			r.m.Observe(quality.Sample{Kind: quality.KindInbound})
			time.Sleep(second)
			synctest.Wait()
			taken := 0
			id := r.m.NextID()
			for range quality.Mailbox + 100 {
				if r.m.Observe(quality.Sample{Kind: quality.KindBegin, ID: id, Source: quality.SourceCall}) {
					taken++
				}
			}
			lost := !r.m.Observe(quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: quality.SourceCall, RTT: 100 * ms})
			held.Store(false)
			close(hold)
			if d := r.m.Stats().Dropped; taken != quality.Mailbox || !lost || d != 101 {
				return fmt.Errorf("%d taken, %d dropped, the end lost: %v", taken, d, lost)
			}
			from := time.Now()
			time.Sleep(3 * second)
			if n := len(r.arrived(from)); n > 0 {
				return fmt.Errorf("%d probes for an answer that was there", n)
			}
			return r.never(quality.ReachOffline, time.Minute)
		})
	})
}

func TestLostEndIsNoSilence(t *testing.T) { goes(t, checkLostEnds) }
