package quality_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// TestHeldUpOwnerKeepsWhatItKnows: the monitor's goroutine is held up for seconds, in which calls are told and the network
// is said to have changed. What is told is older then than what is asked for, and is no reason to begin anew.
func TestHeldUpOwnerKeepsWhatItKnows(t *testing.T) {
	for _, ask := range []bool{false, true} {
		sockets, hold := holdUp()
		goes(t, run(100*ms, quality.Options{Sockets: sockets}, func(r *rig) error {
			for i := range 5 {
				time.Sleep(20*second + time.Duration(i)*53*ms)
				hold(6 * second)
				r.m.Observe(quality.Sample{Kind: quality.KindInbound})
				time.Sleep(second)
				for range 20 {
					r.call(100*ms, 0)
				}
				if ask {
					r.m.NetworkChanged()
				}
				time.Sleep(3100 * ms)
				if err := r.never(quality.ReachUnknown, 10*second); err != nil {
					return err
				}
			}
			if n := r.m.Stats().Refused; n > 0 {
				return fmt.Errorf("%d samples refused", n)
			}
			return r.is(quality.Good, quality.ReachOnline)
		}))
	}
}

// Samples from a queue that was held up are taken, or refused one by one, and what is known stays.
func TestSamplesFromALittleAgoWipeNothing(t *testing.T) {
	for ago, want := range map[time.Duration]quality.Refusal{
		500 * ms: quality.Taken, 3 * second: quality.Taken, 9 * second: quality.Taken,
		11 * second: quality.RefusedClock, 59 * second: quality.RefusedClock,
	} {
		p := play(quality.Foreground)
		p.pings(200, 500*ms, 40*ms)
		known := p.report().RTT.Samples
		id := p.begin()
		then := p.now.Add(-ago)
		for range 20 {
			if got := p.e.Observe(quality.Sample{Kind: quality.KindInbound, At: then}); got != want {
				t.Errorf("%v ago: %s, want %s", ago, got, want)
			}
		}
		p.e.Observe(quality.Sample{Kind: quality.KindRoundTrip, At: then, ID: id, RTT: 40 * ms})
		p.wait(3 * second) // and the end that was told late is one
		if r := p.report(); r.Level != quality.Excellent || r.Reach != quality.ReachOnline || r.RTT.Samples < known-10 {
			t.Errorf("%v ago: %s, %s, %d samples of %d", ago, r.Level, r.Reach, r.RTT.Samples, known)
		}
	}
}

// TestSamplesOfAnotherTimeAreRefused: what a caller dates wrongly is refused and counted, and neither stops the clock nor
// begins anew.
func TestSamplesOfAnotherTimeAreRefused(t *testing.T) {
	for _, off := range []time.Duration{20 * second, 24 * time.Hour, -2 * time.Minute, -24 * time.Hour} {
		for _, round := range []bool{false, true} {
			goes(t, run(100*ms, quality.Options{}, func(r *rig) error {
				time.Sleep(10 * second)
				for range 10 {
					id := r.m.NextID()
					r.m.Observe(quality.Sample{Kind: quality.KindBegin, ID: id, Source: quality.SourceCall})
					at := time.Now().Add(off)
					if round {
						at = at.Round(0)
					}
					r.m.Observe(quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: quality.SourceCall, At: at, RTT: 900 * ms})
				}
				synctest.Wait()
				if n := r.m.Stats().Refused; n != 10 {
					return fmt.Errorf("%v off: %d refused", off, n)
				}
				if err := r.never(quality.ReachUnknown, 10*second); err != nil {
					return err
				}
				if err := r.is(quality.Good, quality.ReachOnline); err != nil {
					return err
				}
				r.Cut()
				_, err := r.until(quality.ReachOffline, 2*second)
				return err
			}))
		}
	}
}

// TestRareProbesDontFlap: a program that asks for a ping in two minutes isn't told between two of them that nothing is known.
func TestRareProbesDontFlap(t *testing.T) {
	for _, every := range []time.Duration{40 * second, 2 * time.Minute} {
		for name, o := range map[string]quality.Options{
			"interval": {PingInterval: every}, "effort": {Effort: quality.Effort{ProbeInterval: every}},
		} {
			goes(t, run(100*ms, o, func(r *rig) error {
				time.Sleep(5 * second)
				if err := r.never(quality.ReachUnknown, time.Hour); err != nil {
					return fmt.Errorf("%s %v: %w", name, every, err)
				}
				return r.is(quality.Good, quality.ReachOnline)
			}))
		}
	}
}

// TestHandshakeWithAProxyIsNone: the proxy may be near, and the server far.
func TestHandshakeWithAProxyIsNone(t *testing.T) {
	for _, via := range []string{"", "http://server:80"} { // that server answers whatever is asked of it
		proxy := func(*http.Request) (*url.URL, error) {
			if via == "" {
				return nil, nil //nolint:nilnil // as http.ProxyFromEnvironment says that there is none
			}
			return url.Parse(via)
		}
		goes(t, run(100*ms, quality.Options{Proxy: proxy}, func(r *rig) error {
			shakes := 0
			for range 3 {
				if o := r.m.Probe(context.Background(), quality.Probe{Fresh: true}, func(time.Duration) { shakes++ }); o.Cause != 0 {
					return fmt.Errorf("by %q: cause %d", via, o.Cause)
				}
			}
			if want := 3; via == "" && shakes != want || via != "" && shakes > 0 {
				return fmt.Errorf("by %q: %d handshakes", via, shakes)
			}
			return nil
		}))
	}
}

// TestFirstSampleCounts: an answer whose question nobody told may have begun before anything else was known.
func TestFirstSampleCounts(t *testing.T) {
	p := play(quality.Foreground)
	p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 200 * ms})
	if err := p.is(quality.Fair, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

// TestOldRoundTripsAreForgotten: while the server is heard without a round trip, the last one isn't told for ever.
func TestOldRoundTripsAreForgotten(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(3, 500*ms, 40*ms)
	for range 80 {
		p.tell(quality.Sample{Kind: quality.KindInbound})
		p.wait(second)
	}
	if r := p.report(); r.RTT != (quality.RTT{}) || r.Reach != quality.ReachOnline {
		t.Errorf("after 80s %+v, %s", r.RTT, r.Reach)
	}
}
