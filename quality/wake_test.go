package quality_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// checkWake: the machine sleeps for ten minutes: the wall clock goes on, timers stand still. What was measured may be of
// another network, so that the monitor asks anew, on a new connection; it doesn't take the sleep for silence.
func checkWake(t *testing.T) error {
	var slept atomic.Int64
	wall := func(r *rig) {
		r.m.SetWall(func() time.Time { return time.Now().Round(0).Add(time.Duration(slept.Load())) })
	}
	return run(100*ms, quality.Options{Effort: quality.Background.Effort()}, func(r *rig) error {
		time.Sleep(time.Minute + 37*ms)
		conns, from := r.Stats().Conns, time.Now()
		slept.Add(int64(10 * time.Minute))
		if err := r.never(quality.ReachOffline, 12*second); err != nil {
			return err
		}
		pings := r.arrived(from)
		if n := r.Stats().Conns - conns; len(pings) < 3 || n < 1 {
			return fmt.Errorf("%d probes on %d new connections after the wake, want 3 on 1 at least", len(pings), n)
		}
		if s := r.m.State(); s.RTT.Samples > 4 {
			return fmt.Errorf("%d samples are kept over a sleep", s.RTT.Samples)
		}
		return r.is(quality.Good, quality.ReachOnline)
	}, wall)(t)
}

func TestSleepIsNoticed(t *testing.T) { goes(t, checkWake) }

// A machine so busy that the monitor stands still for a while isn't offline.
func TestStandstillIsNoSilence(t *testing.T) {
	sockets, hold := holdUp()
	goes(t, run(100*ms, quality.Options{Sockets: sockets}, func(r *rig) error {
		for i := range 20 {
			time.Sleep(10*second + time.Duration(i)*53*ms)
			hold(5 * second)
			if err := r.never(quality.ReachOffline, 10*second); err != nil {
				return err
			}
		}
		return nil
	}))
}

// The connection that is kept for probes dies, and the network doesn't.
func TestDeadConnectionIsNotOffline(t *testing.T) {
	goes(t, run(60*ms, quality.Options{}, func(r *rig) error {
		for range 5 {
			time.Sleep(20*second + 131*ms)
			r.Strand(true, true)
			if err := r.never(quality.ReachOffline, 10*second); err != nil {
				return err
			}
		}
		return r.is(quality.Good, quality.ReachOnline)
	}))
}

// checkChanged: the notice comes often; what hangs in the network before is given up, what idles there left alone, and
// three probes go by the new one.
func checkChanged(t *testing.T) error {
	for _, hangs := range []time.Duration{0, 10 * second} { // a probe does by then
		if err := run(60*ms, quality.Options{Effort: quality.Background.Effort()}, func(r *rig) error {
			time.Sleep(35 * second)
			r.Strand(true, true)
			time.Sleep(hangs)
			conns, from, probes := r.Stats().Conns, time.Now(), r.m.Stats().Probes
			for range 10 {
				r.m.NetworkChanged()
			}
			synctest.Wait()
			if s := r.m.State(); s.RTT.Samples > 0 {
				return fmt.Errorf("%+v is of another network", s.RTT)
			}
			time.Sleep(second)
			pings, begun := r.arrived(from), r.m.Stats().Probes-probes
			switch {
			case len(pings) != 3 || begun != 3 || r.Stats().Conns == conns:
				return fmt.Errorf("%d probes begun, %d arrived, %d new connections", begun, len(pings), r.Stats().Conns-conns)
			case pings[0].Sub(from) != 90*ms: // a handshake, and the way there
				return fmt.Errorf("the first arrived after %v", pings[0].Sub(from))
			}
			return r.is(quality.Good, quality.ReachOnline)
		})(t); err != nil {
			return fmt.Errorf("after %v: %w", hangs, err)
		}
	}
	return nil
}

func TestNetworkChanged(t *testing.T) { goes(t, checkChanged) }

// TestLinksAreHeard: the first word is no change, down is offline at once, up and changed ask for probes, and the end of
// the source ends nothing else.
func TestLinksAreHeard(t *testing.T) {
	var say chan [2]bool
	links := func(ctx context.Context, on func(up, changed bool)) error {
		for {
			select {
			case w := <-say:
				on(w[0], w[1])
				if !w[0] && w[1] {
					return errors.New("no more")
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	goes(t, func(t *testing.T) error {
		return bubbled(t, func() error {
			say = make(chan [2]bool)
			return inBubble(60*ms, quality.Options{Links: links, Effort: quality.Background.Effort()}, func(r *rig) error {
				time.Sleep(10 * second)
				probes := func(up, changed bool) int {
					from := time.Now()
					say <- [2]bool{up, changed}
					time.Sleep(second)
					return len(r.arrived(from))
				}
				if n := probes(true, false); n > 1 {
					return fmt.Errorf("%d probes for the first word", n)
				}
				if n := probes(true, true); n != 3 {
					return fmt.Errorf("%d probes after a change", n)
				}
				say <- [2]bool{false, false}
				synctest.Wait()
				if s := r.m.State(); s.Reach != quality.ReachOffline || s.Reason != quality.ReasonLinkDown {
					return fmt.Errorf("%s (%s) without a link", s.Reach, s.Reason)
				}
				if n := probes(true, false); n < 3 {
					return fmt.Errorf("%d probes after it came back", n)
				}
				if err := r.is(quality.Good, quality.ReachOnline); err != nil {
					return err
				}
				say <- [2]bool{false, true} // and no more: evidence says otherwise
				_, err := r.until(quality.ReachOnline, 3*second)
				return err
			})
		})
	})
}
