package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/coder/websocket"
)

// netStats asks for the server's counters of the connection.
func (c *rt) netStats() (stats wire.NetStats) {
	c.t.Helper()
	f := c.call("rpc", object{"method": wire.RPCNetStats})
	if f.RPC == nil {
		c.t.Fatalf("net.stats: %+v", f.Error)
	}
	if err := json.Unmarshal(f.RPC.Data, &stats); err != nil {
		c.t.Fatal(err)
	}
	return stats
}

// TestNetStatsTellOfTheWayDown: what is lost there is seen by the server alone, and belongs to one connection.
func TestNetStatsTellOfTheWayDown(t *testing.T) {
	const rtt = 100 * time.Millisecond
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		link := w.net.Link("bob", "server")
		link.Set(faultnet.Symmetric(rtt))
		bob := w.connect("bob", w.token("bob"))
		bob.subscribe("general")
		before := bob.netStats()
		us := rtt.Microseconds()
		if before.Retransmitted != 0 || before.SRTTMicros != us || before.MinRTTMicros != us || before.Segments < 3 ||
			before.BytesSent == 0 || before.BytesAcked != before.BytesSent || before.BytesReceived == 0 {
			t.Errorf("on a good link: %+v", before)
		}
		link.Update(func(c *faultnet.Conditions) { c.Down.Down = true })
		w.connect("alice", w.token("alice")).batch(to("general", 1, 0))
		time.Sleep(5 * time.Second)
		link.Heal()
		bob.push() // sent again after 0.3, 0.9, 2.1, 4.5 and 9.3 s
		after := bob.netStats()
		if after.Retransmitted != 5 || after.Segments != before.Segments+7 { // the reply before, the push and its copies
			t.Errorf("after an outage of the way down: %+v\nbefore %+v", after, before)
		}
		bob.close()
		if again := w.connect("bob", w.token("bob")).netStats(); again.Retransmitted != 0 || again.Segments >= before.Segments {
			t.Errorf("a new connection begins with %+v", again)
		}
	})
}

// netStatsReply connects to a real address by WebSocket, asks, and returns the reply's text.
func netStatsReply(t *testing.T, url, token string, client *http.Client) string {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url+"/connection/websocket", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	var reply []byte
	for _, cmd := range []string{
		fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token), fmt.Sprintf(`{"id":2,"rpc":{"method":%q}}`, wire.RPCNetStats),
	} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(cmd)); err != nil {
			t.Fatal(err)
		}
		if _, reply, err = conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return string(reply)
}

// TestNetStatsOfARealSocket asks a kernel, through TLS.
func TestNetStatsOfARealSocket(t *testing.T) {
	h, addr, client, stop := startTLS(t)
	reply := netStatsReply(t, "wss://"+addr, h.token("alice"), client)
	var f struct {
		RPC struct{ Data wire.NetStats }
	}
	if err := json.Unmarshal([]byte(reply), &f); err != nil {
		t.Fatal(err)
	}
	s := f.RPC.Data
	switch runtime.GOOS {
	case "linux", "darwin":
		if s.Segments < 2 || s.SRTTMicros <= 0 || s.SRTTMicros > time.Second.Microseconds() || s.BytesSent < 1000 || s.BytesReceived < 500 {
			t.Errorf("%s", reply)
		}
	default:
		if !strings.Contains(reply, wire.CodeNotFound) {
			t.Errorf("%s", reply)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestNetStatsWhereNobodyCounts: the handler may stand behind somebody else's http.Server.
func TestNetStatsWhereNobodyCounts(t *testing.T) {
	h := start(t, nil)
	site := httptest.NewServer(h.s.Handler())
	defer site.Close()
	reply := netStatsReply(t, "ws"+strings.TrimPrefix(site.URL, "http"), h.token("alice"), site.Client())
	if !strings.Contains(reply, `"code":404`) || !strings.Contains(reply, wire.CodeNotFound) {
		t.Errorf("%s", reply)
	}
	if err := h.s.Kill(); err != nil {
		t.Fatal(err)
	}
}
