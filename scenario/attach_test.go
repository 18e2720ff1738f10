package scenario_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/token"
)

// TestAttachedClient is a client of somebody else's in a world: its token runs out and it goes on without signing in.
func TestAttachedClient(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: 1, Link: faultnet.Symmetric(100 * time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		g, err := w.Attach(t.Context(), "guest")
		if err != nil {
			t.Fatal(err)
		}
		chat, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: g.URL, Store: chatsdk.InMemory(), From: inbox.Start, DialContext: g.Dial})
		if err != nil {
			t.Fatal(err)
		}
		defer chat.Close()
		if err := chat.SignIn(t.Context(), g.User, g.Password); err != nil {
			t.Fatal(err)
		}
		chat.Connect()
		for n := range 3 {
			if _, err := chat.Send(t.Context(), scenario.Channel, "hello"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if last, err := w.Last(t.Context()); err != nil || last != uint64(n+1) {
				t.Fatalf("%d messages are stored, %v", last, err)
			}
			if s := chat.State(); s.Connection.State != realtime.Connected || s.Session.State != token.Fresh {
				t.Fatalf("after %d: %+v, %+v", n, s.Connection, s.Session)
			}
			if err := w.ExpireTokens("guest"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		if s := chat.State(); s.Session.Reason != token.ReasonRenewed || s.Connection.State != realtime.Connected {
			t.Errorf("in the end: %+v, %+v", s.Session, s.Connection)
		}
		if err := w.StopServer(t.Context(), false); err != nil || w.Running() {
			t.Errorf("stop: %v", err)
		}
		if _, err := w.Attach(t.Context(), "late"); err == nil {
			t.Error("a user is made without a server")
		}
		if err := w.ExpireTokens("guest"); err == nil {
			t.Error("tokens run out without a server")
		}
	})
}

// TestRunsAreWatched looks on a run with clients, and one with devices.
func TestRunsAreWatched(t *testing.T) {
	talk, _ := scenario.Find("5")
	talk.Faults = talk.Faults[:1]
	plane, _ := scenario.Find("6")
	for _, s := range []scenario.Scenario{talk, plane} {
		t.Run(s.ID, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				worlds := make(chan *scenario.World, 1)
				var most scenario.Progress
				seen := make(chan struct{})
				go func() {
					defer close(seen)
					w := <-worlds
					for tick := time.Tick(500 * time.Millisecond); ; {
						p, err := w.Progress(ctx)
						if err == nil && len(p.Clients) == 2 && p.Sent >= most.Sent {
							most = p
						}
						select {
						case <-tick:
						case <-ctx.Done():
							return
						}
					}
				}()
				r, err := scenario.RunVirtual(t.Context(), s, scenario.RunOptions{Seed: 1, Watch: func(w *scenario.World) { worlds <- w }})
				cancel()
				<-seen
				if err != nil || !r.OK {
					t.Fatalf("%v\n%v", err, r)
				}
				sent, shown := 0, 0
				for _, c := range most.Clients {
					sent, shown = sent+c.Sent, shown+c.Shown
					if c.Name == "" || c.Running && c.Status.User == "" || c.Sent == 0 || c.Shown == 0 {
						t.Errorf("client %+v", c)
					}
				}
				if sent != most.Sent || shown != most.Shown || most.Sent < r.Verdict.Counts.Accepted/2 || most.Stored == 0 || most.Sent > r.Verdict.Counts.Accepted {
					t.Errorf("seen %+v of %+v", most, r.Verdict.Counts)
				}
			})
		})
	}
}

// TestStoppedRunsEnd stops a run in the middle: what is left of it isn't gone through, and nothing is judged.
func TestStoppedRunsEnd(t *testing.T) {
	for id, middle := range map[string]time.Duration{"3": 15 * time.Second, "5": 15 * time.Second, "6": 3 * time.Second} {
		t.Run(id, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), middle)
				defer cancel()
				s, _ := scenario.Find(id)
				began := time.Now()
				r, err := scenario.RunVirtual(ctx, s, scenario.RunOptions{Seed: 1})
				if !errors.Is(err, context.DeadlineExceeded) || r.OK {
					t.Errorf("%v, %v", err, r)
				}
				if took := time.Since(began); took > middle+5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
