package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/coder/websocket"
)

// fill puts n messages into a channel's table.
func (h *house) fill(channel string, n int, text string) {
	h.t.Helper()
	for done := 0; done < n; {
		var entries []server.Entry
		for len(entries) < 500 && done < n {
			done++
			entries = append(entries, server.Entry{Channel: channel, ID: id(done), Text: text, Time: time.Now()})
		}
		if _, err := h.store.Append(context.Background(), "alice", "phone", entries); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestCatchUpInFewRoundTrips reads 5,000 usual messages at an RTT of 300ms: 5 round trips, one page after the other.
func TestCatchUpInFewRoundTrips(t *testing.T) {
	const n, rtt = 5000, 300 * time.Millisecond
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.SetDefault(faultnet.Symmetric(rtt))
		w.fill("general", n, "are we still on for lunch at noon?")
		bob := w.connect("bob", w.token("bob"))
		start, after, trips := time.Now(), uint64(0), 0
		for after < n {
			f := bob.call("rpc", object{"method": wire.RPCHistory, "data": wire.HistoryRequest{Channel: "general", After: after}})
			var page wire.HistoryReply
			if err := json.Unmarshal(f.RPC.Data, &page); err != nil || len(page.Messages) == 0 || page.Messages[0].Seq != after+1 {
				t.Fatalf("after %d: %d messages, %v", after, len(page.Messages), err)
			}
			if size := len(f.RPC.Data); size > 300<<10 {
				t.Errorf("a page of %d bytes", size)
			}
			after = page.Messages[len(page.Messages)-1].Seq
			trips++
		}
		if took := time.Since(start); trips != 5 || took != 5*rtt {
			t.Errorf("%d round trips, %v", trips, took)
		}
	})
}

// TestLongestPagesFitTheQueue asks for four of the longest pages at once over a link that takes seconds for each: the
// connection isn't cut off for being slow.
func TestLongestPagesFitTheQueue(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) {
			c.PingInterval, c.PongTimeout = time.Minute, 50*time.Second
			c.Limits.TextBytes = 1000
		})
		w.net.SetDefault(faultnet.Conditions{Down: faultnet.Flow{Rate: 500 << 10}})
		w.fill("general", 400, strings.Repeat("<", 1000)) // six bytes each in JSON
		bob := w.connect("bob", w.token("bob"))
		const pages = 4
		for i := range pages {
			cmd := fmt.Sprintf(`{"id":%d,"rpc":{"method":%q,"data":{"channel":"general"}}}`, 100+i, wire.RPCHistory)
			if err := bob.conn.Write(context.Background(), websocket.MessageText, []byte(cmd)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range pages {
			select {
			case f := <-bob.replies:
				if f.ID != uint32(100+i) || f.RPC == nil || len(f.RPC.Data) < 1500<<10 {
					t.Fatalf("reply %d: %+v", f.ID, f.Error)
				}
			case <-bob.closed:
				t.Fatalf("closed with %d %s after %d pages", bob.code, bob.reason, i)
			}
		}
	})
}
