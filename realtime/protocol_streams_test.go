package realtime_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

func TestPoint20_RecoversOnlyWhatIsRecoverable(t *testing.T) {
	for _, recoverable := range []bool{true, false} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if c.Subscribe == nil || recoverable {
						return false
					}
					s.reply(&protocol.Reply{Id: c.Id, Subscribe: &protocol.SubscribeResult{Offset: 4, Epoch: "e1"}})
					return true
				}
			})
			k.set(func() { k.tops["room"] = 4 })
			f.settled(time.Now())
			fault := time.Now()
			k.net.Reset()
			f.settled(fault)
			first, again := k.live()[0].subscribes("room"), k.last().subscribes("room")
			if len(first) != 1 || first[0].Recover || len(again) != 1 || again[0].Recover != recoverable {
				t.Fatalf("recoverable %v: first %v, again %v", recoverable, first, again)
			}
			if recoverable && (again[0].Offset != 4 || again[0].Epoch != "e1") {
				t.Errorf("recovers from %v", again[0])
			}
		})
	}
}

// TestPoint21_PositionFollowsDelivery: the reply to a recovery names the offset that was asked for, not the top.
func TestPoint21_PositionFollowsDelivery(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, w, f := start(t, 100*ms, realtime.Options{})
		for range 3 {
			fault := time.Now()
			n.Reset()
			for range 3 {
				w.publish("room")
			}
			f.settled(fault)
			w.publish("room") // right behind the recovered ones: no gap, no repeat
			time.Sleep(time.Second)
		}
		f.expect(12)
		if s := f.Stats(); s.Gaps != 0 || s.Reconnects != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPoint21_TopAsOffset: a server that names the top beside what it recovered loses us nothing.
func TestPoint21_TopAsOffset(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.on = func(s *session, c *protocol.Command) bool {
				if c.Subscribe == nil {
					return false
				}
				res := k.subscribed(c.Subscribe)
				res.Offset += uint64(len(res.Publications))
				s.reply(&protocol.Reply{Id: c.Id, Subscribe: res})
				return true
			}
		})
		f.settled(time.Now())
		k.set(func() { k.tops["room"] = 4 })
		fault := time.Now()
		k.net.Reset()
		f.settled(fault)
		k.last().publish("room", 5)
		time.Sleep(time.Second)
		f.expect(5)
	})
}

// TestPoint22_NotRecovered outlives the server's history: the application is told, the new position counts.
func TestPoint22_NotRecovered(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, w, f := start(t, 100*ms, realtime.Options{})
		r := f.record("short")
		publish := func(data string) {
			if _, err := w.node.Publish("short", []byte(data), centrifuge.WithHistory(2, time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		publish("1")
		time.Sleep(time.Second)
		fault := time.Now()
		n.Reset()
		for _, d := range []string{"2", "3", "4", "5"} {
			publish(d)
		}
		f.settled(fault)
		publish("6")
		time.Sleep(time.Second)
		if got := r.data(); !slices.Equal(got, []string{"1", "6"}) {
			t.Errorf("saw %v, want 1 and then only what is new", got)
		}
		subs := r.of(realtime.EventSubscribed)
		if len(subs) != 2 || !subs[1].WasRecovering || subs[1].Recovered || subs[1].Offset != 5 {
			t.Errorf("subscribed events %+v", subs)
		}
		if s := f.Stats(); s.Gaps != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPoint22_ServerLostItsData: the offset goes back, and what follows is no repeat.
func TestPoint22_ServerLostItsData(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) { k.tops["other"] = 100 })
		r := f.record("other")
		f.settled(time.Now())
		k.last().publish("other", 101)
		time.Sleep(time.Second)
		fault := time.Now()
		k.set(func() { k.tops["other"] = 10 })
		k.net.Reset()
		f.settled(fault)
		k.last().publish("other", 12)
		time.Sleep(time.Second)
		if got := r.data(); !slices.Equal(got, []string{"101", "11", "12"}) {
			t.Errorf("saw %v", got)
		}
		if subs := r.of(realtime.EventSubscribed); len(subs) != 2 || subs[1].Recovered || !subs[1].WasRecovering || subs[1].Offset != 10 {
			t.Errorf("subscribed events %+v", subs)
		}
	})
}

func TestPoint23_ResubscribingInsideTheHandlerRepeatsNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{})
		var r recorder
		var handler func(realtime.Event)
		handler = func(e realtime.Event) {
			r.on(e)
			if e.Kind == realtime.EventPublication && string(e.Data) == "1" {
				if err := f.Unsubscribe("other"); err != nil {
					t.Error(err)
				}
				if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: handler}); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: handler}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.publish("other")
		time.Sleep(time.Second)
		w.publish("other")
		time.Sleep(time.Second)
		if got := r.data(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("saw %v", got)
		}
	})
}

// TestPoint24_NothingAfterTheEnd: neither the rest of a recovered batch after Unsubscribe, nor the rest of a frame
// after a disconnect push, which moves no position either.
func TestPoint24_NothingAfterTheEnd(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		var r recorder
		var sub *realtime.Subscription
		sub, err := f.Subscribe("batch", realtime.SubscribeOptions{OnEvent: func(e realtime.Event) {
			r.on(e)
			if string(e.Data) == "2" {
				sub.Unsubscribe()
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		f.settled(time.Now())
		k.set(func() { k.tops["batch"] = 5; k.tops["room"] = 3 })
		fault := time.Now()
		k.last().reply(pushPub("room", pub(1)), pushDisconnect(3000, "bye"), pushPub("room", pub(2)), pushPub("room", pub(3)))
		f.settled(fault)
		time.Sleep(time.Second)
		f.expect(3)
		if got := r.data(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("saw %v of a batch after unsubscribing at 2", got)
		}
		if subs := k.last().subscribes("room"); len(subs) != 1 || subs[0].Offset != 1 {
			t.Errorf("recovered from %v, want offset 1", subs)
		}
	})
}

// TestPoint25_GapIsRecovered leaves publications out on a positioned channel, several times and of several sizes.
func TestPoint25_GapIsRecovered(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		f.settled(time.Now())
		s := k.last()
		s.publish("room", 2)
		top := uint64(2)
		for _, skip := range []uint64{1, 2, 50} {
			good := top
			top += skip + 1
			k.set(func() { k.tops["room"] = top })
			begin := time.Now()
			s.reply(pushPub("room", pub(top)), pushPub("room", pub(top))) // twice: one recovery, no repeat
			if d := f.caughtUp(begin, time.Minute); skip == 1 && d > 160*ms {
				t.Errorf("first gap recovered after %v, want at once", d)
			}
			subs := s.subscribes("room")
			if last := subs[len(subs)-1]; !last.Recover || last.Offset != good || last.Epoch != "e1" {
				t.Errorf("recovered from %v, want the last good offset %d", last, good)
			}
		}
		f.expect(int(top))
		if st := f.Stats(); st.Gaps != 3 || st.Reconnects != 0 {
			t.Errorf("stats %+v", st)
		}
		if got := len(s.subscribes("room")); got != 4 {
			t.Errorf("%d subscribe commands, want one for each gap and the first", got)
		}
	})
}

// TestPoint25_NoFalseGap: no offset, known offsets and other channels' publications are no gap and move nothing.
func TestPoint25_NoFalseGap(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) { k.tops["other"] = 5 })
		r := f.record("other")
		f.settled(time.Now())
		wild := pub(99)
		wild.Channel = "elsewhere"
		k.last().reply(pushPub("other", pub(0)), pushPub("other", wild), pushPub("other", pub(3)), pushPub("other", pub(5)), pushPub("other", pub(0)), pushPub("other", pub(6)))
		k.set(func() { k.tops["other"] = 6 })
		time.Sleep(time.Second)
		if got := r.data(); !slices.Equal(got, []string{"0", "99", "0", "6"}) {
			t.Errorf("saw %v", got)
		}
		fault := time.Now()
		k.net.Reset()
		f.settled(fault)
		if subs := k.last().subscribes("other"); len(subs) != 1 || subs[0].Offset != 6 {
			t.Errorf("recovers from %v, want offset 6", subs)
		}
		if st := f.Stats(); st.Gaps != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// TestPoint26_Epochs: a reply without an epoch doesn't wipe a known one, a publication's is adopted only if none is
// known, and a publication of another epoch is of another stream.
func TestPoint26_Epochs(t *testing.T) {
	for _, row := range []struct {
		name         string
		replies      [2]string // epochs of the subscribe replies
		push         string    // epoch of the publication between them
		want1, want2 string    // epochs asked for by the second and the third subscribe
	}{
		{"known and kept", [2]string{"e1", ""}, "", "e1", "e1"},
		{"adopted from a publication", [2]string{"", ""}, "e1", "e1", "e1"},
	} {
		t.Run(strings.ReplaceAll(row.name, " ", "-"), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
					k.on = func(s *session, c *protocol.Command) bool {
						if c.Subscribe == nil {
							return false
						}
						res := k.subscribed(c.Subscribe)
						res.Epoch = row.replies[min(s.n, 2)-1]
						s.reply(&protocol.Reply{Id: c.Id, Subscribe: res})
						return true
					}
				})
				f.settled(time.Now())
				k.set(func() { k.tops["room"] = 1 })
				p := pub(1)
				p.Epoch = row.push
				k.last().reply(pushPub("room", p))
				time.Sleep(time.Second)
				for i, want := range []string{row.want1, row.want2} {
					fault := time.Now()
					k.net.Reset()
					f.settled(fault)
					if subs := k.last().subscribes("room"); len(subs) != 1 || subs[0].Epoch != want || subs[0].Offset != 1 || !subs[0].Recover {
						t.Errorf("subscribe %d: %v, want epoch %q and offset 1", i+2, subs, want)
					}
				}
				f.expect(1)
			})
		})
	}
}

// TestPoint26_AnotherEpoch begins a new stream under a live subscription, and loses the epoch altogether after that.
func TestPoint26_AnotherEpoch(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) { k.tops["other"] = 7 })
		r := f.record("other")
		f.settled(time.Now())
		k.set(func() { k.epoch = "e2"; k.tops["other"] = 8 })
		stray := pub(8)
		stray.Epoch = "e2"
		k.last().reply(pushPub("other", stray))
		time.Sleep(time.Second)
		k.last().publish("other", 9)
		time.Sleep(time.Second)
		if asked := k.last().subscribes("other"); len(asked) != 2 || asked[1].Epoch != "e1" || asked[1].Offset != 7 || !asked[1].Recover {
			t.Errorf("asked %v, want the known epoch and offset: those of a publication don't replace them", asked)
		}
		subs := r.of(realtime.EventSubscribed)
		if len(subs) != 2 || subs[1].Recovered || !subs[1].WasRecovering || subs[1].Epoch != "e2" || subs[1].Offset != 8 {
			t.Errorf("subscribed events %+v", subs)
		}
		if got := r.data(); !slices.Equal(got, []string{"9"}) {
			t.Errorf("saw %v of the new stream, want 9", got)
		}
	})
}
