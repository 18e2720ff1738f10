package realtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/realtime"
)

// simNet is the link between one client and the server.
type simNet struct {
	*faultnet.Link
	net *faultnet.Network
}

func newSimNet(seed uint64, rtt time.Duration) *simNet {
	n := &simNet{net: faultnet.NewNetwork(seed)}
	n.Link = n.net.Link("client", "server")
	n.Set(faultnet.Symmetric(rtt))
	return n
}

func (n *simNet) listen() (net.Listener, error) { return n.net.Listen("server:80") }

func (n *simNet) dial() func(context.Context, string, string) (net.Conn, error) {
	return n.net.Dialer("client")
}

// lose sets the share of segments that are lost, both ways.
func (n *simNet) lose(share float64) {
	n.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = share, share })
}

// stall holds everything back, or lets it go.
func (n *simNet) stall(on bool) {
	n.Update(func(c *faultnet.Conditions) { c.Up.Stall, c.Down.Stall = on, on })
}

// world is a real centrifuge server on an in-memory network, inside a bubble.
type world struct {
	t    *testing.T
	net  *simNet
	node *centrifuge.Node
	srv  *http.Server
	done chan struct{}
	sent int
	// connecting answers connect commands; nil takes everybody as user "u".
	connecting func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error)
	refresh    func(centrifuge.RefreshEvent) (centrifuge.RefreshReply, error)
}

// serverPings are those of this project's server. Centrifuge's own 8 s for a pong would end one connection in some
// hundred hours at 5% loss and an RTT of 300 ms: four losses in a row take 8.1 s.
var serverPings = centrifuge.PingPongConfig{PingInterval: 25 * time.Second, PongTimeout: 20 * time.Second}

type registry struct{ *prometheus.Registry }

func newWorld(t *testing.T, n *simNet) *world {
	t.Helper()
	ln, err := n.listen()
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, n, ln)
}

// newWorldOn runs the server on a listener of its own, for TLS.
func newWorldOn(t *testing.T, n *simNet, ln net.Listener) *world {
	t.Helper()
	w := &world{t: t, net: n, done: make(chan struct{})}
	node, err := centrifuge.New(centrifuge.Config{
		Metrics: centrifuge.MetricsConfig{RegistererGatherer: registry{prometheus.NewRegistry()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if w.connecting != nil {
			return w.connecting(e)
		}
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "u"}, Data: []byte(`{"hello":1}`)}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnRefresh(func(e centrifuge.RefreshEvent, cb centrifuge.RefreshCallback) { cb(w.refresh(e)) })
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, cb centrifuge.SubscribeCallback) {
			cb(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{
				EnableRecovery: true, EnablePositioning: true, Data: []byte(`{"last":7}`),
			}}, nil)
		})
		c.OnRPC(func(e centrifuge.RPCEvent, cb centrifuge.RPCCallback) { cb(centrifuge.RPCReply{Data: e.Data}, nil) })
	})
	if err := node.Run(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin:    func(*http.Request) bool { return true },
		PingPongConfig: serverPings,
	}))
	w.node, w.srv = node, &http.Server{Handler: mux}
	go func() { defer close(w.done); _ = w.srv.Serve(ln) }()
	return w
}

func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	w.net.Set(faultnet.Symmetric(0))
	_ = w.node.Shutdown(ctx)
	_ = w.srv.Close()
	w.net.Reset()
	<-w.done
	time.Sleep(20 * time.Second) // virtual: grace timers of the server end
}

// publish adds the next numbered publication to the channel.
func (w *world) publish(channel string) {
	w.t.Helper()
	w.sent++
	data, _ := json.Marshal(w.sent)
	if _, err := w.node.Publish(channel, data, centrifuge.WithHistory(1000, time.Hour)); err != nil {
		w.t.Error(err)
	}
}

// follower is a client with one subscription, and what it saw.
type follower struct {
	*realtime.Client
	t *testing.T

	mu      sync.Mutex
	got     []int
	kinds   []string
	caught  time.Time // last EventCaughtUp
	changes []realtime.Change

	slept atomic.Int64 // how far the wall clock is ahead
}

func newFollower(t *testing.T, n *simNet, o realtime.Options) *follower {
	t.Helper()
	if o.URL == "" {
		o.URL = "ws://server:80/connection/websocket"
	}
	o.DialContext = n.dial()
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	c, err := realtime.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{Client: c, t: t}
	realtime.SetWall(c, func() time.Time { return time.Now().Round(0).Add(time.Duration(f.slept.Load())) })
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ch := c.Watch(t.Context())
	go func() {
		for x := range ch {
			f.mu.Lock()
			f.changes = append(f.changes, x)
			f.mu.Unlock()
		}
	}()
	if _, err := c.Subscribe("room", realtime.SubscribeOptions{OnEvent: f.event}); err != nil {
		t.Fatal(err)
	}
	c.Connect()
	return f
}

func (f *follower) event(e realtime.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e.Kind {
	case realtime.EventPublication:
		var n int
		if json.Unmarshal(e.Data, &n) != nil {
			n = -1
		}
		f.got = append(f.got, n)
	case realtime.EventCaughtUp:
		f.caught = time.Now()
	case realtime.EventSubscribed, realtime.EventUnsubscribed:
	}
	f.kinds = append(f.kinds, fmt.Sprintf("%v %v", e.Kind, e.Recovered))
}

// caughtUp waits up to limit for the subscription to be caught up after since, and returns how long that took.
func (f *follower) caughtUp(since time.Time, limit time.Duration) time.Duration {
	f.t.Helper()
	for end := since.Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		f.mu.Lock()
		c := f.caught
		f.mu.Unlock()
		if c.After(since) {
			return c.Sub(since)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Fatalf("not caught up within %v; state %+v, stats %+v, changes %+v", limit, f.State(), f.Stats(), f.changes)
	return 0
}

// expect checks that all publications 1 to n were seen once and in order.
func (f *follower) expect(n int) {
	f.t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.got) != n {
		f.t.Errorf("saw %d publications, want %d", len(f.got), n)
	}
	for i, v := range f.got {
		if v != i+1 {
			f.t.Fatalf("publication %d is number %d: %v", i+1, v, f.got[max(0, i-5):min(len(f.got), i+20)])
		}
	}
}

func (f *follower) close() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Error(err)
	}
}
