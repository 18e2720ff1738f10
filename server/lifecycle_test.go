package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/coder/websocket"
)

// TestDrain stops a server with 20 clients: each is told to come back at a time of its own, spread evenly.
func TestDrain(t *testing.T) {
	const clients, rate = 20, 4
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.DrainRate = rate; c.Limits.UserConnections = clients })
		all := make([]*rt, clients)
		for i := range all {
			all[i] = w.connect("alice", w.login("alice", fmt.Sprint("d", i)).Token)
		}
		start := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- w.s.Shutdown(context.Background()) }()
		var waits []int
		for _, c := range all {
			code, reason := c.gone()
			_, ms, _ := strings.Cut(reason, "retry-after-ms=")
			n, err := strconv.Atoi(ms)
			if code != wire.CloseDrain || err != nil {
				t.Fatalf("closed with %d %q", code, reason)
			}
			waits = append(waits, n)
		}
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		slices.Sort(waits)
		for i, n := range waits { // one in each slot of a quarter second
			if n < i*250 || n >= (i+1)*250 {
				t.Errorf("client %d comes back after %dms", i, n)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("clients that answer were waited for %v", took)
		}
		if err := w.s.Shutdown(context.Background()); err != nil {
			t.Errorf("second shutdown: %v", err)
		}
	})
}

// TestDrainTellsLatecomers: who is on the way in while the others are told gets the slot behind them, and no client is
// told twice, which would give one slot to two.
func TestDrainTellsLatecomers(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.DrainRate = 4 })
		device := func(i int) *rt { return w.connect("alice", w.login("alice", fmt.Sprint("d", i)).Token) }
		device(0)
		device(1)
		synctest.Wait() // the answer to connect comes before the server has counted the client in
		w.s.TellClients()
		for i := 2; i < 5; i++ {
			code, reason := device(i).gone()
			_, ms, _ := strings.Cut(reason, "retry-after-ms=")
			if n, err := strconv.Atoi(ms); err != nil || code != wire.CloseDrain || n < i*250 || n >= (i+1)*250 {
				t.Errorf("client %d: closed with %d %q", i, code, reason)
			}
		}
	})
}

func TestNotReadyWhileDraining(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.connect("alice", w.token("alice"))
		w.net.Link("alice", "server").Strand(true, true) // it will never answer the close
		w.expect("", "GET", "/readyz", "", nil)
		stopped := make(chan error, 1)
		go func() { stopped <- w.s.Shutdown(context.Background()) }()
		time.Sleep(time.Second)
		w.expect(wire.CodeUnavailable, "GET", "/readyz", "", nil)
		w.expect("", "GET", "/healthz", "", nil)
		w.expect("", "GET", general, w.token("bob"), nil) // what is there is still answered
		_, res, err := w.dial("bob")
		if err == nil || res == nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("a connection while draining: %v, %+v", err, res)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		c.close()
	})
}

func TestShutdownGivesUpAtItsContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.connect("alice", w.token("alice"))
		synctest.Wait() // the answer to connect comes before the server has counted the client in
		w.net.Link("alice", "server").Strand(true, true)
		w.mayFail = true // Kill answers what Shutdown did
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := <-w.served; err != nil {
			t.Error(err)
		}
		w.served = nil
		c.close()
	})
}

// TestKill stops in the middle of traffic; nothing runs afterwards (the bubble would not end) and clients see a reset.
func TestKill(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.connect("alice", w.token("alice"))
		c.subscribe("a")
		idle, _, err := w.dial("bob") // never connects
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		killed := make(chan error, 1)
		go func() { killed <- w.s.Kill() }()
		for _, x := range []*rt{c, idle} {
			if code, reason := x.gone(); reason != "" {
				t.Errorf("closed with %d %q", code, reason)
			}
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("clients noticed after %v", took)
		}
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		if err := w.s.Kill(); err != nil {
			t.Errorf("second kill: %v", err)
		}
		if _, _, err := w.dial("bob"); err == nil {
			t.Error("a dead server answers")
		}
	})
}

func TestServeAfterEnd(t *testing.T) {
	h := start(t, nil)
	if err := h.s.Kill(); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.s.Serve(ln); !errors.Is(err, server.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Fatal("the listener is open")
	}
}

// TestHerdDuringKill kills while clients come, send and go.
func TestHerdDuringKill(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.Limits.UserConnections = 100 })
		tokens := make([]string, 20)
		for i := range tokens {
			tokens[i] = w.login("alice", fmt.Sprint("d", i)).Token
		}
		var wg sync.WaitGroup
		for i, token := range tokens {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				c, _, err := w.dial(fmt.Sprint("host", i))
				if err != nil {
					return
				}
				c.call("connect", object{"token": token})
				c.call("subscribe", object{"channel": "a"})
				for n := range 100 {
					f := c.call("rpc", object{"method": wire.RPCSend, "data": wire.BatchRequest{
						Messages: []wire.BatchEntry{to("a", i*1000+n, uint64(n+1))},
					}})
					if f.ID == 0 {
						break
					}
					time.Sleep(time.Millisecond)
				}
				c.close()
			})
		}
		time.Sleep(15 * time.Millisecond)
		if err := w.s.Kill(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// TestLeftoversArePublished ends a run between commit and publication, on disk.
func TestLeftoversArePublished(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	dead := open(t, db, nil) // never started: commits, publishes nothing
	dead.populate()
	for n := 1; n <= 3; n++ {
		dead.expect("", "POST", general, dead.token("alice"), text(n))
	}
	if err := errors.Join(dead.s.Kill(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if db, err = sqlite.Open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if waiting, err := db.Outgoing(t.Context(), 10); err != nil || len(waiting) != 3 {
		t.Fatalf("%d wait, %v", len(waiting), err)
	}
	h := open(t, db, nil)
	if err := h.s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.s.Kill(); err != nil {
			t.Error(err)
		}
	}()
	if waiting, err := db.Outgoing(t.Context(), 10); err != nil || len(waiting) != 0 {
		t.Fatalf("%d wait after the start, %v", len(waiting), err)
	}
	h.expect("", "POST", general, h.token("alice"), text(4))
	var page wire.HistoryReply
	h.expect("", "GET", general, h.token("alice"), nil).into(t, &page)
	if page.Last != 4 || len(page.Messages) != 4 {
		t.Fatalf("%+v", page)
	}
}

// forgetful can't take published messages off its list.
type forgetful struct {
	server.Store
	mu    sync.Mutex
	tries int
	works bool
}

func (f *forgetful) Published(ctx context.Context, msgs []server.Message) error {
	f.mu.Lock()
	f.tries++
	works := f.works
	f.mu.Unlock()
	if !works {
		return server.ErrUnavailable
	}
	return f.Store.Published(ctx, msgs)
}

func (f *forgetful) set(works bool) (tries int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.works = works
	return f.tries
}

// TestRelayPublishesOnce has a store that can't note what was published: it is published once all the same.
func TestRelayPublishesOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		f := &forgetful{}
		w := newWorld(t, func(c *server.Config) { f.Store = c.Store; c.Store = f })
		c := w.connect("alice", w.token("alice"))
		c.subscribe("a")
		c.batch(to("a", 1, 1), to("a", 2, 2))
		time.Sleep(10 * time.Second)
		if tries := f.set(true); tries < 5 {
			t.Errorf("it tried %d times in 10s", tries)
		}
		c.batch(to("a", 3, 3))
		time.Sleep(10 * time.Second)
		for n := uint64(1); n <= 3; n++ {
			if p := c.push(); p.Data.Seq != n {
				t.Fatalf("got %d, want %d", p.Data.Seq, n)
			}
		}
		if len(c.pushes) != 0 {
			t.Errorf("published twice: %+v", <-c.pushes)
		}
		if left, err := w.store.Outgoing(context.Background(), 10); err != nil || len(left) != 0 {
			t.Errorf("%d left, %v", len(left), err)
		}
	})
}

// TestSlowHeader holds a connection without ever finishing its request's head.
func TestSlowHeader(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c, err := w.net.Dialer("x")(context.Background(), "tcp", "server:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: server\r\n")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = c.Read(make([]byte, 1)) // net/http closes without a word
		if took := time.Since(start); err == nil || took > 11*time.Second || took < 9*time.Second {
			t.Fatalf("%v after %v", err, took)
		}
	})
}

// TestRealSockets is a whole life over loopback: API, stream, reset by Kill, restart on the same data.
func TestRealSockets(t *testing.T) {
	db, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for run := range 2 {
		h := open(t, db, nil)
		if run == 0 {
			h.populate()
		}
		if err := h.s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- h.s.Serve(ln) }()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+ln.Addr().String()+general,
			strings.NewReader(fmt.Sprintf(`{"id":%q,"deviceSeq":%d,"text":"x"}`, id(run+1), run+1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+h.token("alice"))
		tr := &http.Transport{}
		res, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil || res.StatusCode != 201 {
			t.Fatalf("run %d: %+v, %v", run, res, err)
		}
		_ = res.Body.Close()
		stop := h.s.Kill
		if run == 1 {
			stop = func() error { return h.s.Shutdown(t.Context()) }
		}
		if err := errors.Join(stop(), <-served); err != nil {
			t.Fatal(err)
		}
		tr.CloseIdleConnections()
	}
}

// startTLS starts a server on a real port, over TLS. client trusts it; stop ends it, and returns what was wrong.
func startTLS(t *testing.T) (h *house, addr string, client *http.Client, stop func() error) {
	t.Helper()
	lent := httptest.NewTLSServer(nil) // for its certificate, and a client that trusts it
	t.Cleanup(lent.Close)
	h = start(t, func(c *server.Config) { c.TLS = &tls.Config{Certificates: lent.TLS.Certificates} })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.s.Serve(ln) }()
	return h, ln.Addr().String(), lent.Client(), func() error { return errors.Join(h.s.Kill(), <-served) }
}

func TestTLS(t *testing.T) {
	h, addr, client, stop := startTLS(t)
	conn, _, err := websocket.Dial(t.Context(), "wss://"+addr+"/connection/websocket", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	cmd := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, h.token("alice"))
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(cmd)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(data), `"connect"`) {
		t.Fatalf("%s, %v", data, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Fatal("the connection outlives the server")
	}
}
