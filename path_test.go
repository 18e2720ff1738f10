package chatsdk_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// middle is what stands between a phone and its server: it counts requests, blocks WebSockets, and spoils tokens.
type middle struct {
	blocked                    atomic.Bool  // WebSockets don't get through
	swallows                   atomic.Bool  // batches neither, and nobody says so
	deaf                       atomic.Bool  // nor do pings
	spoil                      atomic.Int32 // so many of the next batches lose their token
	batches, singles, renewals atomic.Int32
	socket                     atomic.Pointer[middleConn] // the newest WebSocket
}

func (m *middle) wrap(conn net.Conn) net.Conn { return middleConn{conn, m} }

type middleConn struct {
	net.Conn
	m *middle
}

// Write sees a request's beginning, since the client writes one at a time.
func (c middleConn) Write(b []byte) (int, error) {
	switch {
	case c.m.blocked.Load() && bytes.HasPrefix(b, []byte("GET /connection/websocket")):
		_ = c.Close()
		return 0, errors.New("blocked")
	case bytes.HasPrefix(b, []byte("GET /connection/websocket")):
		c.m.socket.Store(&c)
	case c.m.deaf.Load() && bytes.HasPrefix(b, []byte("GET /api/health/ping")):
		return len(b), nil
	case bytes.HasPrefix(b, []byte("POST /api/messages ")):
		c.m.batches.Add(1)
		if c.m.swallows.Load() {
			return len(b), nil
		}
		if token := []byte("Authorization: Bearer "); bytes.Contains(b, token) && c.m.spoil.Add(-1) >= 0 {
			b = bytes.Replace(b, token, []byte("Authorization: Nobody "), 1)
		}
	case bytes.HasPrefix(b, []byte("POST /api/channels/")):
		c.m.singles.Add(1)
	case bytes.HasPrefix(b, []byte("POST /api/auth/refresh")):
		c.m.renewals.Add(1)
	}
	return c.Conn.Write(b)
}

// sender queues numbered messages for channels in turn, and knows what has to be stored.
type sender struct {
	h    *host
	c    *chatsdk.Client
	want map[string][]string
	ids  []string
}

func (s *sender) send(t *testing.T, n int, channels ...string) {
	t.Helper()
	for i := range n {
		ch := channels[i%len(channels)]
		text := fmt.Sprint(len(s.want[ch]))
		e, err := s.c.Send(t.Context(), ch, text)
		if err != nil {
			t.Fatal(err)
		}
		s.want[ch] = append(s.want[ch], "ada: "+text)
		s.ids = append(s.ids, e.ID)
	}
}

// wants waits, and wants everything stored once, in order, and settled.
func (s *sender) wants(t *testing.T, within time.Duration) {
	t.Helper()
	time.Sleep(within)
	for ch, want := range s.want {
		if got := s.h.stored(t, ch); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: stored %q, want %q; %+v", ch, got, want, s.c.State().Queue)
		}
	}
	for _, id := range s.ids {
		if e, _ := s.c.Entry(id); e.State != outbox.Sent {
			t.Fatalf("not sent: %+v", e)
		}
	}
}

// withMiddle runs f with ada signed in behind a middle, not connected yet.
func withMiddle(t *testing.T, f func(t *testing.T, m *middle, s *sender)) {
	t.Helper()
	withHost(t, func(t *testing.T, h *host) {
		m, s := behindMiddle(t, h)
		defer s.c.Close()
		f(t, m, s)
	})
}

// behindMiddle signs ada in behind a middle. The caller closes her client.
func behindMiddle(t *testing.T, h *host) (*middle, *sender) {
	t.Helper()
	m := &middle{}
	c := h.open(t, chatsdk.InMemory(), m.wrap)
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		_ = c.Close()
		t.Fatal(err)
	}
	return m, &sender{h: h, c: c, want: map[string][]string{}}
}

// TestHTTPSendsBatches has 600 messages of three channels leave by HTTP, in order and in few requests.
func TestHTTPSendsBatches(t *testing.T) {
	withMiddle(t, func(t *testing.T, m *middle, s *sender) {
		m.blocked.Store(true)
		s.c.Connect()
		s.send(t, 600, "one", "two", "three")
		s.wants(t, 12*time.Second)
		if b, n := m.batches.Load(), m.singles.Load(); b < 12 || b > 14 || n != 0 {
			t.Errorf("%d batches and %d single messages for 600 messages in batches of 50", b, n)
		}
	})
}

// TestHTTPRenewsItsToken has the server refuse the token of a batch: it took none of it, the token is renewed once, and
// all is sent.
func TestHTTPRenewsItsToken(t *testing.T) {
	withMiddle(t, func(t *testing.T, m *middle, s *sender) {
		m.blocked.Store(true)
		m.spoil.Store(2)
		s.c.Connect()
		s.send(t, 120, "one", "two")
		s.wants(t, 20*time.Second)
		if m.spoil.Load() >= 0 {
			t.Error("no token was refused")
		}
		if n := m.renewals.Load(); n < 1 || n > 2 {
			t.Errorf("%d renewals", n)
		}
	})
}

// TestHTTPAfterTokensRanOut: a user's tokens are ended again and again, long before their time, while messages go by HTTP.
func TestHTTPAfterTokensRanOut(t *testing.T) {
	withMiddle(t, func(t *testing.T, m *middle, s *sender) {
		m.blocked.Store(true)
		s.c.Connect()
		s.send(t, 1, "one")
		s.wants(t, 12*time.Second)
		for range 8 {
			s.h.srv.ExpireTokens("ada")
			s.send(t, 1, "one")
			s.wants(t, 6*time.Second)
		}
	})
}

// TestHTTPAfterALostAck loses the reply of what went over the connection, and then blocks that: the same messages go
// again over HTTP, and the server has them once. Then the connection is back, and HTTP isn't used any more.
func TestHTTPAfterALostAck(t *testing.T) {
	withMiddle(t, func(t *testing.T, m *middle, s *sender) {
		s.c.Connect()
		s.send(t, 1, "one")
		s.wants(t, 5*time.Second)
		s.send(t, 30, "one", "two")
		time.Sleep(75 * time.Millisecond) // at the server, and the reply isn't back
		m.blocked.Store(true)
		s.h.link.Reset()
		s.send(t, 30, "one", "two")
		if e, _ := s.c.Entry(s.ids[1]); e.State != outbox.Sending || len(s.h.stored(t, "one")) < 2 {
			t.Fatalf("no reply was lost: %+v", e)
		}
		s.wants(t, 12*time.Second)
		if m.batches.Load() == 0 || m.singles.Load() != 0 {
			t.Errorf("%d batches and %d single messages over HTTP", m.batches.Load(), m.singles.Load())
		}
		m.blocked.Store(false)
		s.c.NetworkChanged()
		time.Sleep(5 * time.Second)
		if state := s.c.State().Connection.State; state != realtime.Connected {
			t.Fatalf("unblocked, and yet %v", state)
		}
		before := m.batches.Load()
		s.send(t, 30, "one", "two")
		s.wants(t, time.Second)
		if n := m.batches.Load() - before; n != 0 {
			t.Errorf("%d batches over HTTP beside the connection", n)
		}
	})
}

// TestConnectionTakesOverFromHTTP has the connection come while a batch is under way by HTTP that will have no answer: what
// is under way is sent over the connection, which is there, and what comes behind it doesn't wait.
func TestConnectionTakesOverFromHTTP(t *testing.T) { holds(t, takenOver) }

// takenOver does that a few times: it is chance whether the queue looks between the end of the one way and the other.
func takenOver(t *testing.T, h *host) error {
	m, s := behindMiddle(t, h)
	c := s.c
	defer c.Close()
	m.swallows.Store(true)
	c.Connect()
	for round := range int32(10) {
		m.blocked.Store(true)
		h.link.Reset()
		s.send(t, 3, "one", "two")
		if !until(func() bool { return m.batches.Load() > round }, 10*time.Second) {
			return errors.New("nothing went by HTTP")
		}
		s.send(t, 3, "one", "two")
		m.blocked.Store(false)
		if !until(func() bool { return c.State().Connection.State == realtime.Connected }, 10*time.Second) {
			return errors.New("no connection")
		}
		time.Sleep(2 * 100 * time.Millisecond) // a round trip, and one for whoever is refused because another overtook it
		if left := c.State().Queue; left.Queued+left.Sending > 0 {
			return fmt.Errorf("round %d: with a connection: %+v", round, left)
		}
	}
	s.wants(t, 0)
	if n := m.batches.Load(); n != 10 {
		return fmt.Errorf("%d batches by HTTP in 10 rounds", n)
	}
	return nil
}

// TestHTTPWaitsForTheConnectionAfterAnOutage ends outages at different moments: what was queued leaves over the connection,
// which hears of the end as soon as HTTP could be tried, and nothing leaves by HTTP.
func TestHTTPWaitsForTheConnectionAfterAnOutage(t *testing.T) {
	withMiddle(t, func(t *testing.T, m *middle, s *sender) {
		s.c.Connect()
		for i := range 20 {
			s.h.link.Cut()
			s.send(t, 3, "one", "two")
			time.Sleep(6*time.Second + time.Duration(i)*37*time.Millisecond)
			s.h.link.Heal()
			s.wants(t, 2*time.Second)
		}
		if n := m.batches.Load(); n != 0 {
			t.Errorf("%d batches by HTTP", n)
		}
	})
}

// TestConnectionIsFollowedWhileHTTPIsTried has pings without an answer: while one is waited for, the connection comes, is
// lost and comes again, and each time the queue hears of it at once.
func TestConnectionIsFollowedWhileHTTPIsTried(t *testing.T) { holds(t, followedWhileTried) }

func followedWhileTried(t *testing.T, h *host) error {
	m, s := behindMiddle(t, h)
	c := s.c
	defer c.Close()
	m.deaf.Store(true)
	connected := func() bool { return c.State().Connection.State == realtime.Connected }
	follow := func(want bool) error {
		if !until(func() bool { return connected() == want }, 10*time.Second) {
			return fmt.Errorf("connected isn't %v", want)
		}
		time.Sleep(10 * time.Millisecond)
		if q := c.State().Queue; q.Ready != want {
			return fmt.Errorf("connected %v, and the queue: %+v", want, q)
		}
		return nil
	}
	m.blocked.Store(true)
	c.Connect()
	if _, err := c.Send(t.Context(), "general", "waits"); err != nil {
		return err
	}
	time.Sleep(4 * time.Second) // HTTP is tried from 3 s on, for 10 s
	for range 2 {
		m.blocked.Store(false)
		if err := follow(true); err != nil {
			return err
		}
		m.blocked.Store(true)
		if err := m.socket.Load().Close(); err != nil {
			return err
		}
		if err := follow(false); err != nil {
			return err
		}
	}
	return nil
}
