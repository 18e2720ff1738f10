package realtime_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestFirstConnectDialsOnce: nothing is known of the path yet. At a round trip of a second a second dial was begun after
// half of it, and sometimes a third.
func TestFirstConnectDialsOnce(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 300 * ms, 500 * ms, time.Second, 1200 * ms} {
		bubble.Run(t, func(t *testing.T) {
			_, _, f := start(t, rtt, realtime.Options{})
			if st := f.Stats(); st.Attempts != 1 {
				t.Errorf("RTT %v: %d dials for the first connection", rtt, st.Attempts)
			}
		})
	}
}

// TestFirstConnectAfterAnOutage begins without a network, which comes at any moment: caught up within 2 s of it, although
// nothing is known of the path.
func TestFirstConnectAfterAnOutage(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms} {
		worst := time.Duration(0)
		for outage := 2 * time.Second; outage < 20*time.Second; outage += 370 * ms {
			bubble.Run(t, func(t *testing.T) {
				n := newSimNet(1, rtt)
				w := newWorld(t, n)
				t.Cleanup(w.close)
				n.Cut()
				f := newFollower(t, n, realtime.Options{})
				t.Cleanup(f.close)
				time.Sleep(outage)
				heal := time.Now()
				n.Heal()
				d := f.caughtUp(heal, time.Minute)
				if worst = max(worst, d); d > 2*time.Second {
					t.Errorf("RTT %v: caught up %v after the end of an outage of %v, %+v", rtt, d, outage, f.Stats())
				}
			})
		}
		t.Logf("RTT %v: caught up within %v", rtt, worst)
	}
}
