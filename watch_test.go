package chatsdk_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// TestWatchTellsOfTheConnectionFirst: what happened on a connection isn't told before the connection itself, whichever of
// the two parts is quicker.
func TestWatchTellsOfTheConnectionFirst(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		us := chatsdk.WatchLate(t.Context(),
			realtime.Change{From: realtime.Connecting, To: realtime.Connected, At: time.Now()},
			inbox.Change{Channel: "general", Synced: true})
		if us[0].Connection == nil || us[1].Channel == nil || !us[1].Channel.Synced {
			t.Errorf("updates %+v, want connected before synced", us)
		}
	})
}
