package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/coder/websocket"
)

// TestReasonsToCloseADeadPeer gives a connection whose peer is dead several reasons to be closed, close together.
// Centrifuge would hold the client's mutex for 5s after the first, and a second that waits for it stops a bubble's clock
// for ever.
func TestReasonsToCloseADeadPeer(t *testing.T) {
	type act func(w *world, session wire.TokenReply)
	pingTimeout := act(func(*world, wire.TokenReply) { time.Sleep(2 * time.Second) })
	replace := act(func(w *world, in wire.TokenReply) { w.connect("elsewhere", in.Token) })
	logout := act(func(w *world, in wire.TokenReply) { w.expect("", "POST", "/api/auth/logout", in.Token, nil) })
	drain := act(func(w *world, _ wire.TokenReply) {
		start := time.Now()
		if err := w.s.Shutdown(context.Background()); err != nil {
			w.t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(start); took > 7*time.Second { // 5s for the peer's answer, and what it takes anyway
			w.t.Errorf("shutdown took %v", took)
		}
	})
	for _, c := range []struct {
		name string
		acts []act
	}{
		{"ping timeout, replacement", []act{pingTimeout, replace}},
		{"ping timeout, logout", []act{pingTimeout, logout}},
		{"ping timeout, drain", []act{pingTimeout, drain}},
		{"replacement, logout", []act{replace, logout}},
		{"replacement, drain", []act{replace, drain}},
		{"logout, drain", []act{logout, drain}},
		{"ping timeout, replacement, logout, drain", []act{pingTimeout, replace, logout, drain}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				w := newWorld(t, func(c *server.Config) { c.PingInterval, c.PongTimeout = time.Second, 800*time.Millisecond })
				in := w.login("alice", "phone")
				dead := w.connect("alice", in.Token)
				w.net.Link("alice", "server").Strand(true, true)
				for _, do := range c.acts {
					do(w, in)
				}
				other := w.login("alice", "laptop")
				w.expect("", "GET", general, other.Token, nil)
				dead.close()
			})
		})
	}
}

// TestPeerHearsWhy ends a session whose peer still has a second and a half of publications to receive and sends all
// the while: it reads why it is closed. Closing at once would answer what it sends with a reset, which overtakes.
func TestPeerHearsWhy(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.SetDefault(faultnet.Conditions{
			Up: faultnet.Flow{Delay: 20 * time.Millisecond}, Down: faultnet.Flow{Delay: 20 * time.Millisecond, Rate: 20 << 10},
		})
		in := w.login("alice", "phone")
		c := w.connect("alice", in.Token)
		c.subscribe("general")
		for n := range 30 {
			w.expect("", "POST", general, in.Token, wire.SendRequest{ID: id(n), Text: strings.Repeat("x", 1000)})
		}
		time.Sleep(10 * time.Millisecond) // the relay has published them
		w.expect("", "POST", "/api/auth/logout", in.Token, nil)
		talk := time.NewTicker(10 * time.Millisecond)
		defer talk.Stop()
		for {
			select {
			case <-talk.C:
				_ = c.conn.Write(context.Background(), websocket.MessageText, []byte(`{"id":1000,"rpc":{}}`)) // it may have ended
			case <-c.closed:
				if code, reason := c.gone(); code != wire.CloseLogout || len(c.pushes) != 30 {
					t.Fatalf("closed with %d %q after %d publications", code, reason, len(c.pushes))
				}
				return
			}
		}
	})
}

// TestDrainWithStalledNetworks stops a server on whose network one client is dead and the attempts of another get
// through as far as a connection, again and again until the very end: each of them began anew the 5s that net/http
// gives a connection to send its first request.
func TestDrainWithStalledNetworks(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		dead := w.connect("alice", w.token("alice"))
		w.net.Link("alice", "server").Strand(true, true)
		stopped := make(chan error, 1)
		start := time.Now()
		go func() { stopped <- w.s.Shutdown(context.Background()) }()
		again := time.NewTicker(300 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				if c, err := w.net.Dialer("bob")(context.Background(), "tcp", "server:80"); err == nil {
					defer c.Close()
				}
				continue
			case err := <-stopped:
				// 5s for the dead one's answer, 0.5s twice for who asks nothing, 1s for Centrifuge.
				if took := time.Since(start); err != nil || took > 7100*time.Millisecond {
					t.Errorf("stopped after %v: %v", took, err)
				}
			}
			dead.close()
			return
		}
	})
}
