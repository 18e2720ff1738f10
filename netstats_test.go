package chatsdk_test

import (
	"errors"
	"fmt"
	"slices"
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
	seen := 0 // looks of the last minute at which the share is right
	for i := range 1500 {
		time.Sleep(100 * time.Millisecond)
		says(t, bob)
		// The report takes both ways together until they differ beyond chance, and nothing is lost on the way up.
		if l := ada.Quality().Loss; i >= 900 && !l.Inferred && l.Share > 0.02 && l.Share < 0.06 {
			seen++
		}
	}
	q := ada.Quality()
	t.Logf("%+v", q)
	switch {
	case seen < 300:
		return fmt.Errorf("4%% are lost on the way down, which is told at %d of 600 looks: %+v", seen, q.Loss)
	case q.Level != quality.Fair && q.Level != quality.Poor:
		return fmt.Errorf("at 4%% on the way down the level is %v", q.Level)
	}
	return nil
}

// TestServerIsAskedWhereThatTells: only if enough came, not too often, and not where it can't tell.
func TestServerIsAskedWhereThatTells(t *testing.T) {
	const s = time.Second
	for name, row := range map[string]struct {
		rows []chatsdk.PeerRow
		want []bool
	}{
		"frames":             {[]chatsdk.PeerRow{{1, 5, 0, s, false, false, false}, {1, 24, 0, 3 * s, false, false, false}, {1, 25, 0, s, false, false, false}}, []bool{false, false, true}},
		"bytes":              {[]chatsdk.PeerRow{{1, 0, 9, s, false, false, false}, {1, 2, 32<<10 + 8, 3 * s, false, false, false}, {1, 3, 32<<10 + 9, s, false, false, false}}, []bool{false, false, true}},
		"not at once":        {[]chatsdk.PeerRow{{1, 0, 0, s, false, false, false}, {1, 90, 0, s, false, false, false}, {1, 91, 0, s, false, false, false}}, []bool{false, false, true}},
		"not again at once":  {[]chatsdk.PeerRow{{1, 0, 0, s, false, false, false}, {1, 90, 0, 2 * s, false, false, false}, {1, 180, 0, s, false, false, false}, {1, 270, 0, s, false, false, false}}, []bool{false, true, false, true}},
		"thrifty":            {[]chatsdk.PeerRow{{1, 0, 0, s, false, false, true}, {1, 90, 0, 29 * s, false, false, true}, {1, 91, 0, s, false, false, true}}, []bool{false, false, true}},
		"not able":           {[]chatsdk.PeerRow{{1, 0, 0, s, true, false, false}, {1, 90, 0, 9 * s, true, false, false}}, []bool{false, false}},
		"refused":            {[]chatsdk.PeerRow{{1, 0, 0, s, false, false, false}, {1, 90, 0, 9 * s, false, true, false}}, []bool{false, false}},
		"another connection": {[]chatsdk.PeerRow{{1, 0, 0, s, false, true, false}, {2, 90, 0, 9 * s, false, false, false}, {2, 110, 0, 9 * s, false, false, false}}, []bool{false, false, true}},
	} {
		if got := chatsdk.PeerAsks(row.rows); !slices.Equal(got, row.want) {
			t.Errorf("%s: asked %v, want %v", name, got, row.want)
		}
	}
}

func TestLossOnTheWayDownIsSeen(t *testing.T) { holds(t, lossOnTheWayDown) }
