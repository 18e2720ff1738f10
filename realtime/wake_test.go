package realtime_test

import (
	"context"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// sleep is the machine's: the wall clock goes on, timers don't.
func (f *follower) sleep(d time.Duration) { f.slept.Add(int64(d)) }

// TestWakeEndsThePause sleeps for ten minutes of a long outage, which ends meanwhile. What is left of the pause, up to
// half a minute or two, isn't waited for.
func TestWakeEndsThePause(t *testing.T) {
	for profile, limit := range map[realtime.Profile]time.Duration{realtime.Foreground: 1400 * ms, realtime.Background: 10400 * ms} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
			n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
			n.Reset()
			worst := time.Duration(0)
			for range 5 {
				time.Sleep(20 * time.Minute) // pauses are the longest by now
				for f.State().RetryIn < 20*time.Second {
					time.Sleep(time.Second)
				}
				n.Heal()
				f.sleep(10 * time.Minute)
				wake := time.Now()
				worst = max(worst, f.caughtUp(wake, 5*time.Minute))
				n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
				n.Reset()
			}
			if t.Logf("%v: caught up within %v", profile, worst); worst > limit {
				t.Errorf("%v: caught up %v after the wake, want at most %v", profile, worst, limit)
			}
		})
	}
}

// TestPoint40_DataWaitsInTheSocket: messages came while the machine slept, and answers to what was asked before. They are
// taken, and the connection stays.
func TestPoint40_DataWaitsInTheSocket(t *testing.T) {
	for _, profile := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		bubble.Run(t, func(t *testing.T) {
			n, w, f := start(t, 100*ms, realtime.Options{Profile: profile})
			time.Sleep(20 * time.Second)
			n.stall(true) // nothing moves while the machine sleeps
			w.publish("room")
			w.publish("room")
			time.Sleep(200 * ms)
			f.sleep(10 * time.Minute)
			n.stall(false)
			time.Sleep(30 * time.Second)
			f.expect(2)
			if st := f.Stats(); st.Connects != 1 || st.Dead != 0 {
				t.Errorf("%v: %+v", profile, st)
			}
		})
	}
}

// TestWakeFindsADeadLink: the server, or a router, forgot the connection meanwhile. In the background, where a probe is
// sent every 25 s, the wake is what asks.
func TestWakeFindsADeadLink(t *testing.T) {
	for profile, limit := range map[realtime.Profile]time.Duration{realtime.Foreground: 2 * time.Second, realtime.Background: 12500 * ms} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
			time.Sleep(10*time.Minute + time.Second)
			n.Strand(true, true)
			f.sleep(10 * time.Minute)
			wake := time.Now()
			d := f.caughtUp(wake, time.Minute)
			if t.Logf("%v: caught up %v after the wake", profile, d); d > limit {
				t.Errorf("%v: caught up %v after the wake, want at most %v", profile, d, limit)
			}
		})
	}
}

// TestWakeDuringAServerDelay: the time slept counts towards a delay that the server asked for, and nothing else shortens it.
func TestWakeDuringAServerDelay(t *testing.T) {
	for sleep, want := range map[time.Duration]time.Duration{10 * time.Minute: 1100 * ms, 60 * time.Second: 60 * time.Second} {
		bubble.Run(t, func(t *testing.T) {
			_, w, f := start(t, 100*ms, realtime.Options{})
			begin := time.Now()
			if err := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(centrifuge.Disconnect{Code: 4001, Reason: "drain retry-after-ms=120000"})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * ms)
			f.sleep(sleep)
			d := f.caughtUp(begin, 5*time.Minute)
			if t.Logf("slept %v: back after %v", sleep, d); d < want-time.Second || d > want+400*ms {
				t.Errorf("slept %v of a delay of 2 min: back after %v, want %v", sleep, d, want)
			}
		})
	}
}

// TestWakeRefreshesTheToken: a token that ran out in the sleep is replaced on the live connection.
func TestWakeRefreshesTheToken(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		t.Cleanup(w.close)
		refreshed := make(chan time.Time, 10)
		w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{
				Credentials: &centrifuge.Credentials{UserID: "u", ExpireAt: time.Now().Add(time.Hour).Unix()}, ClientSideRefresh: true,
			}, nil
		}
		w.refresh = func(centrifuge.RefreshEvent) (centrifuge.RefreshReply, error) {
			refreshed <- time.Now()
			return centrifuge.RefreshReply{ExpireAt: time.Now().Add(time.Hour).Unix()}, nil
		}
		f := newFollower(t, n, realtime.Options{Token: &tokens{}})
		t.Cleanup(f.close)
		f.caughtUp(time.Now(), time.Minute)
		time.Sleep(10 * time.Second)
		wake := time.Now()
		f.sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		select {
		case at := <-refreshed:
			if d := at.Sub(wake); d > 2*time.Second {
				t.Errorf("refreshed %v after the wake", d)
			}
		case <-ctx.Done():
			t.Error("the token wasn't refreshed within 10 s of the wake")
		}
	})
}
