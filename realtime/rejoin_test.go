package realtime_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestPathBackEndsPauses has somebody else find the end of an outage, which takes two round trips. In the background, with
// pauses of up to 30 s and dials that hang for 10 s, the client is back three more later. In the foreground it isn't later.
func TestPathBackEndsPauses(t *testing.T) {
	for _, profile := range []realtime.Profile{realtime.Background, realtime.Foreground} {
		for outage := 10 * time.Second; outage < 70*time.Second; outage += 7310 * ms {
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
				time.Sleep(10 * time.Second)
				n.Cut()
				time.Sleep(40 * time.Second) // noticed in the background, too
				time.Sleep(outage)
				n.Heal()
				healed := time.Now()
				time.Sleep(200 * ms)
				f.PathBack()
				if d := f.caughtUp(healed, time.Minute); d > 510*ms {
					t.Errorf("%v, outage %v: caught up after %v: %+v", profile, outage, d, f.Stats())
				}
			})
		}
	}
}

// TestPathBackLeavesWhatGetsOn says so at any moment of an attempt that gets through: it isn't begun anew.
func TestPathBackLeavesWhatGetsOn(t *testing.T) {
	for _, profile := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		for after := time.Duration(0); after < 300*ms; after += 30 * ms {
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, 100*ms, realtime.Options{Profile: profile})
				time.Sleep(time.Minute)
				attempts := f.Stats().Attempts
				fault := time.Now()
				n.Reset()
				time.Sleep(after)
				f.PathBack()
				if d := f.caughtUp(fault, time.Minute); d > 310*ms || f.Stats().Attempts != attempts+1 {
					t.Errorf("%v, told after %v: caught up after %v, %d attempts", profile, after, d, f.Stats().Attempts-attempts)
				}
			})
		}
	}
}

// TestPathNewsOfALiveLink tells a client whose connection is fine that everything else came back, or is lost: it asks its
// server, and stays connected.
func TestPathNewsOfALiveLink(t *testing.T) {
	for name, tell := range map[string]func(*realtime.Client){
		"back": (*realtime.Client).PathBack, "lost": (*realtime.Client).PathLost,
	} {
		for _, old := range []time.Duration{500 * ms, time.Minute} {
			bubble.Run(t, func(t *testing.T) {
				_, _, f := start(t, 100*ms, realtime.Options{Profile: realtime.Background})
				time.Sleep(old)
				before, deadAfter := f.Stats(), f.State().DeadAfter
				tell(f.Client)
				time.Sleep(2 * time.Second)
				after := f.Stats()
				if after.Probes != before.Probes+1 || after.Attempts != before.Attempts || f.State().State != realtime.Connected {
					t.Errorf("%s: %+v, was %+v, %v", name, after, before, f.State().State)
				}
				if d := f.State().DeadAfter; d < deadAfter-slackOf {
					t.Errorf("%s: dead after %v, was %v", name, d, deadAfter)
				}
			})
		}
	}
}

// slackOf is by how much a patience shrinks with some more answers.
const slackOf = 300 * ms

// TestPathLostShortensDoubt cuts a new path. By itself the client has to wait for three losses in a row; told that nothing
// else gets through, it doesn't.
func TestPathLostShortensDoubt(t *testing.T) {
	for rtt, limits := range map[time.Duration][2]time.Duration{
		20 * ms: {1700 * ms, 1100 * ms}, 100 * ms: {2400 * ms, 1100 * ms}, 300 * ms: {4100 * ms, 1400 * ms},
	} {
		for i, tell := range []bool{false, true} {
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, rtt, realtime.Options{})
				time.Sleep(2 * time.Second)
				fault := time.Now()
				n.Cut()
				time.Sleep(time.Second)
				if tell {
					f.PathLost()
				}
				for f.State().State == realtime.Connected {
					time.Sleep(ms)
				}
				d := time.Since(fault)
				t.Logf("RTT %v, told %v: seen after %v", rtt, tell, d)
				if d > limits[i] || !tell && d < limits[1] {
					t.Errorf("RTT %v, told %v: seen after %v, want %v", rtt, tell, d, limits[i])
				}
			})
		}
	}
}

// TestAttemptTimeoutIsTold hangs all dials: the first one on an unmeasured path ends after what somebody else knows of it,
// one on a path that has answered after what that showed.
func TestAttemptTimeoutIsTold(t *testing.T) {
	for told, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 4 * time.Second: 4 * time.Second} {
		bubble.Run(t, func(t *testing.T) {
			var ends []time.Duration
			began := time.Now()
			c, err := realtime.New(realtime.Options{
				URL: "ws://server", Profile: realtime.Background, AttemptTimeout: func() time.Duration { return told },
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					ends = append(ends, time.Since(began))
					return nil, ctx.Err()
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			c.Connect()
			time.Sleep(11 * time.Second)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if len(ends) == 0 || ends[0] != want {
				t.Errorf("told %v: dials ended at %v, want %v", told, ends, want)
			}
		})
	}
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 100*ms, realtime.Options{AttemptTimeout: func() time.Duration { return 9 * time.Second }})
		time.Sleep(time.Minute)
		n.Cut()
		n.Reset()
		cut := time.Now()
		for f.State().Attempt == 0 {
			time.Sleep(ms)
		}
		if d := time.Since(cut); d > 2*time.Second {
			t.Errorf("measured: an attempt failed after %v", d)
		}
	})
}

// serversPauses closes connections for reasons of the server's own, and says again and again that the path is back: nobody
// dials before the pause is over.
func serversPauses(t *testing.T) (err error) {
	for _, c := range []centrifuge.Disconnect{
		{Code: 4001, Reason: "drain retry-after-ms=20000"}, {Code: 3001, Reason: "shutdown"}, {Code: 3504, Reason: "connection limit"},
	} {
		bubble.Run(t, func(t *testing.T) {
			_, w, f := start(t, 100*ms, realtime.Options{Profile: realtime.Background})
			time.Sleep(time.Minute)
			if e := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(c)); e != nil {
				t.Fatal(e)
			}
			time.Sleep(60 * ms) // it takes half a round trip
			attempts, pause := f.Stats().Attempts, f.State().RetryIn
			if f.State().State != realtime.Reconnecting || pause < 500*ms {
				t.Fatalf("after %v: %+v", c, f.State())
			}
			for until := time.Now().Add(pause - 100*ms); time.Now().Before(until); time.Sleep(50 * ms) {
				f.PathBack()
				if n := f.Stats().Attempts - attempts; n > 0 && err == nil {
					err = fmt.Errorf("%s: dialed %v before the pause of %v was over", c.Reason, time.Until(until), pause)
				}
			}
		})
	}
	return err
}

func TestPathBackLeavesTheServersPauses(t *testing.T) {
	if err := serversPauses(t); err != nil {
		t.Error(err)
	}
}

// TestEndedPausesAreFound plants the mistake that the check is there for.
func TestEndedPausesAreFound(t *testing.T) {
	realtime.Plant(realtime.BugRejoinAnyway)
	defer realtime.Plant(realtime.BugNone)
	if err := serversPauses(t); err == nil {
		t.Error("TestPathBackLeavesTheServersPauses doesn't find it")
	} else {
		t.Log(err)
	}
}
