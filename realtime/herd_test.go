package realtime_test

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestManyClientsAfterARestart ends a server with many clients, by closing them all and by a crash after which the port
// refuses for three seconds. The histogram of their return has to be flat: they are spread over a second, and no tenth of it
// sees three times its share. (A thousand take a minute and show the same: at most 120 in a tenth when closed, 222 after
// a crash.)
func TestManyClientsAfterARestart(t *testing.T) {
	const clients, bucket = 300, 100 * ms
	for _, crash := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			n := newSimNet(1, 100*ms)
			w := newWorld(t, n)
			t.Cleanup(w.close)
			var mu sync.Mutex
			var arrived []time.Time
			w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
				mu.Lock()
				defer mu.Unlock()
				arrived = append(arrived, time.Now())
				return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "u"}}, nil
			}
			dials := 0
			dial := n.dial()
			counted := func(ctx context.Context, network, addr string) (net.Conn, error) {
				mu.Lock()
				dials++
				mu.Unlock()
				return dial(ctx, network, addr)
			}
			crowd(t, clients, counted)
			time.Sleep(6 * time.Second)
			mu.Lock()
			if len(arrived) != clients {
				t.Fatalf("%d of %d clients connected", len(arrived), clients)
			}
			arrived, dials = nil, 0
			mu.Unlock()
			back := time.Now()
			if crash {
				n.Update(func(c *faultnet.Conditions) { c.Refused = true })
				n.Reset()
				time.Sleep(3 * time.Second)
				back = time.Now()
				n.Update(func(c *faultnet.Conditions) { c.Refused = false })
			} else if err := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(centrifuge.DisconnectShutdown)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if len(arrived) != clients {
				t.Fatalf("crash %v: %d arrivals of %d clients", crash, len(arrived), clients)
			}
			histogram := make([]int, 1+int(slices.MaxFunc(arrived, time.Time.Compare).Sub(back)/bucket))
			for _, at := range arrived {
				histogram[at.Sub(back)/bucket]++
			}
			t.Logf("crash %v: arrivals in each tenth of a second %v, %d dials", crash, histogram, dials)
			if most := slices.Max(histogram); most > 3*clients/10 || len(histogram) > 20 {
				t.Errorf("crash %v: %d of %d clients came in one tenth of a second, all within %d of them", crash, most, clients, len(histogram))
			}
			if !crash && dials != clients {
				t.Errorf("%d dials of %d clients that nothing refused", dials, clients)
			}
		})
	}
}

// crowd connects clients, each a little after the one before.
func crowd(t *testing.T, clients int, dial func(context.Context, string, string) (net.Conn, error)) {
	t.Helper()
	for i := range clients {
		c, err := realtime.New(realtime.Options{
			URL: "ws://server:80/connection/websocket", DialContext: dial, Rand: rand.New(rand.NewPCG(uint64(i), 7)),
		})
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		c.Connect()
		time.Sleep(time.Duration(i%7) * ms)
	}
}
