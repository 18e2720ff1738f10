package realtime_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestCloseAtAnyMoment closes a client at each step of connecting, working, losing its link and coming back. The
// bubble panics if a goroutine is left.
func TestCloseAtAnyMoment(t *testing.T) {
	for at := time.Duration(0); at < 3500*ms; at += 70 * ms {
		bubble.Run(t, func(t *testing.T) {
			n := newSimNet(1, 100*ms)
			w := newWorld(t, n)
			defer w.close()
			f := newFollower(t, n, realtime.Options{Token: slowToken{}})
			go func() {
				time.Sleep(800 * ms)
				n.Strand(true, true)
				time.Sleep(1500 * ms)
				n.Cut()
				time.Sleep(600 * ms)
				n.Heal()
			}()
			calls := make(chan error, 1)
			go func() {
				time.Sleep(700 * ms)
				_, err := f.RPC(context.Background(), "echo", []byte(`1`))
				calls <- err
			}()
			time.Sleep(at)
			begin := time.Now()
			f.close()
			if d := time.Since(begin); d > 300*ms {
				t.Errorf("Close at %v took %v", at, d)
			}
			if err := <-calls; err != nil && !errors.Is(err, realtime.ErrConnectionLost) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, realtime.ErrNotConnected) {
				t.Errorf("Close at %v: call ended with %v", at, err)
			}
			if s := f.State().State; s != realtime.Disconnected {
				t.Errorf("Close at %v: state %v", at, s)
			}
			f.close() // idempotent
			if _, err := f.Subscribe("x", realtime.SubscribeOptions{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Subscribe after Close: %v", err)
			}
			if err := f.Start(); !errors.Is(err, realtime.ErrClosed) {
				t.Errorf("Start after Close: %v", err)
			}
			time.Sleep(4 * time.Second)
		})
	}
}

// slowToken takes 50 ms for a token.
type slowToken struct{}

func (slowToken) Token(ctx context.Context) (string, error) {
	select {
	case <-time.After(50 * ms):
		return "", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
func (s slowToken) Renew(ctx context.Context, _ string) (string, error) { return s.Token(ctx) }

func TestCloseWithoutStart(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		c, err := realtime.New(realtime.Options{URL: "ws://server"})
		if err != nil {
			t.Fatal(err)
		}
		ch := c.Watch(t.Context())
		if x := <-ch; x.To != realtime.Disconnected || x.Reason != realtime.ReasonStart {
			t.Errorf("first change %+v", x)
		}
		c.Connect()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, ok := <-ch; ok {
			t.Error("the watch goes on after Close")
		}
	})
}

func TestDisconnectAndConnectAgain(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 40*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{})
		defer f.close()
		f.caughtUp(time.Now(), time.Minute)
		w.publish("room")
		time.Sleep(time.Second)
		f.Disconnect()
		time.Sleep(time.Second)
		if s := f.State().State; s != realtime.Disconnected {
			t.Fatalf("state %v", s)
		}
		if c := w.node.Hub().NumClients(); c != 0 {
			t.Errorf("the server still has %d clients", c)
		}
		if _, err := f.RPC(t.Context(), "echo", nil); !errors.Is(err, realtime.ErrNotConnected) {
			t.Errorf("call while disconnected: %v", err)
		}
		w.publish("room")
		begin := time.Now()
		f.Connect()
		f.caughtUp(begin, time.Minute)
		f.expect(2)
		if s := f.Stats(); s.Reconnects != 0 || s.Connects != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestCloseInsideBusyHandler(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 40*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{})
		leave := make(chan struct{})
		entered := make(chan struct{})
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: func(realtime.Event) { close(entered); <-leave }}); err != nil {
			t.Fatal(err)
		}
		<-entered
		done := make(chan struct{})
		go func() { defer close(done); f.close() }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("Close returned while a handler ran")
		default:
		}
		close(leave)
		<-done
	})
}
