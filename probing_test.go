package chatsdk_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestConnectionIsMadeFirst: on a slow link nothing is asked beside the connection that is being made.
func TestConnectionIsMadeFirst(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		h.link.Set(faultnet.Symmetric(time.Second))
		y := &tally{}
		c := h.measured(t, realtime.Foreground, y)
		defer c.Close()
		if _, err := seen(t, c, quality.ReachOnline, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if others, pings := y.others.Load(), y.pings.Load(); others != 1 || pings != 0 { // to sign in
			t.Errorf("%d connections beside the one, %d HTTP pings", others, pings)
		}
	})
}

// TestDeadNetworkIsToldAtTheStart: the dial of the connection that is being made tells it, and the end of it.
func TestDeadNetworkIsToldAtTheStart(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.measured(t, realtime.Foreground, &tally{})
		defer c.Close()
		for _, disconnected := range []time.Duration{time.Second, time.Hour} {
			c.Disconnect()
			time.Sleep(disconnected)
			h.link.Cut()
			c.Connect()
			h.toldAndHealed(t, c, 4*time.Second, 20*time.Second)
		}
		c.Disconnect()
		time.Sleep(time.Second)
		before := c.QualityStats().Probes
		time.Sleep(time.Minute)
		if n := c.QualityStats().Probes - before; n != 0 {
			t.Errorf("%d probes while nobody wants a connection", n)
		}
	})
}
