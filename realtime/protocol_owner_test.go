package realtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// switcher is a token source that doesn't listen to its context: what it was asked first comes last.
type switcher struct {
	mu    sync.Mutex
	asked int
	value string
	slow  time.Duration // of the first call
}

func (s *switcher) Token(context.Context) (string, error) {
	s.mu.Lock()
	s.asked++
	v, wait := s.value, time.Duration(0)
	if s.asked == 1 {
		wait = s.slow
	}
	s.mu.Unlock()
	time.Sleep(wait)
	return v, nil
}

func (s *switcher) Renew(ctx context.Context, _ string) (string, error) { return s.Token(ctx) }
func (s *switcher) set(v string)                                        { s.mu.Lock(); defer s.mu.Unlock(); s.value = v }

func (s *switcher) calls() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }

// connectTokens are the tokens of all connect commands.
func (k *fake) connectTokens() (ts []string) {
	for _, s := range k.live() {
		for _, c := range s.commands() {
			if c.Connect != nil {
				ts = append(ts, c.Connect.Token)
			}
		}
	}
	return ts
}

// TestPoint34_UserSwitch during a pending connect: the former user's token comes late and is used by nobody.
func TestPoint34_UserSwitch(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		src := &switcher{value: "old", slow: 2 * time.Second}
		k, f := fakeWorld(t, realtime.Options{Token: src}, nil)
		time.Sleep(time.Second)
		f.NetworkChanged() // the fetch goes on: one at a time
		time.Sleep(200 * ms)
		if n := src.calls(); n > 2 {
			t.Errorf("%d calls of the token source", n)
		}
		f.Disconnect()
		src.set("new")
		f.Connect()
		f.settled(time.Now())
		time.Sleep(1500 * ms) // the late one comes
		fault := time.Now()
		k.net.Reset()
		f.settled(fault)
		if got := fmt.Sprint(k.connectTokens()); got != "[new new]" {
			t.Errorf("connected with %s", got)
		}
	})
}

// TestPoint35_TokenOfTheMoment is asked for again for each connection.
func TestPoint35_TokenOfTheMoment(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		src := &switcher{value: "a"}
		k, f := fakeWorld(t, realtime.Options{Token: src}, nil)
		f.settled(time.Now())
		for _, v := range []string{"b", "c"} {
			time.Sleep(10 * time.Second)
			src.set(v)
			fault := time.Now()
			k.net.Reset()
			f.settled(fault)
		}
		if got := fmt.Sprint(k.connectTokens()); got != "[a b c]" {
			t.Errorf("connected with %s", got)
		}
	})
}

// TestPoint36_LongAndShortLives: no overflow, and no storm of refreshes.
func TestPoint36_LongAndShortLives(t *testing.T) {
	for _, row := range []struct {
		ttl         uint32
		least, most int // refreshes in an hour
	}{{1<<32 - 1, 0, 0}, {1 << 31, 0, 0}, {0, 0, 0}, {3600, 1, 1}, {1, 3600, 5000}} {
		bubble.Run(t, func(t *testing.T) {
			refresh := func(c *protocol.Command) bool { return c.Refresh != nil }
			k, f := fakeWorld(t, realtime.Options{Token: &tokens{}}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					switch {
					case c.Connect != nil:
						s.reply(&protocol.Reply{Id: c.Id, Connect: &protocol.ConnectResult{Client: "x", Expires: true, Ttl: row.ttl}})
					case c.Refresh != nil:
						s.reply(&protocol.Reply{Id: c.Id, Refresh: &protocol.RefreshResult{Client: "x", Expires: true, Ttl: row.ttl}})
					}
					return c.Connect != nil || c.Refresh != nil
				}
			})
			f.settled(time.Now())
			time.Sleep(time.Hour)
			if n := k.last().count(refresh); n < row.least || n > row.most || len(k.live()) != 1 {
				t.Errorf("ttl %d s: %d refreshes in an hour on %d connections, want %d to %d", row.ttl, n, len(k.live()), row.least, row.most)
			}
		})
	}
}

// TestPoint37_EmptyTokenIsValid, from a source or without one.
func TestPoint37_EmptyTokenIsValid(t *testing.T) {
	for _, src := range []realtime.TokenSource{nil, &switcher{}} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{Token: src}, nil)
			if d := f.caughtUp(time.Now(), time.Minute); d > 310*ms || fmt.Sprint(k.connectTokens()) != "[]" {
				t.Errorf("caught up after %v with %q", d, k.connectTokens())
			}
		})
	}
}

// TestPoint39_CallsSettleOnce under random cuts: every call returns, with its own answer or with an error that says
// whether it may have been applied.
func TestPoint39_CallsSettleOnce(t *testing.T) {
	for seed := range uint64(5) {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 80*ms, realtime.Options{})
			random := rand.New(rand.NewPCG(seed, 39))
			var wg sync.WaitGroup
			var mu sync.Mutex
			good, bad := 0, 0
			for i := range 600 {
				time.Sleep(time.Duration(random.Int64N(int64(100 * ms))))
				switch random.IntN(120) {
				case 0:
					n.Reset()
				case 1:
					n.Strand(true, false)
				case 2:
					n.Strand(false, true)
				}
				wg.Go(func() {
					want := fmt.Append(nil, i)
					got, err := f.RPC(t.Context(), "echo", want)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && bytes.Equal(got, want):
						good++
					case errors.Is(err, realtime.ErrNotConnected), errors.Is(err, realtime.ErrConnectionLost):
						bad++
					default:
						t.Errorf("call %d: %s, %v", i, got, err)
					}
				})
			}
			wg.Wait()
			if good+bad != 600 || good < 200 || bad == 0 {
				t.Errorf("seed %d: %d answered and %d failed", seed, good, bad)
			}
		})
	}
}

// TestPoint39_DoubledAnswers: a server that answers twice, or what nobody asked, confuses no other call.
func TestPoint39_DoubledAnswers(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.on = func(s *session, c *protocol.Command) bool {
				if c.Rpc == nil {
					return false
				}
				r := &protocol.Reply{Id: c.Id, Rpc: &protocol.RPCResult{Data: c.Rpc.Data}}
				s.reply(r, &protocol.Reply{Id: c.Id + 1000, Rpc: &protocol.RPCResult{}}, r)
				s.fail(c.Id, 100)
				return true
			}
		})
		f.settled(time.Now())
		for i := range 50 {
			want := fmt.Append(nil, i)
			if got, err := f.RPC(t.Context(), "x", want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("call %d: %s, %v", i, got, err)
			}
		}
		if st := f.Stats(); st.Connects != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// TestPoint41_AmbiguousCalls: an unanswered call ends with an error that says so, on a link that stays, and neither it
// nor any other command is sent twice. The protocol's own publish, which can't be repeated safely, is never used: the
// fake fails the test over it.
func TestPoint41_AmbiguousCalls(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.on = func(_ *session, c *protocol.Command) bool { return c.Rpc != nil }
		})
		f.settled(time.Now())
		begin := time.Now()
		if _, err := f.RPC(t.Context(), "x", []byte(`1`)); !errors.Is(err, realtime.ErrTimeout) || !strings.Contains(err.Error(), "may have been applied") {
			t.Errorf("unanswered call: %v", err)
		}
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("gave up after %v", d)
		}
		time.AfterFunc(time.Second, k.net.Reset)
		if _, err := f.RPC(t.Context(), "x", []byte(`2`)); !errors.Is(err, realtime.ErrConnectionLost) || !strings.Contains(err.Error(), "may have been applied") {
			t.Errorf("call over a reset: %v", err)
		}
		time.Sleep(time.Minute)
		sent := 0
		for _, s := range k.live() {
			sent += s.count(func(c *protocol.Command) bool { return c.Rpc != nil })
		}
		if st := f.Stats(); sent != 2 || st.Connects != 2 {
			t.Errorf("%d calls were sent, %+v", sent, st)
		}
	})
}

// TestPoint42_PanicsStopNothing: handlers that panic at every call, over many reconnects and refused subscriptions.
func TestPoint42_PanicsStopNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		refusals := 0
		k, f := fakeWorld(t, realtime.Options{
			OnConnected: func([]byte) { panic("on connected") }, OnServerEvent: func(realtime.Event) { panic("on server event") },
		}, func(k *fake) {
			k.on = func(s *session, c *protocol.Command) bool {
				if c.Subscribe == nil || c.Subscribe.Channel != "other" || refusals%3 == 2 {
					refusals++
					return false
				}
				refusals++
				s.fail(c.Id, 100)
				return true
			}
		})
		var r recorder
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: func(e realtime.Event) { r.on(e); panic("on event") }}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for i := range 10 {
			f.settled(begin)
			time.Sleep(10 * time.Second)
			k.last().publish("room", uint64(i+1))
			k.last().publish("other", uint64(i+1))
			time.Sleep(time.Second)
			begin = time.Now()
			k.net.Reset()
		}
		f.settled(begin)
		time.Sleep(10 * time.Second)
		f.expect(10)
		if got := len(r.data()); got != 10 || len(r.of(realtime.EventSubscribed)) != 11 {
			t.Errorf("%d publications and %d subscribed events came", got, len(r.of(realtime.EventSubscribed)))
		}
	})
}

// TestBadFramesCostAReconnect, and nothing else: what the server published meanwhile is recovered.
func TestBadFramesCostAReconnect(t *testing.T) {
	for name, frame := range map[string]string{
		"empty": "", "text": "hello", "cut": `{"push":{"channel":"room","pub":{"data":`, "wrong type": `{"push":[]}`,
		"good, then bad": `{"push":{"channel":"room","pub":{"data":1,"offset":1}}}` + "\n{{", "oversized": `{"push":{"channel":"room","pub":{"data":"` + strings.Repeat("x", 300<<10) + `","offset":1}}}`,
		"deep": strings.Repeat("[", 100_000), "negative id": `{"id":-1}`, "huge offset": `{"push":{"channel":"room","pub":{"data":1,"offset":1e99}}}`,
	} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{ReadLimit: 256 << 10}, nil)
			f.settled(time.Now())
			time.Sleep(10 * time.Second)
			k.set(func() { k.tops["room"] = 3 })
			fault := time.Now()
			first := k.last()
			first.raw(frame)
			if d := f.caughtUp(fault, time.Minute); d > 3*time.Second {
				t.Errorf("%s: back after %v", name, d)
			}
			f.expect(3)
			if st := f.Stats(); st.Connects != 2 || first.endedAt().IsZero() {
				t.Errorf("%s: %+v, first session ended %v", name, st, first.endedAt())
			}
		})
	}
}

// TestBinaryFrameOnAJSONConnection is taken for what it holds.
func TestBinaryFrameOnAJSONConnection(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		f.settled(time.Now())
		k.set(func() { k.tops["room"] = 1 })
		if err := k.last().ws.Write(t.Context(), websocket.MessageBinary, []byte(`{"push":{"channel":"room","pub":{"data":1,"offset":1}}}`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		f.expect(1)
	})
}
