package chatsdk

import (
	"context"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// WatchLate joins a channel's change with a change of the connection that happened before it and arrives after it, and
// returns the updates in the order in which a watcher gets them.
func WatchLate(ctx context.Context, connected realtime.Change, synced inbox.Change) []Update {
	out := make(chan Update, 2)
	conn, channels := make(chan realtime.Change), make(chan inbox.Change, 1)
	w := watch{
		ctx: ctx, out: out, conn: conn, channels: channels,
		state: func() realtime.Snapshot { return realtime.Snapshot{State: connected.To, Since: connected.At} },
	}
	channels <- synced
	close(channels)
	late := time.AfterFunc(time.Second, func() { conn <- connected; close(conn) })
	defer late.Stop()
	w.run()
	return []Update{<-out, <-out}
}
