package chatsdk_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestQualityIsKnownAndGrowsOld: a connected client knows its network, Watch tells it, and nothing is asked, so that nothing
// is known after a while, once it is told to disconnect.
func TestQualityIsKnownAndGrowsOld(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		time.Sleep(5 * time.Second)
		q := ada.Chat.Quality()
		if q.Reach != quality.ReachOnline || q.Level == quality.Unknown || q.RTT.Median <= 0 {
			t.Errorf("5 s after connecting: %+v", q)
		}
		if s := ada.Chat.State().Quality; s.Level != q.Level || s.Reach != q.Reach {
			t.Errorf("State says %v %v, Quality %v %v", s.Level, s.Reach, q.Level, q.Reach)
		}
		updates := ada.Chat.Watch(t.Context())
		for u := range updates {
			if u.Quality == nil {
				continue
			}
			if u.Quality.Reach != quality.ReachOnline {
				t.Errorf("Watch began with %+v", u.Quality)
			}
			break
		}
		ada.Chat.Disconnect()
		began := time.Now()
		for u := range updates {
			if u.Quality != nil && u.Quality.Reach == quality.ReachUnknown {
				break
			}
		}
		if took, want := time.Since(began), quality.Foreground.Effort().StaleAfter; took > want+time.Second {
			t.Errorf("forgotten %v after the last word, want %v", took, want)
		}
	})
}
