package chatsdk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/realtime"
)

// herd has clients of one server see it crash, which resets all connections at once and refuses new ones, and come back. Not
// more than three times a fair share of them is connected within a tenth of the time that they have for it.
func herd(t *testing.T, h *host) error {
	for _, c := range []struct {
		profile realtime.Profile
		down    time.Duration
		within  time.Duration // what the clients have for it
	}{
		{realtime.Background, 63 * time.Second, 5 * time.Second},
		{realtime.Foreground, 11 * time.Minute, 30 * time.Second},
	} {
		const clients = 30
		var all []*phone
		for i := range clients {
			p := h.phone(t, uint64(i+1), measureOnly(false, c.profile))
			defer p.Close()
			all = append(all, p)
			time.Sleep(137 * time.Millisecond)
		}
		time.Sleep(30 * time.Second)
		h.link.Update(func(c *faultnet.Conditions) { c.Refused = true })
		h.link.Reset()
		time.Sleep(c.down)
		h.link.Update(func(c *faultnet.Conditions) { c.Refused = false })
		back := 0
		for began := time.Now(); back < clients; {
			before := back
			time.Sleep(c.within / 10)
			back = 0
			for _, p := range all {
				if p.State().Connection.State == realtime.Connected {
					back++
				}
			}
			if n := back - before; n > 3*clients/10 {
				return fmt.Errorf("%v, down for %v: %d of %d clients were back within the same %v", c.profile, c.down, n, clients, c.within/10)
			}
			if time.Since(began) > 2*time.Minute {
				return fmt.Errorf("%v, down for %v: %d of %d clients are back", c.profile, c.down, back, clients)
			}
		}
		for _, p := range all {
			if err := p.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestClientsOfACrashedServerComeBackApart(t *testing.T) { holds(t, herd) }

// TestTurnsAreOfThePresentProfile draws turns after the profile has changed.
func TestTurnsAreOfThePresentProfile(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		p := h.phone(t, 1, measureOnly(false, realtime.Foreground))
		defer p.Close()
		for _, c := range []struct {
			profile      realtime.Profile
			down, within time.Duration
		}{
			{realtime.Background, 10 * time.Second, 5 * time.Second},
			{realtime.Foreground, 10 * time.Second, time.Second},
			{realtime.Foreground, 2 * time.Minute, 6 * time.Second},
			{realtime.Background, time.Hour, 30 * time.Second},
		} {
			p.SetProfile(c.profile)
			most := time.Duration(0)
			for range 100 {
				most = max(most, p.Turn(c.down))
			}
			if most < c.within*4/5 || most >= c.within {
				t.Errorf("%v, down for %v: the last of 100 comes after %v, want just within %v", c.profile, c.down, most, c.within)
			}
		}
	})
}
