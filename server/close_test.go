package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

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

// TestPeerHearsWhy closes a connection on a real socket: the peer reads the code, whatever it still sends.
func TestPeerHearsWhy(t *testing.T) {
	for name, talkative := range map[string]bool{"silent": false, "talkative": true} {
		t.Run(name, func(t *testing.T) {
			db, end := realWorld(t)
			c := db.dial(t, db.login("alice", "phone").Token)
			defer end()
			stop := make(chan struct{})
			written := make(chan struct{})
			go func() {
				defer close(written)
				for talkative {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					err := c.Write(ctx, websocket.MessageText, []byte(`{"id":9,"rpc":{"method":"x","data":{}}}`))
					cancel()
					if err != nil {
						return
					}
				}
			}()
			db.expect("", "POST", "/api/auth/logout", db.last.Token, nil)
			var err error
			for err == nil {
				_, _, err = c.Read(t.Context())
			}
			close(stop)
			<-written
			if code := websocket.CloseStatus(err); code != wire.CloseLogout {
				t.Fatalf("closed with %d: %v", code, err)
			}
		})
	}
}

// real is a house on a loopback socket.
type real struct {
	*house
	addr string
	last wire.TokenReply // of login
}

func realWorld(t *testing.T) (*real, func()) {
	t.Helper()
	h := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.s.Serve(ln) }()
	return &real{house: h, addr: ln.Addr().String()}, func() {
		if err := errors.Join(h.s.Kill(), <-served); err != nil {
			t.Error(err)
		}
	}
}

func (r *real) login(user, device string) wire.TokenReply {
	r.last = r.house.login(user, device)
	return r.last
}

// dial connects a WebSocket.
func (r *real) dial(t *testing.T, token string) *websocket.Conn {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	c, _, err := websocket.Dial(t.Context(), "ws://"+r.addr+"/connection/websocket", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(-1)
	if err := c.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"id":1,"connect":{"token":%q}}`, token)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}
