package realtime_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestFlappingServerIsNotHammered takes each connection and ends it at once, for a minute. Connecting is no success yet:
// pauses grow all the same, less what the dial before took (without pauses there are 200 connections). Once a connection has lasted, the next loss is repaired at once again.
func TestFlappingServerIsNotHammered(t *testing.T) {
	for profile, most := range map[realtime.Profile]int{realtime.Foreground: 140, realtime.Background: 12} {
		bubble.Run(t, func(t *testing.T) {
			begin := time.Now()
			flaps := func() bool { return time.Since(begin) < time.Minute }
			k, f := fakeWorld(t, realtime.Options{Profile: profile}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if c.Connect == nil || !flaps() {
						return false
					}
					s.behave(c)
					_ = s.ws.Close(websocket.StatusCode(3012), "no pong")
					return true
				}
			})
			time.Sleep(time.Until(begin.Add(time.Minute)))
			if n := len(k.live()); n > most || n < 5 {
				t.Errorf("%v: %d connections in a minute of a server that ends them, want at most %d", profile, n, most)
			}
			if s := f.State(); s.Attempt < 5 {
				t.Errorf("%v: attempt %d: each connection counted as a success", profile, s.Attempt)
			}
			time.Sleep(2 * time.Minute)
			if s := f.State(); s.State != realtime.Connected || s.Attempt != 0 {
				t.Fatalf("%v: %+v", profile, s)
			}
			fault := time.Now()
			k.net.Reset()
			if d := f.caughtUp(fault, time.Minute); d > 310*ms {
				t.Errorf("%v: caught up %v after the loss of a connection that had lasted, want 3 RTT", profile, d)
			}
		})
	}
}

// TestAttemptLimit ends in failed after the attempts that the application allows, refused ones and unanswered ones, and
// not before. Connect begins anew.
func TestAttemptLimit(t *testing.T) {
	for name, begin := range map[string]func(*simNet){
		"refused":    func(n *simNet) { n.Update(func(c *faultnet.Conditions) { c.Unreachable = true }); n.Reset() },
		"unanswered": func(n *simNet) { n.Cut(); n.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, 100*ms, realtime.Options{AttemptLimit: 10})
				time.Sleep(time.Minute)
				begin(n)
				time.Sleep(10 * time.Minute)
				s, st := f.State(), f.Stats()
				if s.State != realtime.Failed || s.Reason != realtime.ReasonAttempts || !errors.Is(s.Err, realtime.ErrAttempts) || s.RetryIn != 0 {
					t.Errorf("%+v", s)
				}
				if st.FailedAttempts != 10 {
					t.Errorf("%d failed attempts, want 10", st.FailedAttempts)
				}
				time.Sleep(10 * time.Minute)
				if now := f.Stats(); now.Attempts != st.Attempts {
					t.Errorf("%d attempts after it had failed", now.Attempts-st.Attempts)
				}
				n.Heal()
				again := time.Now()
				f.Connect()
				if d := f.caughtUp(again, time.Minute); d > 310*ms {
					t.Errorf("caught up %v after Connect", d)
				}
			})
		})
	}
}

// TestManyDropsMakePatient drops the connection every seven seconds: from the sixth verdict of a minute on the deadline
// doubles, twice at most, and a quiet minute ends that.
func TestManyDropsMakePatient(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 20*ms, realtime.Options{})
		time.Sleep(time.Minute)
		usual := f.State().DeadAfter
		var after []time.Duration
		for range 8 {
			time.Sleep(5 * time.Second)
			fault := time.Now()
			n.Strand(true, true)
			f.caughtUp(fault, time.Minute)
			time.Sleep(time.Second)
			after = append(after, f.State().DeadAfter/usual)
		}
		for i, want := range []time.Duration{1, 1, 1, 1, 1, 2, 4, 4} {
			if after[i] != want {
				t.Errorf("patience after each drop is %d times the usual one, want 1 five times, 2, 4, 4", after)
				break
			}
		}
		time.Sleep(70 * time.Second)
		if d := f.State().DeadAfter; d != usual {
			t.Errorf("dead after %v when a minute was quiet, want %v", d, usual)
		}
	})
}

// TestNetworkChangedRestartsADial: the dial under way was begun on a network that carries nothing, and waits for its SYN's
// next turn, seconds away.
func TestNetworkChangedRestartsADial(t *testing.T) {
	for _, profile := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		for _, outage := range []time.Duration{600 * ms, 1200 * ms, 1450 * ms} { // before the attempt's own end, 1.5 s
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
				time.Sleep(time.Minute)
				n.Cut()
				n.Reset()
				time.Sleep(outage)
				n.Heal()
				notice := time.Now()
				f.NetworkChanged()
				if d := f.caughtUp(notice, time.Minute); d > 310*ms {
					t.Errorf("%v: caught up %v after the notice, %v into a dial; want 3 RTT", profile, d, outage)
				}
			})
		}
	}
}

// TestNetworkChangedFindsAStrandedLink: the connection is of a network that is gone. The notice makes the probe, which
// in the background would come in 25 s.
func TestNetworkChangedFindsAStrandedLink(t *testing.T) {
	for _, profile := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
			time.Sleep(5*time.Minute + 3*time.Second) // not when a probe goes out, or either may come first
			n.Strand(true, true)
			notice := time.Now()
			f.NetworkChanged()
			if d := f.caughtUp(notice, time.Minute); d > 1200*ms {
				t.Errorf("%v: caught up %v after the notice, want the deadline and what is left of 3 RTT", profile, d)
			}
		})
	}
}

// suspended is a client that has been without a network for long, in a pause of at least 20 s.
func suspended(t *testing.T) (*simNet, *follower) {
	t.Helper()
	n, _, f := start(t, 100*ms, realtime.Options{Profile: realtime.Background})
	n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
	n.Reset()
	time.Sleep(20 * time.Minute)
	for f.State().RetryIn < 20*time.Second {
		time.Sleep(time.Second)
	}
	if s := f.State(); s.State != realtime.Suspended {
		t.Fatalf("state %+v", s)
	}
	return n, f
}

// TestOutOfSuspended drives what leads out of a long pause.
func TestOutOfSuspended(t *testing.T) {
	t.Run("profile", func(t *testing.T) {
		bubble.Run(t, func(t *testing.T) {
			n, f := suspended(t)
			n.Heal()
			begin := time.Now()
			f.SetProfile(realtime.Foreground)
			if d := f.caughtUp(begin, time.Minute); d > 310*ms {
				t.Errorf("caught up %v after the application came to the front, want 3 RTT", d)
			}
		})
	})
	t.Run("connect", func(t *testing.T) {
		bubble.Run(t, func(t *testing.T) {
			n, f := suspended(t)
			n.Heal()
			begin := time.Now()
			f.Connect()
			if d := f.caughtUp(begin, time.Minute); d > 310*ms {
				t.Errorf("caught up %v after Connect, want 3 RTT", d)
			}
		})
	})
	t.Run("disconnect", func(t *testing.T) {
		bubble.Run(t, func(t *testing.T) {
			n, f := suspended(t)
			f.Disconnect()
			time.Sleep(time.Second)
			before := f.Stats()
			n.Heal()
			time.Sleep(time.Hour)
			if s, st := f.State(), f.Stats(); s.State != realtime.Disconnected || s.RetryIn != 0 || st.Attempts != before.Attempts {
				t.Errorf("%+v, %d attempts", s, st.Attempts-before.Attempts)
			}
			begin := time.Now()
			f.Connect()
			f.caughtUp(begin, time.Minute)
		})
	})
}

// TestOutOfFailed: Disconnect takes note of a failure, and late news change nothing.
func TestOutOfFailed(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{})
		if err := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(centrifuge.Disconnect{Code: 4501, Reason: "replaced"})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := f.State(); s.State != realtime.Failed {
			t.Fatalf("state %+v", s)
		}
		f.NetworkChanged()
		f.Disconnect()
		time.Sleep(time.Second)
		if s := f.State(); s.State != realtime.Disconnected || s.Reason != realtime.ReasonAsked || s.Err != nil {
			t.Errorf("state %+v", s)
		}
		begin := time.Now()
		f.Connect()
		f.caughtUp(begin, time.Minute)
	})
}

// TestPoint38_HandlersHoldNothingUp blocks the only handler for two minutes: pings of the server are answered, calls too,
// and the link is neither suspect nor lost.
func TestPoint38_HandlersHoldNothingUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		release := make(chan struct{})
		k, f := fakeWorld(t, realtime.Options{}, nil)
		f.settled(time.Now())
		if _, err := f.Subscribe("blocks", realtime.SubscribeOptions{OnEvent: func(realtime.Event) { <-release }}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s := k.last()
		for i := range 24 {
			s.raw("{}")
			s.publish("room", uint64(i+1))
			time.Sleep(5 * time.Second)
			if _, err := f.RPC(t.Context(), "x", []byte(`1`)); err != nil {
				t.Fatal(err)
			}
		}
		pongs := s.count(func(c *protocol.Command) bool { return c.Id == 0 })
		if st := f.Stats(); pongs != 24 || st.Connects != 1 || st.Suspects != 0 {
			t.Errorf("%d pongs for 24 pings, %+v", pongs, st)
		}
		close(release)
		time.Sleep(time.Second)
		f.expect(24)
	})
}

// TestHalfOfAllSegmentsLost: a round trip of 500 ms and every second segment lost. It takes its time; what counts is that
// the connection comes about, recovers everything, and attempts stay few.
func TestHalfOfAllSegmentsLost(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(3, 500*ms)
		w := newWorld(t, n)
		t.Cleanup(w.close)
		n.lose(0.5)
		begin := time.Now()
		f := newFollower(t, n, realtime.Options{})
		t.Cleanup(f.close)
		first := f.caughtUp(begin, 5*time.Minute)
		for range 120 {
			w.publish("room")
			time.Sleep(time.Second)
		}
		st := f.Stats()
		t.Logf("connected after %v; in two minutes more %d connections, %d dials", first, st.Connects-1, st.Attempts)
		if st.Attempts > 120 {
			t.Errorf("%d dials in %v", st.Attempts, time.Since(begin))
		}
		n.lose(0)
		time.Sleep(time.Minute)
		f.expect(120)
	})
}

// TestUpgradeRefusedThenTaken keeps Connecting, and not Reconnecting, until there was a connection.
func TestUpgradeRefusedThenTaken(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		begin := time.Now()
		_, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.http = func(w http.ResponseWriter, _ *http.Request) bool {
				if time.Since(begin) > 10*time.Second {
					return false
				}
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
		})
		time.Sleep(9 * time.Second)
		if s := f.State(); s.State != realtime.Connecting || s.Reason != realtime.ReasonRefused {
			t.Errorf("state %+v", s)
		}
		f.settled(begin)
	})
}
