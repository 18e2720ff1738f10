package chatsdk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestStartedInAnOutageWithAnOldSession starts the program offline, with a session whose access token ran out meanwhile.
// The refresh begins with the program, so that its connection hangs for as long as TCP's pauses are, or it has failed and
// waits. The end of the outage is noticed by the connection's own dials, and within 2 s of it the client is back.
func TestStartedInAnOutageWithAnOldSession(t *testing.T) {
	for _, lasts := range []time.Duration{1200 * time.Millisecond, 4 * time.Second, 8 * time.Second, 12 * time.Second, 2 * time.Minute} {
		t.Run(fmt.Sprint(lasts), func(t *testing.T) {
			withHost(t, func(t *testing.T, h *host) {
				store := chatsdk.InMemory()
				c := h.open(t, store, nil)
				if err := c.SignIn(t.Context(), "ada", password); err != nil {
					t.Fatal(err)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				h.link.Cut()
				c = h.open(t, store, nil)
				defer c.Close()
				c.Connect()
				time.Sleep(lasts)
				h.link.Heal()
				healed := time.Now()
				for c.State().Connection.State != realtime.Connected && time.Since(healed) < 2*time.Minute {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(healed); took > 2*time.Second {
					t.Errorf("back %v after the end of the outage", took)
				} else {
					t.Logf("back after %v", took)
				}
			})
		})
	}
}
