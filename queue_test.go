package chatsdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const password = "correct horse battery staple"

// host is a server in virtual time behind a link of RTT 100 ms.
type host struct {
	net  *faultnet.Network
	link *faultnet.Link
	db   *sqlite.DB
	srv  *server.Server
	dir  string                                                          // of the server's uploads
	door func(w http.ResponseWriter, r *http.Request, next http.Handler) // or nil; stands before the server
	key  string                                                          // that a gateway asks of each request, or ""

	turnedAway atomic.Int32 // by the gateway
}

func (h *host) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.key != "" && r.Header.Get("X-Api-Key") != h.key {
			h.turnedAway.Add(1)
			http.Error(w, "no key", http.StatusForbidden)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/uploads/") && h.door != nil { // in this order: pings come at any time
			h.door(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withHost runs f in a bubble with a server that takes 10,000 messages a second of ada and bob.
func withHost(t *testing.T, f func(t *testing.T, h *host)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		db, err := sqlite.OpenMemory(t.Context(), t.Name())
		if err != nil {
			t.Fatal(err)
		}
		cheap := server.Argon{Time: 1, MemoryKiB: 8, Threads: 1}
		h := &host{net: faultnet.NewNetwork(1), db: db, dir: t.TempDir()}
		srv, err := server.New(server.Config{
			Uploads: server.Uploads{Dir: h.dir}, Wrap: h.wrap, Store: db, Key: bytes.Repeat([]byte("k"), 32), Argon: cheap, Logger: slog.New(slog.DiscardHandler),
			Limits: server.Limits{MessagesPerSecond: 10_000, MessageBurst: 10_000, UserConnections: 100},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ada", "bob"} {
			if err := server.AddUser(t.Context(), db, cheap, name, password); err != nil {
				t.Fatal(err)
			}
		}
		h.srv = srv
		if err := srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.link = h.net.Link("phone", "server")
		h.link.Set(faultnet.Symmetric(100 * time.Millisecond))
		ln, err := h.net.Listen("server:80")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		defer func() {
			if err := errors.Join(srv.Kill(), db.Close()); err != nil {
				t.Error(err)
			}
			<-served
		}()
		f(t, h)
	})
}

// open makes a client on the phone; wrap may stand between it and the network.
func (h *host) open(t *testing.T, store chatsdk.Store, wrap func(net.Conn) net.Conn) *chatsdk.Client {
	t.Helper()
	c, err := h.openWith(t, store, wrap)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openWith is open for a store that may refuse.
func (h *host) openWith(t *testing.T, store chatsdk.Store, wrap func(net.Conn) net.Conn) (*chatsdk.Client, error) {
	t.Helper()
	dial := h.net.Dialer("phone")
	return chatsdk.Open(t.Context(), chatsdk.Options{
		Server: "http://server", Store: store, Rand: rand.New(rand.NewPCG(1, 2)),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err == nil && wrap != nil {
				conn = wrap(conn)
			}
			return conn, err
		},
	})
}

// stored returns the users and texts of a channel, in order.
func (h *host) stored(t *testing.T, channel string) (out []string) {
	t.Helper()
	for m, err := range h.db.AllMessages(t.Context(), channel) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m.User+": "+m.Text)
	}
	return out
}

// TestDrainAfterReconnect queues 1,000 messages offline. At RTT 100 ms the first is sent within one round trip and 50 ms
// of being connected, and the last within 3 s of Connect, the connection's own round trips included.
func TestDrainAfterReconnect(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.open(t, chatsdk.InMemory(), nil)
		defer c.Close()
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if _, err := c.Send(t.Context(), "general", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		updates := c.Watch(t.Context())
		c.Connect()
		var connected, first, last time.Duration
		for sent := 0; sent < 1000; {
			u := <-updates
			switch {
			case u.Connection != nil && u.Connection.To == realtime.Connected:
				connected = time.Since(began)
			case u.Entry != nil && u.Entry.To == outbox.Sent:
				if sent++; sent == 1 {
					first = time.Since(began)
				}
				last = time.Since(began)
			}
		}
		t.Logf("connected after %v, first stored and acknowledged after %v, all after %v", connected, first, last)
		if wait := first - connected; connected == 0 || wait > 150*time.Millisecond {
			t.Errorf("the first message took %v from being connected", wait)
		}
		if last > 3*time.Second {
			t.Errorf("1,000 messages took %v", last)
		}
		for i, text := range h.stored(t, "general") {
			if text != fmt.Sprint("ada: ", i) {
				t.Fatalf("number %d is %q", i+1, text)
			}
		}
	})
}

// noSocket is a network on which HTTP works and WebSockets don't, as behind some proxies.
type noSocket struct {
	net.Conn
	on *atomic.Bool
}

func (c noSocket) Write(b []byte) (int, error) {
	if c.on.Load() && bytes.HasPrefix(b, []byte("GET /connection/websocket")) {
		_ = c.Close()
		return 0, errors.New("blocked")
	}
	return c.Conn.Write(b)
}

func TestHTTPWhereTheSocketIsBlocked(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		var blocked atomic.Bool
		blocked.Store(true)
		c := h.open(t, chatsdk.InMemory(), func(conn net.Conn) net.Conn { return noSocket{conn, &blocked} })
		defer c.Close()
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		c.Connect()
		var want []string
		send := func(n int) {
			for range n {
				text := fmt.Sprint(len(want))
				if _, err := c.Send(t.Context(), "general", text); err != nil {
					t.Fatal(err)
				}
				want = append(want, "ada: "+text)
			}
		}
		stored := func(within time.Duration) {
			t.Helper()
			time.Sleep(within)
			if got := h.stored(t, "general"); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("stored %q, want %q; %+v", got, want, c.State().Queue)
			}
		}
		send(3)
		stored(10 * time.Second)
		send(3) // now that HTTP is known to work, at once
		stored(time.Second)
		h.link.Cut()
		send(3)
		time.Sleep(time.Minute)
		h.link.Heal()
		stored(10 * time.Second)
		blocked.Store(false)
		c.NetworkChanged()
		time.Sleep(5 * time.Second)
		if s := c.State().Connection.State; s != realtime.Connected {
			t.Fatalf("unblocked, and yet %v", s)
		}
		send(3)
		stored(time.Second)
	})
}

// TestSecondAccountSendsOnlyItsOwn signs another user in while messages of the first are queued.
func TestSecondAccountSendsOnlyItsOwn(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		store := chatsdk.InMemory()
		c := h.open(t, store, nil)
		defer func() { _ = c.Close() }()
		sign := func(user string) {
			t.Helper()
			if err := c.SignIn(t.Context(), user, password); err != nil {
				t.Fatal(err)
			}
			c.Connect()
		}
		send := func(text string) string {
			t.Helper()
			e, err := c.Send(t.Context(), "general", text)
			if err != nil {
				t.Fatal(err)
			}
			return e.ID
		}
		send("before anybody") // goes to the first
		sign("ada")
		send("online")
		time.Sleep(time.Second)
		h.link.Cut()
		id := send("under way when bob signs in")
		h.link.Heal()
		sign("bob") // without signing out
		send("bob's")
		time.Sleep(10 * time.Second)
		// What was under way may have arrived, as ada's; what had not left waits for her.
		want := []string{"ada: before anybody", "ada: online", "bob: bob's"}
		got := h.stored(t, "general")
		if e, _ := c.Entry(id); e.State == outbox.Queued && e.Blocked != outbox.BlockedAuth {
			t.Errorf("ada's message: %+v", e)
		} else if slices.Contains(got, "ada: under way when bob signs in") && e.State != outbox.Queued {
			want = slices.Insert(want, 2, "ada: under way when bob signs in")
		}
		if !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
		if err := c.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		send("bob's, signed out") // whoever was last is meant
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = h.open(t, store, nil) // another run
		sign("ada")
		time.Sleep(5 * time.Second)
		for _, text := range h.stored(t, "general") {
			if text == "ada: bob's, signed out" {
				t.Error("ada sent bob's message")
			}
		}
		if e, _ := c.Entry(id); e.State != outbox.Sent {
			t.Errorf("ada is back, and her message is %+v", e)
		}
		sign("bob")
		time.Sleep(5 * time.Second)
		if got := h.stored(t, "general"); got[len(got)-1] != "bob: bob's, signed out" || c.State().Queue.Queued != 0 {
			t.Errorf("in the end stored %q, %+v", got, c.State().Queue)
		}
	})
}
