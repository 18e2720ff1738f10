package realtime_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestPoint27_ServerSideSubscriptions against the real server: made at connect and later, recovered, and removed, by a
// push and by not being in the connect reply any more.
func TestPoint27_ServerSideSubscriptions(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		o := centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}
		subs := map[string]centrifuge.SubscribeOptions{"mine": o, "gone": o}
		w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "u"}, Subscriptions: subs}, nil
		}
		var r recorder
		f := newFollower(t, n, realtime.Options{OnServerEvent: r.on})
		defer f.close()
		f.settled(time.Now())
		w.publish("mine")
		time.Sleep(time.Second)
		fault := time.Now()
		subs = map[string]centrifuge.SubscribeOptions{"mine": o}
		n.Reset()
		w.publish("mine")
		w.publish("mine")
		f.settled(fault)
		time.Sleep(time.Second)
		if got := fmt.Sprint(r.data()); got != "[1 2 3]" {
			t.Errorf("saw %s", got)
		}
		if ends := r.of(realtime.EventUnsubscribed); len(ends) != 1 || ends[0].Channel != "gone" || !ends[0].Final {
			t.Errorf("ended %+v", ends)
		}
		if err := w.node.Subscribe("u", "late", centrifuge.WithRecovery(true)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.publish("late")
		time.Sleep(time.Second)
		if err := w.node.Unsubscribe("u", "late"); err != nil {
			t.Fatal(err)
		}
		fault, subs = time.Now(), nil
		n.Reset()
		f.settled(fault)
		time.Sleep(time.Second)
		if ends := r.of(realtime.EventUnsubscribed); len(ends) != 3 || ends[1].Channel != "late" || ends[2].Channel != "mine" {
			t.Errorf("ended %+v, want gone, late and, with no subscriptions in the reply, mine", ends)
		}
		if got := fmt.Sprint(r.data()); got != "[1 2 3 4]" {
			t.Errorf("saw %s", got)
		}
	})
}

// TestPoint27_PositionsMoveUnheard: without a handler too, and what was removed isn't asked for again.
func TestPoint27_PositionsMoveUnheard(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.on = func(s *session, c *protocol.Command) bool {
				if c.Connect == nil {
					return false
				}
				res := &protocol.ConnectResult{Client: "x", Subs: map[string]*protocol.SubscribeResult{
					"mine": {Recoverable: true, Epoch: "e1", Offset: 5}, "plain": {}, "gone": {Recoverable: true, Epoch: "e1", Offset: 1},
				}}
				if s.n == 2 {
					delete(res.Subs, "gone")
				}
				s.reply(&protocol.Reply{Id: c.Id, Connect: res})
				return true
			}
		})
		f.settled(time.Now())
		k.last().reply(pushPub("mine", pub(6)), pushPub("mine", pub(7)))
		time.Sleep(10 * time.Second)
		for i, want := range []string{"gone:1 mine:7", "mine:5"} {
			fault := time.Now()
			k.net.Reset()
			f.settled(fault)
			time.Sleep(10 * time.Second)
			var got strings.Builder
			subs := k.last().commands()[0].Connect.Subs
			for _, ch := range []string{"gone", "mine", "plain"} {
				if s := subs[ch]; s != nil {
					fmt.Fprintf(&got, " %s:%d", ch, s.Offset)
				}
			}
			if got.String() != " "+want {
				t.Errorf("reconnect %d asks for%s, want %s", i+1, got.String(), want)
			}
		}
	})
}

// TestPoint28_UnansweredSubscribe, and an unsubscribe that stays unanswered or is refused: only a new connection makes
// certain what the server has.
func TestPoint28_UnansweredSubscribe(t *testing.T) {
	for _, row := range []struct {
		name    string
		handles func(s *session, c *protocol.Command) bool
	}{
		{"subscribe unanswered", func(_ *session, c *protocol.Command) bool {
			return c.Subscribe != nil && c.Subscribe.Channel == "other"
		}},
		{"unsubscribe unanswered", func(_ *session, c *protocol.Command) bool { return c.Unsubscribe != nil }},
		{"unsubscribe refused", func(s *session, c *protocol.Command) bool {
			if c.Unsubscribe != nil {
				s.fail(c.Id, 100)
			}
			return c.Unsubscribe != nil
		}},
	} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool { return s.n == 1 && row.handles(s, c) }
			})
			r := f.record("other")
			f.settled(time.Now())
			k.last().publish("room", 1)
			if row.name != "subscribe unanswered" {
				if err := f.Unsubscribe("other"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(12 * time.Second)
			k.last().publish("room", 2)
			time.Sleep(time.Second)
			want := 0
			if row.name == "subscribe unanswered" {
				want = 1
			}
			if len(k.live()) != 2 || len(k.last().subscribes("other")) != want {
				t.Errorf("%s: %d connections, %v", row.name, len(k.live()), k.last().subscribes("other"))
			}
			if want == 1 && len(r.of(realtime.EventSubscribed)) != 1 {
				t.Errorf("%s: events %+v", row.name, r.all())
			}
			f.expect(2)
		})
	}
}

// TestPoint29_LateReplyOfACancelledSubscribe neither completes nor ends the next subscription to the channel.
func TestPoint29_LateReplyOfACancelledSubscribe(t *testing.T) {
	for _, code := range []uint32{0, 103, 105, 112} {
		bubble.Run(t, func(t *testing.T) {
			var held []uint32
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(_ *session, c *protocol.Command) bool {
					if c.Subscribe == nil || c.Subscribe.Channel != "other" {
						return false
					}
					held = append(held, c.Id)
					return true
				}
			})
			f.settled(time.Now())
			var old, r recorder
			for _, rec := range []*recorder{&old, &r} {
				if err := f.Unsubscribe("other"); err != nil {
					t.Fatal(err)
				}
				if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: rec.on}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			if len(held) != 2 {
				t.Fatalf("%d subscribe commands", len(held))
			}
			s := k.last()
			late := &protocol.Reply{Id: held[0], Subscribe: &protocol.SubscribeResult{Recoverable: true, Epoch: "old", Offset: 77}}
			if code != 0 {
				late = &protocol.Reply{Id: held[0], Error: &protocol.Error{Code: code}}
			}
			s.reply(late, pushPub("other", pub(78)))
			time.Sleep(time.Second)
			if len(old.all())+len(r.all()) != 0 {
				t.Errorf("%d: events of a cancelled subscription: %+v, %+v", code, old.all(), r.all())
			}
			s.reply(&protocol.Reply{Id: held[1], Subscribe: &protocol.SubscribeResult{Recoverable: true, Epoch: "e1", Offset: 3}}, pushPub("other", pub(4)))
			time.Sleep(time.Second)
			synctest.Wait()
			if subs := r.of(realtime.EventSubscribed); len(subs) != 1 || subs[0].Epoch != "e1" || fmt.Sprint(r.data()) != "[4]" || len(held) != 2 || len(k.live()) != 1 {
				t.Errorf("%d: subscribed %+v, saw %v", code, subs, r.data())
			}
		})
	}
}

// TestPoint29_StormOfSubscriptions ends with what was asked for last, on the real server.
func TestPoint29_StormOfSubscriptions(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, w, f := start(t, 100*ms, realtime.Options{})
		var r recorder
		for i := range 200 {
			if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: r.on}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i%7) * 20 * ms)
			if i == 50 || i == 130 {
				n.Reset()
			}
			if i < 199 {
				if err := f.Unsubscribe("other"); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(30 * time.Second)
		w.publish("other")
		time.Sleep(time.Second)
		if got := fmt.Sprint(r.data()); got != "[1]" || w.node.Hub().NumSubscribers("other") != 1 {
			t.Errorf("saw %s, %d subscribers", got, w.node.Hub().NumSubscribers("other"))
		}
	})
}

// TestPoint30_UnsubscribeByIdentity: the handle of an older subscription doesn't end the newer one.
func TestPoint30_UnsubscribeByIdentity(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{})
		var r recorder
		old, err := f.Subscribe("other", realtime.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		old.Unsubscribe()
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: r.on}); err != nil {
			t.Fatal(err)
		}
		old.Unsubscribe()
		time.Sleep(time.Second)
		old.Unsubscribe()
		time.Sleep(time.Second)
		w.publish("other")
		time.Sleep(time.Second)
		if got := fmt.Sprint(r.data()); got != "[1]" {
			t.Errorf("saw %s", got)
		}
	})
}
