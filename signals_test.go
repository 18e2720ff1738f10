package chatsdk_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
)

// tally counts what goes over a client's connections: those beside the WebSocket with their pings and renewals, and the
// bytes that the WebSocket carries.
type tally struct{ others, pings, renewals, bytes atomic.Int64 }

func (y *tally) wrap(conn net.Conn) net.Conn {
	return &tallyConn{Conn: conn, y: y}
}

type tallyConn struct {
	net.Conn
	y    *tally
	used atomic.Bool
	ws   atomic.Bool
}

func (c *tallyConn) NetConn() net.Conn { return c.Conn }

func (c *tallyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.count(n)
	return n, err
}

func (c *tallyConn) Write(b []byte) (int, error) {
	if !c.used.Swap(true) {
		c.ws.Store(bytes.HasPrefix(b, []byte("GET /connection/websocket")))
		if !c.ws.Load() {
			c.y.others.Add(1)
		}
	}
	switch {
	case bytes.HasPrefix(b, []byte("GET /api/health/ping")):
		c.y.pings.Add(1)
	case bytes.HasPrefix(b, []byte("POST /api/auth/refresh")):
		c.y.renewals.Add(1)
	}
	c.count(len(b))
	return c.Conn.Write(b)
}

func (c *tallyConn) count(n int) {
	if c.ws.Load() {
		c.y.bytes.Add(int64(n))
	}
}

// measured opens a client with a profile, signed in and connected, whose connections y counts.
func (h *host) measured(t *testing.T, profile realtime.Profile, y *tally) *chatsdk.Client {
	t.Helper()
	dial := h.net.Dialer("phone")
	c, err := chatsdk.Open(t.Context(), chatsdk.Options{
		Server: "http://server", Store: chatsdk.InMemory(), Rand: rand.New(rand.NewPCG(1, 2)), Profile: profile,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err == nil {
				conn = y.wrap(conn)
			}
			return conn, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	c.Connect()
	return c
}

// follow keeps the changes of the network that a client tells, from now on.
func follow(t *testing.T, c *chatsdk.Client) (changes func() []quality.Change) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all []quality.Change
	done := make(chan struct{})
	updates := c.Watch(ctx)
	go func() {
		defer close(done)
		for u := range updates {
			if u.Quality != nil {
				all = append(all, *u.Quality)
			}
		}
	}()
	return func() []quality.Change {
		cancel()
		<-done
		return all[1:] // the first is what was so
	}
}

// says sends a message, which may wait for the network.
func says(t *testing.T, c *chatsdk.Client) {
	t.Helper()
	if _, err := c.Send(t.Context(), "general", "still there?"); err != nil {
		t.Error(err)
	}
}

// TestLevelsAreToldAndKept: each latency class is told, and no other one in ten minutes, idle and in a conversation.
func TestLevelsAreToldAndKept(t *testing.T) {
	for rtt, want := range map[time.Duration]quality.Level{
		20 * time.Millisecond: quality.Excellent, 100 * time.Millisecond: quality.Good,
		200 * time.Millisecond: quality.Fair, 400 * time.Millisecond: quality.Poor,
	} {
		for _, talking := range []bool{false, true} {
			t.Run(fmt.Sprint(rtt, talking), func(t *testing.T) {
				withHost(t, func(t *testing.T, h *host) {
					h.link.Set(faultnet.Symmetric(rtt))
					c := h.measured(t, realtime.Foreground, &tally{})
					defer c.Close()
					time.Sleep(10 * time.Second)
					if q := c.Quality(); q.Level != want || q.Reach != quality.ReachOnline || q.RTT.Median.Round(2*time.Millisecond) != rtt {
						t.Errorf("after 10 s: %+v", q)
					}
					changes := follow(t, c)
					for range 600 {
						time.Sleep(time.Second)
						if talking {
							says(t, c)
						}
					}
					for _, ch := range changes() {
						if ch.Level != want || ch.Reach != quality.ReachOnline {
							t.Errorf("%v after %v: %v %v, %s", ch.Level, ch.FromLevel, ch.Reach, ch.At, ch.Reason)
						}
					}
				})
			})
		}
	}
}

// seen waits until a client tells a reach and returns how long that took.
func seen(t *testing.T, c *chatsdk.Client, want quality.Reach, within time.Duration) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	if !until(func() bool { return c.Quality().Reach == want }, within) {
		return 0, fmt.Errorf("%v isn't told within %v: %+v", want, within, c.Quality())
	}
	return time.Since(began), nil
}

// toldAndHealed wants a client to tell within some time that its link is cut, heals that later, and wants the return to be
// told within 2 s.
func (h *host) toldAndHealed(t *testing.T, c *chatsdk.Client, within, later time.Duration) {
	t.Helper()
	took, err := seen(t, c, quality.ReachOffline, within)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(later)
	h.link.Heal()
	back, err := seen(t, c, quality.ReachOnline, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("offline after %v, online after %v", took, back)
}

// TestCutIsOfflineAndHealIsOnline: a dead network is told in time in both profiles, and so is its return.
func TestCutIsOfflineAndHealIsOnline(t *testing.T) {
	for profile, within := range map[realtime.Profile]time.Duration{
		realtime.Foreground: 2 * time.Second, realtime.Background: 13 * time.Second,
	} {
		t.Run(profile.String(), func(t *testing.T) {
			withHost(t, func(t *testing.T, h *host) {
				c := h.measured(t, profile, &tally{})
				defer c.Close()
				for i := range 8 {
					time.Sleep(time.Minute + time.Duration(i)*1300*time.Millisecond)
					if _, err := seen(t, c, quality.ReachOnline, time.Millisecond); err != nil {
						t.Fatal(err)
					}
					h.link.Cut()
					h.toldAndHealed(t, c, within, 20*time.Second)
				}
			})
		})
	}
}

// TestCutIsSeenAtEachRoundTrip: in the foreground within 2 s up to an RTT of 300 ms, idle and in a conversation.
func TestCutIsSeenAtEachRoundTrip(t *testing.T) {
	for _, rtt := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond} {
		for _, talking := range []bool{false, true} {
			t.Run(fmt.Sprint(rtt, talking), func(t *testing.T) {
				withHost(t, func(t *testing.T, h *host) {
					h.link.Set(faultnet.Symmetric(rtt))
					c := h.measured(t, realtime.Foreground, &tally{})
					defer c.Close()
					for i := range 6 {
						for range 60 {
							time.Sleep(time.Second)
							if talking {
								says(t, c)
							}
						}
						time.Sleep(time.Duration(i) * 110 * time.Millisecond)
						h.link.Cut()
						h.toldAndHealed(t, c, 2*time.Second, 10*time.Second)
					}
				})
			})
		}
	}
}

// TestStoppedServerIsNotOffline ends the server in order and by a crash.
func TestStoppedServerIsNotOffline(t *testing.T) {
	for _, graceful := range []bool{true, false} {
		t.Run(fmt.Sprint(graceful), func(t *testing.T) {
			world(t, func(t *testing.T, w *scenario.World, ada *scenario.Client) {
				time.Sleep(20 * time.Second)
				changes := follow(t, ada.Chat)
				if err := w.StopServer(t.Context(), graceful); err != nil {
					t.Fatal(err)
				}
				took, err := seen(t, ada.Chat, quality.ReachServerDown, 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				if err := w.StartServer(t.Context()); err != nil {
					t.Fatal(err)
				}
				back, err := seen(t, ada.Chat, quality.ReachOnline, 2*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("server down after %v, online after %v", took, back)
				for _, ch := range changes() {
					if ch.Reach == quality.ReachOffline || ch.Level == quality.Offline {
						t.Errorf("offline: %+v", ch)
					}
				}
			})
		})
	}
}

// TestServerDownIsNotOffline: where the server's machine refuses, the network is fine.
func TestServerDownIsNotOffline(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.measured(t, realtime.Foreground, &tally{})
		defer c.Close()
		time.Sleep(20 * time.Second)
		changes := follow(t, c)
		h.link.Update(func(c *faultnet.Conditions) { c.Refused = true })
		h.link.Reset()
		took, err := seen(t, c, quality.ReachServerDown, 3*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		h.link.Update(func(c *faultnet.Conditions) { c.Refused = false })
		back, err := seen(t, c, quality.ReachOnline, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("server down after %v, online after %v", took, back)
		for _, ch := range changes() {
			if ch.Reach == quality.ReachOffline || ch.Level == quality.Offline {
				t.Errorf("offline: %+v", ch)
			}
		}
	})
}

// TestIdleClientAsksOverItsConnection: a connected client keeps no other connection and makes no HTTP pings, and an idle
// hour costs little.
func TestIdleClientAsksOverItsConnection(t *testing.T) {
	for profile, most := range map[realtime.Profile]float64{realtime.Foreground: 2000, realtime.Background: 130} {
		t.Run(profile.String(), func(t *testing.T) {
			withHost(t, func(t *testing.T, h *host) {
				y := &tally{}
				c := h.measured(t, profile, y)
				defer c.Close()
				time.Sleep(time.Minute)
				others, pings, renewals, sum := y.others.Load(), y.pings.Load(), y.renewals.Load(), y.bytes.Load()
				time.Sleep(time.Hour)
				others, pings, renewals = y.others.Load()-others, y.pings.Load()-pings, y.renewals.Load()-renewals
				minute := float64(y.bytes.Load()-sum) / 60
				t.Logf("%.0f bytes a minute", minute)
				if others != renewals || pings != 0 || minute > most {
					t.Errorf("in an hour: %d other connections for %d renewals, %d HTTP pings, %.0f bytes a minute", others, renewals, pings, minute)
				}
				if q := c.Quality(); q.Reach != quality.ReachOnline || q.Level != quality.Good {
					t.Errorf("after an hour: %+v", q)
				}
			})
		})
	}
}

// TestLossIsMeasured: 3% of the segments in a lively conversation are seen as such. The looks at the interval overlap, so
// that they are worth few: it misses in one run of twenty for as long as its window lasts.
func TestLossIsMeasured(t *testing.T) {
	const runs = 3
	held := 0
	for n := 0; n < runs && held < runs*600; n++ { // the last one is spared where the others were enough for all
		withHost(t, func(t *testing.T, h *host) { held += looksHeld(t, h) })
	}
	if held < runs*600 {
		t.Errorf("the interval held 3%% in %d of %d looks", held, runs*1200)
	}
}

// looksHeld loses 3% each way for five minutes, and says how many of 1200 looks in the last two found that in the interval.
func looksHeld(t *testing.T, h *host) (held int) {
	c := h.measured(t, realtime.Foreground, &tally{})
	defer c.Close()
	time.Sleep(20 * time.Second)
	h.link.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = 0.03, 0.03 })
	for i := range 3000 {
		time.Sleep(100 * time.Millisecond)
		says(t, c)
		if q := c.Quality(); i >= 1800 && q.Loss.Segments > 0 && !q.Loss.Inferred && q.Loss.Low <= 0.03 && q.Loss.High >= 0.03 {
			held++
		}
	}
	q := c.Quality()
	t.Logf("held in %d looks: %+v", held, q)
	if q.Level != quality.Fair && q.Level != quality.Poor {
		t.Errorf("at 3%% loss the level is %v: %+v", q.Level, q)
	}
	return held
}
