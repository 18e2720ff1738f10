package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/coder/websocket"
)

// betweenStore runs something after a subscription has read how far the table goes, before it is in the hub.
type betweenStore struct {
	server.Store
	then func(channel string)
}

func (s betweenStore) OpenChannel(ctx context.Context, name, user string, now time.Time) (server.Channel, error) {
	c, err := s.Store.OpenChannel(ctx, name, user, now)
	s.then(name)
	return c, err
}

// TestMessageBetweenTableAndHub sends a message at the worst moment of a subscription.
func TestMessageBetweenTableAndHub(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var w *world
		var alice string
		w = newWorld(t, func(c *server.Config) {
			c.Store = betweenStore{c.Store, func(channel string) {
				w.expect("", "POST", "/api/channels/"+channel+"/messages", alice, text(1))
				time.Sleep(time.Second) // the relay has every chance
			}}
		})
		alice = w.token("alice")
		bob := w.connect("bob", w.token("bob"))
		if last := bob.subscribe("a").Subscribe.Data.Last; last != 0 {
			t.Fatalf("told %d", last)
		}
		if p := bob.push(); p.Data.Seq != 1 {
			t.Fatalf("got %+v", p)
		}
	})
}

// TestSubscriberMissesNothing subscribes while others send as fast as they can: each message is either in the table up
// to what the subscription was told, or comes as a publication.
func TestSubscriberMissesNothing(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits.MessagesPerSecond, c.Limits.MessageBurst = 1e6, 1e6 })
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for d := range 3 {
		c := w.connect("alice", w.login("alice", fmt.Sprint("d", d)).Token)
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					c.batch(to("busy", d*100000+n, uint64(n+1)))
				}
			}
		})
	}
	for i := range 40 {
		c := w.connect("bob", w.login("bob", "phone").Token)
		last := c.subscribe("busy").Subscribe.Data.Last
		for want := last + 1; want < last+4; {
			p := c.push().Data
			if p.Seq > want {
				t.Errorf("round %d: told %d, got %d, want %d", i, last, p.Seq, want)
				break
			}
			want = max(want, p.Seq+1)
		}
		c.close()
	}
	close(stop)
	wg.Wait()
}

// TestOrderOfStream has many send to one channel; the stream is in the order of the table.
func TestOrderOfStream(t *testing.T) {
	const senders, each = 6, 30
	w := newWorld(t, func(c *server.Config) { c.Limits.MessagesPerSecond, c.Limits.MessageBurst = 1e6, 1e6 })
	bob := w.connect("bob", w.token("bob"))
	bob.subscribe("a")
	var wg sync.WaitGroup
	for d := range senders {
		token := w.login("alice", fmt.Sprint("d", d)).Token
		wg.Go(func() {
			for n := range each {
				in := wire.SendRequest{ID: id(d*1000 + n), DeviceSeq: uint64(n + 1), Text: "x"}
				if a := w.call("POST", "/api/channels/a/messages", token, in); a.status != 201 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	for n := range uint64(senders * each) {
		if p := bob.push(); p.Data.Seq != n+1 || p.Offset != n+1 {
			t.Fatalf("publication %d is message %d at offset %d", n+1, p.Data.Seq, p.Offset)
		}
	}
}

// TestSilentClientIsDropped has a client vanish without a word.
func TestSilentClientIsDropped(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		c := w.connect("alice", w.token("alice"))
		w.net.Link("alice", "server").Strand(true, true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		w.net.Link("alice", "server").Heal()
		second := w.connect("alice", w.token("alice"))
		if r := second.batch(to("a", 1, 1)); r[0].Problem != nil {
			t.Fatal(r[0].Problem)
		}
		c.close()
	})
}

// stuckStore takes its time to store, until it is let go.
type stuckStore struct {
	server.Store
	letGo chan struct{}
}

func (s stuckStore) Append(ctx context.Context, user, device string, e []server.Entry) ([]server.Outcome, error) {
	<-s.letGo
	return s.Store.Append(ctx, user, device, e)
}

// TestSlowStoreKeepsTheLinkAlive sends while the store is stuck: the connection still answers its pings, a flood is
// refused call by call, and the calls are answered in order.
func TestSlowStoreKeepsTheLinkAlive(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := newWorld(t, func(c *server.Config) { c.Store = stuckStore{c.Store, letGo} })
		c := w.connect("alice", w.token("alice"))
		const calls = 40
		for i := range calls {
			data, err := json.Marshal(object{"id": 100 + i, "rpc": object{"method": wire.RPCSend, "data": wire.BatchRequest{
				Messages: []wire.BatchEntry{to("a", i, 0)},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.conn.Write(context.Background(), websocket.MessageText, data); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := c.conn.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
		close(letGo)
		refused, next := 0, uint32(100)
		for range calls {
			f := <-c.replies
			switch {
			case f.Error != nil && f.Error.Code == 111 && f.Error.Temporary:
				refused++
			case f.RPC == nil || f.ID < next:
				t.Fatalf("reply %+v after %d", f, next)
			default:
				next = f.ID + 1
			}
		}
		if refused != calls-33 && refused != calls-32 { // 32 wait, and one may have begun before the others came
			t.Errorf("%d of %d calls were refused", refused, calls)
		}
	})
}
