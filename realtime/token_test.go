package realtime_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// tokens counts what is asked of it. Each token is a number; Renew gives the next one.
type tokens struct {
	mu     sync.Mutex
	n      int
	takes  time.Duration
	renews int
	taken  []string
	err    error
}

func (s *tokens) Accepted(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, token)
}

func (s *tokens) accepted() []string { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.taken) }

func (s *tokens) Token(ctx context.Context) (string, error) {
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint("token-", s.n), s.err
}

func (s *tokens) Renew(_ context.Context, stale string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renews++
	if stale == fmt.Sprint("token-", s.n) {
		s.n++
	}
	return fmt.Sprint("token-", s.n), s.err
}

func (s *tokens) renewed() int { s.mu.Lock(); defer s.mu.Unlock(); return s.renews }

func taken(expire time.Time) centrifuge.ConnectReply {
	c := &centrifuge.Credentials{UserID: "u"}
	if !expire.IsZero() {
		c.ExpireAt = expire.Unix()
	}
	return centrifuge.ConnectReply{Credentials: c, ClientSideRefresh: true}
}

// TestTokenExpiredIsRenewedAtOnce: error 109 costs another connection, and no pause.
func TestTokenExpiredIsRenewedAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		w.connecting = func(e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			if e.Token != "token-1" {
				return centrifuge.ConnectReply{}, centrifuge.ErrorTokenExpired
			}
			return taken(time.Time{}), nil
		}
		src := &tokens{}
		f := newFollower(t, n, realtime.Options{Token: src})
		defer f.close()
		if d := f.caughtUp(time.Now(), time.Minute); d > 610*ms {
			t.Errorf("caught up after %v, want two connections of 3 RTT", d)
		}
		if src.renewed() != 1 {
			t.Errorf("%d renewals", src.renewed())
		}
		if got := src.accepted(); !slices.Equal(got, []string{"token-1"}) {
			t.Errorf("told that the server took %q", got)
		}
	})
}

// TestTokenThatRunsOutSoonIsRenewedAtOnce: the server ends each connection for its token after a while, much sooner than it
// counts as stable. Where that is at once there are pauses.
func TestTokenThatRunsOutSoonIsRenewedAtOnce(t *testing.T) {
	for _, row := range []struct {
		lives       time.Duration
		least, most uint64 // connections in a minute
	}{{2 * time.Second, 24, 30}, {0, 5, 40}} {
		bubble.Run(t, func(t *testing.T) {
			src := &tokens{}
			_, f := fakeWorld(t, realtime.Options{Token: src}, func(k *fake) {
				k.on = func(s *session, c *protocol.Command) bool {
					if c.Connect == nil {
						return false
					}
					s.behave(c)
					time.AfterFunc(row.lives, func() { _ = s.ws.Close(websocket.StatusCode(3005), "expired") })
					return true
				}
			})
			time.Sleep(time.Minute)
			if n := f.Stats().Connects; n < row.least || n > row.most {
				t.Errorf("%d connections in a minute of tokens that live %v, want %d to %d", n, row.lives, row.least, row.most)
			}
			if s := f.State(); row.lives > 0 && s.Attempt > 1 {
				t.Errorf("attempt %d", s.Attempt)
			}
		})
	}
}

// TestTokenRefusedForEver: a loop of 109 is backed off and goes on; 3500 is final after one renewal.
func TestTokenRefusedForEver(t *testing.T) {
	for _, row := range []struct {
		err   error
		state realtime.State
		most  int
	}{
		{centrifuge.ErrorTokenExpired, realtime.Connecting, 40},
		{centrifuge.DisconnectInvalidToken, realtime.Failed, 1},
	} {
		bubble.Run(t, func(t *testing.T) {
			n := newSimNet(1, 100*ms)
			w := newWorld(t, n)
			defer w.close()
			w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
				return centrifuge.ConnectReply{}, row.err
			}
			src := &tokens{}
			f := newFollower(t, n, realtime.Options{Token: src})
			defer f.close()
			time.Sleep(90 * time.Second)
			if s := f.State(); s.State != row.state {
				t.Errorf("%v: state %+v", row.err, s)
			}
			if r := src.renewed(); r < 1 || r > row.most {
				t.Errorf("%v: %d renewals in 90 s, want 1 to %d", row.err, r, row.most)
			}
		})
	}
}

func TestTokenIsFetchedBesideTheDial(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{Token: &tokens{takes: 200 * ms}})
		defer f.close()
		if d := f.caughtUp(time.Now(), time.Minute); d > 310*ms {
			t.Errorf("caught up after %v, want 3 RTT: dial and token at the same time", d)
		}
	})
}

// TestHungTokenSource: the socket is given up before the server does (3502), and it goes on.
func TestHungTokenSource(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		src := &tokens{takes: time.Hour}
		f := newFollower(t, n, realtime.Options{Token: src})
		defer f.close()
		time.Sleep(40 * time.Second)
		if s := f.State(); s.State != realtime.Connecting || s.Reason != realtime.ReasonToken || !errors.Is(s.Err, context.DeadlineExceeded) {
			t.Errorf("state %+v", s)
		}
	})
}

func TestUnauthorizedIsFinal(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{Token: &tokens{err: fmt.Errorf("signed out: %w", realtime.ErrUnauthorized)}})
		defer f.close()
		time.Sleep(time.Second)
		if s := f.State(); s.State != realtime.Failed || !errors.Is(s.Err, realtime.ErrUnauthorized) {
			t.Errorf("state %+v", s)
		}
	})
}

// TestTokenIsRefreshedInTime keeps one connection over many lifetimes of its token.
func TestTokenIsRefreshedInTime(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		w.connecting = func(centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return taken(time.Now().Add(30 * time.Second)), nil
		}
		w.refresh = func(e centrifuge.RefreshEvent) (centrifuge.RefreshReply, error) {
			if e.Token == "token-0" {
				return centrifuge.RefreshReply{}, centrifuge.ErrorTokenExpired
			}
			return centrifuge.RefreshReply{ExpireAt: time.Now().Add(30 * time.Second).Unix()}, nil
		}
		src := &tokens{}
		f := newFollower(t, n, realtime.Options{Token: src})
		defer f.close()
		time.Sleep(10 * time.Minute)
		if s := f.Stats(); s.Connects != 1 {
			t.Errorf("%d connections in ten minutes, want 1", s.Connects)
		}
		if r := src.renewed(); r < 20 || r > 60 {
			t.Errorf("%d renewals of a token that lives 30 s in ten minutes", r)
		}
	})
}

// TestDialOutlivesATokenThatIsHeldBack: a source that holds back after failures is asked again as soon as the dial shows
// that the network works.
func TestDialOutlivesATokenThatIsHeldBack(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		src := &tokens{err: errors.New("held back")}
		reached := 0
		f := newFollower(t, n, realtime.Options{Token: src, OnReached: func() {
			reached++
			src.mu.Lock()
			src.err = nil
			src.mu.Unlock()
		}})
		defer f.close()
		if d := f.caughtUp(time.Now(), time.Minute); d > 310*ms {
			t.Errorf("caught up after %v, want 3 RTT: the dial was given up for the token", d)
		}
		if reached != 1 {
			t.Errorf("told %d times that the server was reached", reached)
		}
	})
}

// renewing is a source whose token runs out, and which needs a while for another once it is told to try.
type renewing struct {
	takes time.Duration
	told  chan struct{}
	over  time.Time // until when it has a token

	mu    sync.Mutex // guards below
	times int
}

// try is Options.OnReached.
func (r *renewing) try() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times++; r.times == 1 {
		close(r.told)
	}
}

func (r *renewing) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times
}

func (r *renewing) Token(ctx context.Context) (string, error) {
	if time.Now().Before(r.over) {
		return "old", nil
	}
	select {
	case <-r.told:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case <-time.After(r.takes):
		return "token", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (r *renewing) Renew(ctx context.Context, _ string) (string, error) { return r.Token(ctx) }

// TestTokenIsRenewedBesideTheUpgrade: a source that waits for the network hears of it when the dial gets through, not a
// round trip later.
func TestTokenIsRenewedBesideTheUpgrade(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		w := newWorld(t, n)
		defer w.close()
		src := &renewing{takes: 200 * ms, told: make(chan struct{})}
		f := newFollower(t, n, realtime.Options{Token: src, OnReached: src.try})
		defer f.close()
		if d := f.caughtUp(time.Now(), time.Minute); d > 410*ms {
			t.Errorf("caught up after %v, want 4 RTT", d)
		}
	})
}

// TestServerThatHangsIsNotAskedForTokensAgain: each attempt is dialed, and none is answered.
func TestServerThatHangsIsNotAskedForTokensAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 100*ms)
		n.Update(func(c *faultnet.Conditions) { c.Hang = true })
		w := newWorld(t, n)
		defer w.close()
		src := &renewing{told: make(chan struct{})}
		f := newFollower(t, n, realtime.Options{Token: src, OnReached: src.try})
		defer f.close()
		time.Sleep(time.Minute)
		if c := src.count(); c != 1 {
			t.Errorf("told %d times in a minute that the server was reached", c)
		}
	})
}

// TestTokenThatRanOutInAnOutageIsNotUsed: an outage is longer than the token lives. The one that was fetched for an
// earlier attempt isn't what the connection begins with, and whoever has to renew it hears that the network is back.
func TestTokenThatRanOutInAnOutageIsNotUsed(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  func(n *simNet)
		within time.Duration // a pause or the time until another dial, and 4 RTT
	}{
		{"each dial refused at once", func(n *simNet) {
			n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
			n.Reset()
		}, 750*ms + 410*ms},
		{"dials hang", func(n *simNet) { n.Cut() }, 500*ms + 410*ms},
	} {
		t.Run(c.name, func(t *testing.T) { bubble.Run(t, func(t *testing.T) { ranOut(t, c.fault, c.within) }) })
	}
}

func ranOut(t *testing.T, fault func(*simNet), within time.Duration) {
	n := newSimNet(1, 100*ms)
	w := newWorld(t, n)
	defer w.close()
	over := time.Now().Add(15 * time.Second)
	refused := 0
	w.connecting = func(e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if e.Token == "old" && time.Now().After(over) {
			refused++
			return centrifuge.ConnectReply{}, centrifuge.ErrorTokenExpired
		}
		return taken(time.Now().Add(time.Hour)), nil
	}
	src := &renewing{takes: 200 * ms, told: make(chan struct{}), over: over}
	f := newFollower(t, n, realtime.Options{Token: src, OnReached: func() {
		if time.Now().After(over) {
			src.try()
		}
	}})
	defer f.close()
	f.caughtUp(time.Now(), time.Minute)
	fault(n)
	time.Sleep(17 * time.Second)
	healed := time.Now()
	n.Heal()
	n.Update(func(c *faultnet.Conditions) { c.Unreachable = false })
	if d := f.caughtUp(healed, time.Minute); d > within {
		t.Errorf("caught up after %v, want at most %v", d, within)
	}
	if refused != 0 {
		t.Errorf("a token that had run out was used %d times", refused)
	}
}
