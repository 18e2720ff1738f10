package realtime_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// start makes a world with a follower that is caught up. Both end with the test.
func start(t *testing.T, rtt time.Duration, o realtime.Options) (*simNet, *world, *follower) {
	t.Helper()
	n := newSimNet(1, rtt)
	w := newWorld(t, n)
	t.Cleanup(w.close)
	f := newFollower(t, n, o)
	t.Cleanup(f.close)
	f.caughtUp(time.Now(), time.Minute)
	return n, w, f
}

func TestRPC(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, _, f := start(t, 100*ms, realtime.Options{})
		begin := time.Now()
		data, err := f.RPC(t.Context(), "echo", []byte(`{"a":1}`))
		if err != nil || string(data) != `{"a":1}` || time.Since(begin) > 101*ms {
			t.Errorf("%s, %v after %v", data, err, time.Since(begin))
		}
		if _, err := f.RPC(t.Context(), "echo", []byte(`{`)); !errors.Is(err, realtime.ErrInvalidData) {
			t.Errorf("bad JSON: %v", err)
		}
		if _, err := f.RPC(t.Context(), "echo", make([]byte, 64<<10)); err == nil {
			t.Error("a command beyond the frame limit was taken")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		if _, err := f.RPC(ctx, "echo", []byte(`1`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended context: %v", err)
		}
		time.Sleep(time.Second)
		if s := f.State(); s.State != realtime.Connected {
			t.Errorf("state %v", s.State)
		}
	})
}

func TestRPCDuringReset(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 100*ms, realtime.Options{})
		time.AfterFunc(30*ms, n.Reset)
		if _, err := f.RPC(t.Context(), "echo", []byte(`1`)); !errors.Is(err, realtime.ErrConnectionLost) {
			t.Errorf("call over a reset: %v", err)
		}
	})
}

// TestSlowHandler blocks the handler for a minute, on a queue that overflows: the link stays, and every publication
// comes in order when the handler is back.
func TestSlowHandler(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 50*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{QueueLimit: 10})
		defer f.close()
		f.caughtUp(time.Now(), time.Minute)
		block := make(chan struct{})
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: func(realtime.Event) { <-block }}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for range 600 {
			w.publish("room")
			time.Sleep(100 * ms)
		}
		if s := f.Stats(); s.Overflows == 0 || s.Suspects != 0 || s.Reconnects != 0 {
			t.Errorf("while the handler blocks: %+v", s)
		}
		if _, err := f.RPC(t.Context(), "echo", []byte(`1`)); err != nil {
			t.Errorf("call beside a blocked handler: %v", err)
		}
		close(block)
		time.Sleep(10 * time.Second)
		f.expect(600)
		if s := f.Stats(); s.Reconnects != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPanickingHandler(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n := newSimNet(1, 50*ms)
		w := newWorld(t, n)
		defer w.close()
		f := newFollower(t, n, realtime.Options{OnConnected: func([]byte) { panic("on connected") }})
		defer f.close()
		var calls atomic.Int32
		if _, err := f.Subscribe("other", realtime.SubscribeOptions{OnEvent: func(realtime.Event) {
			calls.Add(1)
			panic("on event")
		}}); err != nil {
			t.Fatal(err)
		}
		f.caughtUp(time.Now(), time.Minute)
		w.publish("room")
		time.Sleep(time.Second)
		f.expect(1)
		if calls.Load() != 2 {
			t.Errorf("%d calls of a handler that panics, want subscribed and caught up", calls.Load())
		}
	})
}

// TestSuspended cuts the network for an hour: suspended after two minutes, never given up, back within 2 s.
func TestSuspended(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 100*ms, realtime.Options{})
		n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
		n.Reset()
		time.Sleep(119 * time.Second)
		if s := f.State(); s.State != realtime.Reconnecting || s.Err == nil {
			t.Errorf("after 119 s: %+v", s)
		}
		time.Sleep(2 * time.Second)
		if s := f.State(); s.State != realtime.Suspended {
			t.Errorf("after 121 s: %+v", s)
		}
		time.Sleep(5 * time.Minute)
		heal := time.Now()
		n.Heal()
		if d := f.caughtUp(heal, time.Minute); d > 2*time.Second {
			t.Errorf("caught up %v after the end of a seven minute outage", d)
		}
	})
}

func TestNetworkChangedEndsThePause(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 100*ms, realtime.Options{Profile: realtime.Background})
		n.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
		n.Reset()
		time.Sleep(10 * time.Minute)
		n.Heal()
		heal := time.Now()
		for range 20 { // a burst is one notice
			f.NetworkChanged()
		}
		before := f.Stats().Attempts
		if d := f.caughtUp(heal, time.Minute); d > 310*ms {
			t.Errorf("caught up %v after the notice, want 3 RTT", d)
		}
		if made := f.Stats().Attempts - before; made > 2 {
			t.Errorf("%d attempts for one burst of notices", made)
		}
	})
}

func TestAcceptThenHang(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 300 * ms} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, rtt, realtime.Options{})
			time.Sleep(20 * time.Second)
			n.Update(func(c *faultnet.Conditions) { c.Hang = true })
			n.Reset()
			time.Sleep(17 * time.Second)
			heal := time.Now()
			n.Heal()
			if d := f.caughtUp(heal, time.Minute); d > 2*time.Second {
				t.Errorf("RTT %v: caught up %v after connections work again", rtt, d)
			}
		})
	}
}

// TestServerDelayIsObeyed closes with a delay of the server's own: neither sooner, nor on NetworkChanged.
func TestServerDelayIsObeyed(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{})
		begin := time.Now()
		if err := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(centrifuge.Disconnect{Code: 4001, Reason: "drain retry-after-ms=7000"})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := f.State(); s.State != realtime.Reconnecting || s.RetryIn != 7*time.Second || s.Reason != realtime.ReasonServerDelay {
			t.Errorf("state %+v", s)
		}
		f.NetworkChanged()
		d := f.caughtUp(begin, time.Minute)
		if want := 7*time.Second + 350*ms; d < want || d > want+10*ms {
			t.Errorf("back after %v, want %v", d, want)
		}
	})
}

func TestTerminalCode(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, w, f := start(t, 100*ms, realtime.Options{})
		if err := w.node.Disconnect("u", centrifuge.WithCustomDisconnect(centrifuge.Disconnect{Code: 4501, Reason: "replaced"})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s := f.State()
		var ce *realtime.CloseError
		if s.State != realtime.Failed || !errors.As(s.Err, &ce) || ce.Code != 4501 {
			t.Errorf("state %+v", s)
		}
		begin := time.Now()
		f.Connect()
		f.caughtUp(begin, time.Minute)
	})
}
