package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestPoint06_07_FirstCommandAndIDs over many connections, calls and gaps: connect comes first, and only once, and ids
// count from 1 on each of them.
func TestPoint06_07_FirstCommandAndIDs(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		if _, err := f.RPC(t.Context(), "early", []byte(`1`)); !errors.Is(err, realtime.ErrNotConnected) {
			t.Errorf("call before connect: %v", err)
		}
		begin := time.Now()
		for i := range 10 {
			f.settled(begin)
			for range 5 {
				if _, err := f.RPC(t.Context(), "x", []byte(`1`)); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(6 * time.Second)
			begin = time.Now()
			if i%2 == 0 {
				k.net.Reset()
			} else {
				k.net.Strand(true, true) // a standby connection is made, which may not speak before it is used
			}
		}
		f.settled(begin)
		for _, s := range k.all() {
			ids := uint32(0)
			for i, c := range s.commands() {
				if (i == 0) != (c.Connect != nil) {
					t.Fatalf("session %d: command %d is %v", s.n, i, c)
				}
				if c.Id == 0 {
					continue // a pong
				}
				if ids++; c.Id != ids {
					t.Fatalf("session %d: command %d has id %d, want %d", s.n, i, c.Id, ids)
				}
			}
		}
		if len(k.live()) != 11 {
			t.Errorf("%d connections, want 11", len(k.live()))
		}
	})
}

func isPong(c *protocol.Command) bool { return c.Id == 0 }

// TestPoint08_OnePongForEachPing: none without being asked, none before connect is answered, none if the server
// doesn't want any.
func TestPoint08_OnePongForEachPing(t *testing.T) {
	for _, wants := range []bool{true, false} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if c.Connect == nil {
						return false
					}
					s.raw(`{}`)
					s.reply(&protocol.Reply{Id: c.Id, Connect: &protocol.ConnectResult{Client: "x", Ping: 25, Pong: wants}})
					return true
				}
			})
			f.settled(time.Now())
			time.Sleep(time.Minute)
			s := k.last()
			if n := s.count(isPong); n != 0 {
				t.Fatalf("%d pongs unasked", n)
			}
			s.raw(`{}`)
			s.raw("{}\n{}")
			s.raw("{}\n" + `{"push":{"channel":"nobody","pub":{"data":1}}}`)
			time.Sleep(time.Second)
			want := 0
			if wants {
				want = 4
			}
			if n := s.count(isPong); n != want {
				t.Errorf("pong wanted %v: %d pongs for four pings", wants, n)
			}
		})
	}
}

// TestPoint08_PongGoesToWhoPinged: the ping comes over a link that was declared dead, when another one is in use.
func TestPoint08_PongGoesToWhoPinged(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		k, f := fakeWorld(t, realtime.Options{}, nil)
		f.settled(time.Now())
		time.Sleep(10 * time.Second)
		old, fault := k.last(), time.Now()
		k.net.Strand(true, false)
		f.settled(fault)
		if k.last() == old {
			t.Fatal("no other connection")
		}
		old.raw(`{}`)
		old.reply(pushPub("room", pub(1)), pushDisconnect(3503, "not yours"))
		time.Sleep(time.Second)
		if n := k.last().count(isPong); n != 0 {
			t.Errorf("%d pongs on the connection that didn't ping", n)
		}
		if s := f.State(); s.State != realtime.Connected {
			t.Errorf("a dead connection's words were applied: %+v", s)
		}
		f.expect(0)
	})
}

// TestPoint09_10_NoPingCommand idles for an hour with a server that never pings: control pings do it all. The real
// server, which pings every 25 s and ends connections over a wrong pong, keeps one connection as long.
func TestPoint09_10_NoPingCommand(t *testing.T) {
	for _, p := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{Profile: p}, nil)
			f.settled(time.Now())
			time.Sleep(time.Hour)
			if n := len(k.last().commands()); n != 2 || f.Stats().Connects != 1 || f.Stats().Probes < 100 {
				t.Errorf("%v: %d commands, %+v", p, n, f.Stats())
			}
		})
		bubble.Run(t, func(t *testing.T) {
			_, _, f := start(t, 100*ms, realtime.Options{Profile: p})
			time.Sleep(time.Hour)
			if s := f.Stats(); s.Connects != 1 || s.Attempts != 1 {
				t.Errorf("%v: %+v", p, s)
			}
		})
	}
}

// TestPoint11_12_ConnectError: the server refuses, reads on and doesn't close. The client closes, and the
// subscriptions that were sent along are tried again without a word to the application.
func TestPoint11_12_ConnectError(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var refused time.Time
		k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
			k.on = func(s *session, c *protocol.Command) bool {
				if s.n > 1 {
					return false
				}
				if c.Connect != nil {
					refused = time.Now()
					s.fail(c.Id, 100)
				} else {
					s.fail(c.Id, 103) // would be final
				}
				return true
			}
		})
		f.settled(time.Now())
		synctest.Wait()
		first := k.all()[0]
		if d := first.endedAt().Sub(refused); first.endedAt().IsZero() || d > 110*ms {
			t.Errorf("the client closed %v after the refusal was sent, want 1 RTT", d)
		}
		if got := strings.Join(f.seen(), ", "); got != "subscribed false, caught up false" {
			t.Errorf("events: %s", got)
		}
		if n := len(k.last().subscribes("room")); n != 1 {
			t.Errorf("%d subscribe commands on the second connection", n)
		}
	})
}

// TestPoint12_UnsubscribeBeforeTheConnectReply still tells the server; without a connection nothing is sent.
func TestPoint12_UnsubscribeBeforeTheConnectReply(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{})
		defer f.close()
		for _, ch := range []string{"now", "later"} {
			if _, err := f.Subscribe(ch, realtime.SubscribeOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Unsubscribe("now"); err != nil { // before the dial
			t.Fatal(err)
		}
		time.Sleep(220 * ms) // connect and the subscriptions are on their way
		if s := f.State(); s.State != realtime.Connecting {
			t.Fatalf("state %v", s.State)
		}
		if err := f.Unsubscribe("later"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		hub := w.node.Hub()
		if a, b, c := hub.NumSubscribers("room"), hub.NumSubscribers("now"), hub.NumSubscribers("later"); a != 1 || b != 0 || c != 0 {
			t.Errorf("the server has %d, %d and %d subscribers, want 1, 0 and 0", a, b, c)
		}
		if s := f.Stats(); s.Connects != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPoint13_ConnectIsAnsweredBadly: not at all, or with rubbish. The next connection is a clean one.
func TestPoint13_ConnectIsAnsweredBadly(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "ping only": "{}", "unknown id": `{"id":77,"rpc":{"data":1}}`, "other reply": `{"id":1,"rpc":{"data":1}}`,
		"no result": `{"id":1}`, "text": "hello", "html": "<html></html>", "wrong type": `{"id":1,"connect":"x"}`, "array": "[]",
		"cut": `{"id":1,"connect":{"client":`, "spaces": " \n ", "subscribe first": `{"id":2,"subscribe":{}}`, "zeros": "\x00\x00", "number": "7",
	} {
		bubble.Run(t, func(t *testing.T) {
			k, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if s.n <= 2 && c.Connect != nil && answer != "" {
						s.raw(answer)
					}
					return s.n <= 2
				}
			})
			if d := f.caughtUp(time.Now(), 40*time.Second); f.State().State != realtime.Connected {
				t.Errorf("%s: %+v after %v", name, f.State(), d)
			}
			if len(k.all()) < 3 {
				t.Fatalf("%s: taken for an answer", name)
			}
			for _, s := range k.all()[:2] {
				if s.endedAt().IsZero() {
					t.Errorf("%s: session %d was left open", name, s.n)
				}
			}
			if seen := f.seen(); len(seen) != 2 {
				t.Errorf("%s: events %v", name, seen)
			}
		})
	}
}

// TestPoint13_AnotherProtocol: the server speaks something else for a minute. A clear error, no storm, and the client is
// back when the right one is.
func TestPoint13_AnotherProtocol(t *testing.T) {
	hijack := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = c.Write([]byte(text))
				time.Sleep(time.Second)
				_ = c.Close()
			}
		}
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"200":           func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"404":           func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"redirect":      func(w http.ResponseWriter) { w.Header().Set("Location", "/login"); w.WriteHeader(http.StatusFound) },
		"html":          func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "<html>"+strings.Repeat("Sign in. ", 100000)) },
		"ssh":           hijack("SSH-2.0-OpenSSH_9.2\r\n"),
		"binary":        hijack("\x16\x03\x01\x00\x05\x01\r\n\r\n"),
		"bad accept":    hijack("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n\r\n"),
		"endless head":  hijack("HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 1<<20)),
		"other upgrade": hijack("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
	} {
		bubble.Run(t, func(t *testing.T) {
			right := time.Now().Add(time.Minute)
			_, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.http = func(w http.ResponseWriter, _ *http.Request) bool {
					if time.Now().After(right) {
						return false
					}
					answer(w)
					return true
				}
			})
			time.Sleep(59 * time.Second)
			if s := f.State(); s.State != realtime.Connecting || !errors.Is(s.Err, realtime.ErrProtocol) {
				t.Errorf("%s: state %+v", name, s)
			}
			if a := f.Stats().Attempts; a < 3 || a > 100 {
				t.Errorf("%s: %d attempts in a minute", name, a)
			}
			f.caughtUp(time.Now(), 45*time.Second)
		})
	}
}

// TestPoint13_AnswersOutrunByTheNextDial: the answer takes so long that another dial is under way when it comes. What
// it asks for counts all the same, also when it is a time by the server's clock, which is an hour behind.
func TestPoint13_AnswersOutrunByTheNextDial(t *testing.T) {
	for name, ask := range map[string]func(http.Header){
		"seconds": func(h http.Header) { h.Set("Retry-After", "20") },
		"date": func(h http.Header) {
			theirs := time.Now().Add(-time.Hour).UTC()
			h.Set("Date", theirs.Format(http.TimeFormat))
			h.Set("Retry-After", theirs.Add(20*time.Second).Format(http.TimeFormat))
		},
	} {
		bubble.Run(t, func(t *testing.T) {
			n := newSimNet(1, 600*ms)
			k := newFake(t, n)
			defer k.close()
			k.http = func(w http.ResponseWriter, _ *http.Request) bool {
				ask(w.Header())
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			f := newFollower(t, n, realtime.Options{})
			defer f.close()
			time.Sleep(62 * time.Second)
			k.mu.Lock()
			defer k.mu.Unlock()
			if got := len(k.requests); got < 3 || got > 6 {
				t.Errorf("%s: %d requests in a minute to a server that asks for 20 s of rest", name, got)
			}
		})
	}
}

// TestPoint13_AnotherWebSocket takes the upgrade and then says what it likes, as text and as binary frames.
func TestPoint13_AnotherWebSocket(t *testing.T) {
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		bubble.Run(t, func(t *testing.T) {
			_, f := fakeWorld(t, realtime.Options{}, func(k *fake) {
				k.on = func(s *session, _ *protocol.Command) bool {
					_ = s.ws.Write(t.Context(), kind, []byte("welcome to the echo server\xff"))
					return true
				}
			})
			time.Sleep(time.Minute)
			if s := f.State(); s.State != realtime.Connecting || s.Err == nil {
				t.Errorf("state %+v", s)
			}
			if a := f.Stats().Attempts; a < 3 || a > 100 {
				t.Errorf("%d attempts in a minute", a)
			}
		})
	}
}

// TestPoint14_TokenComesLate: each of the first calls takes longer than the server waits for a connection to begin, 15 s, and
// than the client waits for a call; then one succeeds.
func TestPoint14_TokenComesLate(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) { return taken(time.Time{}), nil }
		begin := time.Now()
		f := newFollower(t, n, realtime.Options{Token: tokenFrom(begin.Add(47 * time.Second))})
		defer f.close()
		time.Sleep(46 * time.Second)
		if s := f.State(); s.State != realtime.Connecting {
			t.Errorf("state %+v while there is no token", s)
		}
		if d := f.caughtUp(begin, 2*time.Minute); d > 61*time.Second {
			t.Errorf("caught up after %v: the token was there after 47 s, and a call takes 10 s at most", d)
		}
	})
}

// tokenFrom is a source that answers nobody before a moment, and at once from then on.
type tokenFrom time.Time

func (s tokenFrom) Token(ctx context.Context) (string, error) {
	if !time.Now().Before(time.Time(s)) {
		return "token", nil
	}
	<-ctx.Done()
	return "", ctx.Err()
}

func (s tokenFrom) Renew(ctx context.Context, _ string) (string, error) { return s.Token(ctx) }

// TestPoint14_SlowToken takes 9 s, on a server that ends silent connections with a code that others take for final.
func TestPoint14_SlowToken(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) { return taken(time.Time{}), nil }
		f := newFollower(t, n, realtime.Options{Token: &tokens{takes: 9 * time.Second}})
		defer f.close()
		if d := f.caughtUp(time.Now(), time.Minute); d > 9500*ms {
			t.Errorf("caught up after %v, want token and 1 RTT", d)
		}
	})
}
