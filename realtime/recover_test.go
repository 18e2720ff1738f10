package realtime_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

func TestConnectSubscribeIsThreeRoundTrips(t *testing.T) {
	for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(rtt.String(), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				n := newSimNet(1, rtt)
				w := newWorld(t, n)
				defer w.close()
				begin := time.Now()
				f := newFollower(t, n, realtime.Options{})
				defer f.close()
				if d := f.caughtUp(begin, time.Minute); d > 3*rtt+rtt/10 {
					t.Errorf("subscribed after %v, want 3 RTT of %v", d, rtt)
				}
				w.publish("room")
				time.Sleep(rtt)
				f.expect(1)
			})
		})
	}
}

func TestResetRecoversInThreeRoundTrips(t *testing.T) {
	for _, proto := range []realtime.Protocol{realtime.JSON, realtime.Protobuf} {
		for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
			bubble.Run(t, func(t *testing.T) {
				n := newSimNet(1, rtt)
				w := newWorld(t, n)
				defer w.close()
				f := newFollower(t, n, realtime.Options{Protocol: proto})
				defer f.close()
				f.caughtUp(time.Now(), time.Minute)
				w.publish("room")
				time.Sleep(10 * time.Second)
				fault := time.Now()
				n.Reset()
				w.publish("room")
				w.publish("room")
				d := f.caughtUp(fault, time.Minute)
				if d < 3*rtt || d > 3*rtt+rtt/10 {
					t.Errorf("protocol %v, RTT %v: caught up after %v, want 3 RTT", proto, rtt, d)
				}
				f.expect(3)
				if s := f.Stats(); s.Reconnects != 1 || s.Last.Cause != realtime.ReasonLinkLost {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

// TestSilentLink drops a warm, idle connection silently in both directions or one, and counts to caught up.
func TestSilentLink(t *testing.T) {
	limits := map[time.Duration]time.Duration{
		20 * time.Millisecond: 1500 * time.Millisecond, 100 * time.Millisecond: 1500 * time.Millisecond, 300 * time.Millisecond: 2 * time.Second,
	}
	for rtt, limit := range limits {
		for _, dir := range [][2]bool{{true, true}, {true, false}, {false, true}} {
			bubble.Run(t, func(t *testing.T) {
				n := newSimNet(1, rtt)
				w := newWorld(t, n)
				defer w.close()
				f := newFollower(t, n, realtime.Options{})
				defer f.close()
				f.caughtUp(time.Now(), time.Minute)
				var worst time.Duration
				const trials = 12
				for i := range trials {
					time.Sleep(30*time.Second + time.Duration(i)*43*time.Millisecond) // every phase of the probe
					fault := time.Now()
					n.Strand(dir[0], dir[1])
					w.publish("room")
					worst = max(worst, f.caughtUp(fault, time.Minute))
				}
				if worst >= limit {
					t.Errorf("RTT %v, up %v, down %v: worst %v, want < %v", rtt, dir[0], dir[1], worst, limit)
				}
				t.Logf("RTT %v, up %v, down %v: worst %v", rtt, dir[0], dir[1], worst)
				f.expect(trials)
				if s := f.Stats(); s.Dead != trials || s.Reconnects != trials {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

func TestOutageEnds(t *testing.T) {
	for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		bubble.Run(t, func(t *testing.T) {
			n := newSimNet(1, rtt)
			w := newWorld(t, n)
			defer w.close()
			f := newFollower(t, n, realtime.Options{})
			defer f.close()
			f.caughtUp(time.Now(), time.Minute)
			var worst time.Duration
			for i := range 12 {
				time.Sleep(2 * time.Minute)
				n.Cut()
				time.Sleep(30*time.Second + time.Duration(i)*97*time.Millisecond)
				w.publish("room")
				heal := time.Now()
				n.Heal()
				worst = max(worst, f.caughtUp(heal, time.Minute))
			}
			t.Logf("RTT %v: worst %v", rtt, worst)
			if worst >= 2*time.Second {
				t.Errorf("RTT %v: caught up %v after the end of the outage, want < 2s", rtt, worst)
			}
			f.expect(12)
		})
	}
}

// TestHealthyLossyHour runs hours at 5% loss of segments, from the first connection on: delays, and no reconnect.
// SOAK_HOURS=N runs N hours on each path instead of 3.
func TestHealthyLossyHour(t *testing.T) {
	hours := uint64(3)
	if n, err := strconv.ParseUint(os.Getenv("SOAK_HOURS"), 10, 64); err == nil {
		hours = n
	}
	for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms} {
		t.Run(rtt.String(), func(t *testing.T) {
			for seed := uint64(1); seed <= hours; seed++ {
				bubble.Run(t, func(t *testing.T) { lossyHour(t, seed, rtt) })
			}
		})
	}
}

func lossyHour(t *testing.T, seed uint64, rtt time.Duration) {
	n := newSimNet(seed, rtt)
	n.lose(0.05)
	w := newWorld(t, n)
	defer w.close()
	f := newFollower(t, n, realtime.Options{})
	defer f.close()
	f.caughtUp(time.Now(), time.Minute)
	for range 3600 {
		w.publish("room")
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	s := f.Stats()
	if s.Reconnects != 0 || s.Connects != 1 {
		t.Errorf("RTT %v, seed %d: %d reconnects on a healthy link, want 0: %+v, %+v", rtt, seed, s.Reconnects, s, f.changes)
	}
	if s.LateProbes < 100 {
		t.Errorf("RTT %v, seed %d: %d late probes; the hour tests nothing", rtt, seed, s.LateProbes)
	}
	f.expect(3600)
}
