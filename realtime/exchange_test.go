package realtime_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// exchanges keeps what OnExchange was told.
type exchanges struct {
	mu  sync.Mutex
	all []realtime.Exchange
}

func (x *exchanges) on(e realtime.Exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, e)
}

// since are those of the kinds that were told after a time.
func (x *exchanges) since(at time.Time, kinds ...realtime.ExchangeKind) (got []realtime.Exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.all {
		for _, k := range kinds {
			if e.Kind == k && e.At.After(at) {
				got = append(got, e)
			}
		}
	}
	return got
}

// once wants each exchange to have begun and ended once, in this order and on one connection; open may be left.
func (x *exchanges) once(open int) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	began := map[uint64]net.Conn{}
	var last uint64
	for i, e := range x.all {
		conn, known := began[e.ID]
		switch e.Kind {
		case realtime.ExchangeBegan:
			if e.ID <= last || e.Conn == nil {
				return fmt.Errorf("%d began after %d: %+v", e.ID, last, e)
			}
			last = e.ID
			began[e.ID] = e.Conn
		case realtime.ExchangeAnswered, realtime.ExchangeLost, realtime.ExchangeDropped:
			if !known || conn != e.Conn {
				return fmt.Errorf("number %d ended and hadn't begun, or elsewhere: %+v", i, e)
			}
			delete(began, e.ID)
		case realtime.ExchangeHeard, realtime.ExchangeDown:
			if e.ID != 0 || e.Conn == nil {
				return fmt.Errorf("number %d: %+v", i, e)
			}
		}
	}
	if len(began) != open {
		return fmt.Errorf("%d exchanges have no end, want %d: %v", len(began), open, began)
	}
	return nil
}

// checkExchanges takes a client through answers, a dead link, a reset, a disconnect and Close.
func checkExchanges(t *testing.T) (err error) {
	bubble.Run(t, func(t *testing.T) {
		x := &exchanges{}
		n, w, f := start(t, 100*ms, realtime.Options{OnExchange: x.on})
		time.Sleep(10 * time.Second)
		began := time.Now()
		for range 3 {
			if _, e := f.RPC(t.Context(), "echo", []byte(`{}`)); e != nil {
				t.Error(e)
			}
		}
		time.Sleep(time.Second)
		pings, calls := 0, 0
		for _, e := range x.since(began, realtime.ExchangeAnswered) {
			if e.RTT.Round(time.Microsecond) != 100*ms || e.Loaded {
				t.Errorf("on a link of 100 ms: %+v", e)
			}
			if e.Ping {
				pings++
			} else {
				calls++
			}
		}
		if calls != 3 || pings == 0 {
			t.Errorf("%d calls and %d pings were answered", calls, pings)
		}
		for range 100 { // a second of pushes
			w.publish("room")
			time.Sleep(10 * ms)
		}
		if heard := len(x.since(began, realtime.ExchangeHeard)); heard < 5 || heard > 11 {
			t.Errorf("%d signs of life in a second of pushes", heard)
		}
		began = time.Now()
		n.Strand(true, true)
		go func() { _, _ = f.RPC(t.Context(), "echo", []byte(`{}`)) }()
		f.caughtUp(began, time.Minute)
		if lost, down := x.since(began, realtime.ExchangeLost), x.since(began, realtime.ExchangeDown); len(lost) < 2 || len(down) != 1 {
			t.Logf("a dead link: lost %+v, down %+v", lost, down)
			err = fmt.Errorf("a link that died with a ping and a call: %d lost, %d times down", len(lost), len(down))
		}
		began = time.Now()
		n.Reset()
		f.caughtUp(began, time.Minute)
		if lost := x.since(began, realtime.ExchangeLost); len(lost) != 0 {
			t.Errorf("a reset counts as silence: %+v", lost)
		}
		began = time.Now()
		f.Disconnect()
		time.Sleep(time.Second)
		if down := x.since(began, realtime.ExchangeDown); len(down) != 0 {
			t.Errorf("a disconnect counts as a loss: %+v", down)
		}
		if e := x.once(0); e != nil && err == nil {
			err = e
		}
		f.Connect()
		time.Sleep(5 * time.Second)
		f.close()
		if e := x.once(0); e != nil && err == nil {
			err = e
		}
	})
	return err
}

func TestExchangesEndOnce(t *testing.T) {
	if err := checkExchanges(t); err != nil {
		t.Error(err)
	}
}

// TestForgottenEndsAreFound plants the mistake that the check is there for.
func TestForgottenEndsAreFound(t *testing.T) {
	realtime.Plant(realtime.BugForgetEnds)
	defer realtime.Plant(realtime.BugNone)
	if err := checkExchanges(t); err == nil {
		t.Error("TestExchangesEndOnce doesn't find it")
	} else {
		t.Log(err)
	}
}

// TestConnectWithoutAnswerIsLost: silence before there is a connection is told to be that, too.
func TestConnectWithoutAnswerIsLost(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		x, began := &exchanges{}, time.Now()
		_, f := fakeWorld(t, realtime.Options{OnExchange: x.on, Profile: realtime.Background}, func(k *fake) {
			k.on = func(s *session, _ *protocol.Command) bool { return s.n == 1 }
		})
		f.settled(began)
		lost := x.since(time.Time{}, realtime.ExchangeLost)
		if len(lost) != 1 || lost[0].Ping {
			t.Errorf("a connect command without an answer: %+v", lost)
		}
	})
}

// TestProbeAsks: a thrifty client pings when it is asked to, once at a time, and only over a connection.
func TestProbeAsks(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		x := &exchanges{}
		_, _, f := start(t, 100*ms, realtime.Options{OnExchange: x.on, Profile: realtime.Background})
		time.Sleep(30 * time.Second)
		began, before := time.Now(), f.Stats().Probes
		for range 3 {
			if !f.Probe() {
				t.Error("connected, and no probe")
			}
			time.Sleep(20 * ms)
		}
		if n := f.Stats().Probes - before; n != 1 {
			t.Errorf("%d pings while one is unanswered", n)
		}
		time.Sleep(100 * ms)
		if got := x.since(began, realtime.ExchangeAnswered); len(got) != 1 || !got[0].Ping || got[0].RTT.Round(time.Microsecond) != 100*ms {
			t.Errorf("a probe's answers: %+v", got)
		}
		f.Disconnect()
		time.Sleep(time.Second)
		before = f.Stats().Probes
		if f.Probe() {
			t.Error("disconnected, and yet a probe")
		}
		time.Sleep(time.Second)
		if n := f.Stats().Probes - before; n != 0 {
			t.Errorf("%d pings without a connection", n)
		}
	})
}
