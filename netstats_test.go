package chatsdk_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// lossOnTheWayDown has bob talk to ada, whose own counters see nothing of what she misses: the server's tell it.
func lossOnTheWayDown(t *testing.T, h *host) error {
	ada := h.measured(t, realtime.Foreground, &tally{})
	h.net.Link("laptop", "server").Set(faultnet.Symmetric(20 * time.Millisecond))
	bob, err := chatsdk.Open(t.Context(), chatsdk.Options{
		Server: "http://server", Store: chatsdk.InMemory(), DialContext: h.net.Dialer("laptop"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(ada.Close(), bob.Close()) }()
	if err := bob.SignIn(t.Context(), "bob", password); err != nil {
		t.Fatal(err)
	}
	bob.Connect()
	go func() {
		for range ada.Messages(t.Context(), "general") { //nolint:revive // reads until the client is closed
		}
	}()
	time.Sleep(20 * time.Second)
	h.link.Update(func(c *faultnet.Conditions) { c.Down.Loss = 0.04 })
	for range 1500 {
		time.Sleep(100 * time.Millisecond)
		says(t, bob)
	}
	q := ada.Quality()
	t.Logf("%+v", q)
	switch {
	case q.Loss.Inferred || q.Loss.Low > 0.04 || q.Loss.High < 0.04:
		return fmt.Errorf("4%% are lost on the way down: %+v", q.Loss)
	case q.Level != quality.Fair && q.Level != quality.Poor:
		return fmt.Errorf("at 4%% on the way down the level is %v", q.Level)
	}
	return nil
}

func TestLossOnTheWayDownIsSeen(t *testing.T) { holds(t, lossOnTheWayDown) }
