package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/coder/websocket"
)

// TestStream is one message's way in virtual time: real Centrifuge, real SQLite, real net/http.
func TestStream(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.net.SetDefault(faultnet.Symmetric(40 * time.Millisecond))
		alice, _, err := w.dial("alice")
		if err != nil {
			t.Fatal(err)
		}
		f := alice.call("connect", object{"token": w.token("alice")})
		var data wire.ConnectData
		if err := json.Unmarshal(f.Connect.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.API != wire.APIVersion || data.Device != "alice-phone" || data.Limits.BatchEntries != 50 || len(data.DeviceSeqs) != 0 ||
			!f.Connect.Expires || f.Connect.TTL < 890 || f.Connect.TTL > 900 {
			t.Fatalf("connect reply %+v, %+v", f.Connect, data)
		}
		bob := w.connect("bob", w.token("bob"))
		if s := bob.subscribe("general").Subscribe; !s.Recoverable || !s.Positioned || s.Epoch == "" || s.Data.Last != 0 {
			t.Fatalf("subscribe reply %+v", s)
		}
		start := time.Now()
		results := alice.batch(to("general", 1, 1), to("general", 2, 2))
		if took := time.Since(start); took != 40*time.Millisecond {
			t.Errorf("one round trip of 40ms took %v", took)
		}
		for i, r := range results {
			p := bob.push()
			if r.Problem != nil || r.Seq != uint64(i+1) || p.Data.Seq != r.Seq || p.Data.ID != r.ID || p.Data.User != "alice" ||
				p.Data.Channel != "general" || p.Data.Text != fmt.Sprint("text ", i+1) || !p.Data.Time.Equal(r.Time) {
				t.Fatalf("result %+v, publication %+v", r, p)
			}
		}
		if s := alice.subscribe("general").Subscribe; s.Data.Last != 2 || s.Offset != 2 {
			t.Fatalf("subscribe reply %+v", s)
		}
		alice.close()
		alice = w.connect("alice", w.token("alice"))
		_ = alice
		time.Sleep(time.Hour) // pings are answered, timers run
		select {
		case <-bob.closed: // its token expired and it never refreshed
		default:
			t.Error("an expired connection is still open")
		}
	})
}

func TestConnectTellsDeviceSeqs(t *testing.T) {
	w := newWorld(t, nil)
	c := w.connect("alice", w.token("alice"))
	c.batch(to("a", 1, 1), to("a", 2, 2), to("b", 3, 1))
	c.close()
	c, _, err := w.dial("alice")
	if err != nil {
		t.Fatal(err)
	}
	var data wire.ConnectData
	if err := json.Unmarshal(c.call("connect", object{"token": w.token("alice")}).Connect.Data, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.DeviceSeqs) != 2 || data.DeviceSeqs["a"] != 2 || data.DeviceSeqs["b"] != 1 {
		t.Fatalf("device sequences %v", data.DeviceSeqs)
	}
}

func TestRecovery(t *testing.T) {
	w := newWorld(t, nil)
	alice := w.connect("alice", w.token("alice"))
	bob := w.connect("bob", w.token("bob"))
	epoch := bob.subscribe("general").Subscribe.Epoch
	alice.batch(to("general", 1, 0))
	at := bob.push().Offset
	bob.close()
	eve := w.connect("eve", w.token("eve"))
	eve.subscribe("general")
	alice.batch(to("general", 2, 0), to("general", 3, 0))
	eve.push()
	eve.push()
	bob = w.connect("bob", w.token("bob"))
	s := bob.call("subscribe", object{"channel": "general", "recover": true, "offset": at, "epoch": epoch}).Subscribe
	if !s.WasRecovering || !s.Recovered || len(s.Publications) != 2 || s.Publications[1].Data.Seq != 3 || s.Data.Last != 3 {
		t.Fatalf("%+v", s)
	}
	bob.close()
	bob = w.connect("bob", w.token("bob"))
	s = bob.call("subscribe", object{"channel": "general", "recover": true, "offset": at, "epoch": "other"}).Subscribe
	if s.Recovered || s.Data.Last != 3 {
		t.Fatalf("with another epoch: %+v", s)
	}
}

func TestBatch(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits.BatchEntries = 8 })
	alice, eve := w.connect("alice", w.token("alice")), w.connect("eve", w.token("eve"))
	long := to("a", 5, 4)
	long.Text = strings.Repeat("x", 20000)
	other := to("a", 1, 2)
	other.Text = "another"
	r := alice.batch(to("a", 1, 1), other, to("a", 3, 3), long, to("secret", 6, 1), to("Bad", 7, 1), to("a", 8, 9), to("a", 9, 5))
	codes := make([]string, len(r))
	for i := range r {
		if codes[i] = fmt.Sprint(r[i].Seq); r[i].Problem != nil {
			codes[i] = r[i].Problem.Code
		}
	}
	if got, want := strings.Join(codes, " "), "1 id_reused 2 too_large 1 invalid_channel seq_gap 3"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if e := r[6].Problem.Expected; e != 5 {
		t.Errorf("expected %d", e)
	}
	if r[3].ID != id(5) || r[4].ID != id(6) {
		t.Errorf("results without their ids: %+v", r)
	}
	if p := eve.batch(to("secret", 1, 0))[0].Problem; p == nil || p.Code != wire.CodeForbidden {
		t.Errorf("eve in the private channel: %+v", p)
	}
	if len(alice.batch()) != 0 {
		t.Error("results for an empty batch")
	}
	for name, c := range map[string]struct {
		method string
		data   any
		code   uint32
	}{
		"too many":       {wire.RPCSend, wire.BatchRequest{Messages: make([]wire.BatchEntry, 9)}, 413},
		"not an object":  {wire.RPCSend, []int{1}, 400},
		"history of bad": {wire.RPCHistory, wire.HistoryRequest{Channel: "Bad"}, 400},
		"history of all": {wire.RPCHistory, "x", 400},
		"unknown":        {"message.eat", object{}, 104},
	} {
		if f := alice.call("rpc", object{"method": c.method, "data": c.data}); f.Error == nil || f.Error.Code != c.code {
			t.Errorf("%s: %+v", name, f.Error)
		}
	}
	if f := alice.call("publish", object{"channel": "a", "data": object{}}); f.Error == nil || f.Error.Code != 103 {
		t.Errorf("publish: %+v", f.Error)
	}
}

func TestBatchRate(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.Limits.MessagesPerSecond, c.Limits.MessageBurst = 10, 3 })
		alice := w.connect("alice", w.token("alice"))
		entries := []wire.BatchEntry{to("a", 1, 1), to("a", 2, 2), to("a", 3, 3), to("a", 4, 4), to("a", 5, 5)}
		r := alice.batch(entries...)
		if r[2].Problem != nil || r[3].Problem == nil || r[4].Problem == nil || r[3].Problem.Code != wire.CodeRateLimited || r[3].Problem.RetryAfterMS != 200 {
			t.Fatalf("%+v %+v", r[2].Problem, r[3].Problem)
		}
		time.Sleep(time.Duration(r[3].Problem.RetryAfterMS) * time.Millisecond)
		for _, x := range alice.batch(entries[3:]...) { // the numbers weren't used up
			if x.Problem != nil {
				t.Fatalf("after the wait: %+v", x.Problem)
			}
		}
	})
}

func TestConnectTokens(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		expired := w.token("alice")
		time.Sleep(16 * time.Minute)
		for name, c := range map[string]struct {
			token string
			reply uint32
			close int
		}{
			"none":    {"", 0, 3500},
			"garbage": {"garbage", 0, 3500},
			"expired": {expired, 109, 0},
		} {
			conn, _, err := w.dial("x")
			if err != nil {
				t.Fatal(err)
			}
			f := conn.call("connect", object{"token": c.token})
			if c.reply != 0 {
				if f.Error == nil || f.Error.Code != c.reply {
					t.Errorf("%s: %+v", name, f)
				}
				continue
			}
			if code, _ := conn.gone(); code != c.close {
				t.Errorf("%s: closed with %d", name, code)
			}
		}
	})
}

func TestRefreshOfConnection(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		in := w.login("alice", "phone")
		c := w.connect("alice", in.Token)
		other := w.connect("bob", w.token("bob"))
		for range 4 {
			time.Sleep(14 * time.Minute)
			w.expect("", "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: in.RefreshToken}).into(t, &in)
			if f := c.call("refresh", object{"token": in.Token}); f.Refresh == nil || f.Refresh.TTL < 890 {
				t.Fatalf("refresh: %+v", f.Error)
			}
		}
		if code, _ := other.gone(); code != 3005 { // it didn't refresh
			t.Errorf("closed with %d", code)
		}
		if f := c.call("rpc", object{"method": wire.RPCHistory, "data": wire.HistoryRequest{Channel: "a"}}); f.RPC == nil {
			t.Fatalf("after an hour: %+v", f.Error)
		}
		c.call("refresh", object{"token": w.token("bob")})
		if code, _ := c.gone(); code != 3500 {
			t.Errorf("with another's token: closed with %d", code)
		}
	})
}

func TestLogoutDisconnects(t *testing.T) {
	w := newWorld(t, nil)
	in := w.login("alice", "phone")
	phone, laptop := w.connect("alice", in.Token), w.connect("alice", w.login("alice", "laptop").Token)
	w.expect("", "POST", "/api/auth/logout", in.Token, nil)
	if code, _ := phone.gone(); code != wire.CloseLogout {
		t.Errorf("closed with %d", code)
	}
	if r := laptop.batch(to("a", 1, 0)); r[0].Problem != nil {
		t.Errorf("the other device: %+v", r[0].Problem)
	}
	late, _, err := w.dial("alice")
	if err != nil {
		t.Fatal(err)
	}
	late.call("connect", object{"token": in.Token})
	if code, _ := late.gone(); code != 3500 {
		t.Errorf("connect after logout: closed with %d", code)
	}
}

func TestNewerConnectionReplaces(t *testing.T) {
	w := newWorld(t, nil)
	first := w.connect("alice", w.token("alice"))
	laptop := w.connect("alice", w.login("alice", "laptop").Token)
	late, _, err := w.dial("alice") // upgraded before second, connects after it: held up on the way
	if err != nil {
		t.Fatal(err)
	}
	second := w.connect("alice", w.token("alice"))
	if code, _ := first.gone(); code != wire.CloseReplaced {
		t.Errorf("older: closed with %d", code)
	}
	late.call("connect", object{"token": w.token("alice")})
	if code, _ := late.gone(); code != wire.CloseReplaced {
		t.Errorf("held up: closed with %d", code)
	}
	bobs := w.connect("bob", w.login("bob", "alice-phone").Token) // the same name of a device, another user
	for name, c := range map[string]*rt{"newest": second, "other device": laptop, "other user": bobs} {
		if r := c.batch(to("a", len(name), 0)); r[0].Problem != nil {
			t.Errorf("%s: %+v", name, r[0].Problem)
		}
	}
}

func TestConnectionsOfUser(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits.UserConnections = 2 })
	w.connect("alice", w.login("alice", "a").Token)
	b := w.connect("alice", w.login("alice", "b").Token)
	c, _, err := w.dial("alice")
	if err != nil {
		t.Fatal(err)
	}
	token := w.login("alice", "c").Token
	c.call("connect", object{"token": token})
	if code, reason := c.gone(); code != wire.CloseSlowDown || !strings.Contains(reason, "retry-after-ms=") {
		t.Fatalf("third: closed with %d %s", code, reason)
	}
	w.connect("bob", w.token("bob"))
	w.connect("alice", w.login("alice", "b").Token) // a device that comes back takes its own place
	if code, _ := b.gone(); code != wire.CloseReplaced {
		t.Fatalf("replaced: closed with %d", code)
	}
}

func TestUpgradeAdmission(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.UpgradeRate, c.MaxConnections = 3, 4 })
		for range 3 {
			if _, _, err := w.dial("x"); err != nil {
				t.Fatal(err)
			}
		}
		_, res, err := w.dial("x")
		if err == nil || res == nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || res.Header.Get(wire.HeaderAPI) == "" {
			t.Fatalf("fourth: %v, %+v", err, res)
		}
		for i := range 4 {
			time.Sleep(time.Second)
			w.connect("y", w.login("alice", fmt.Sprint("d", i)).Token)
		}
		time.Sleep(time.Second)
		if _, res, err := w.dial("x"); err == nil || res == nil || res.StatusCode != 503 {
			t.Fatalf("with as many connections as there may be: %v, %+v", err, res)
		}
	})
}

func TestBadFrames(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Limits.FrameBytes = 4096 })
	for name, data := range map[string]string{
		"not JSON": "{", "empty": "", "before connect": `{"id":1,"subscribe":{"channel":"a"}}`, "too long": `{"id":1,"connect":{"token":"` + strings.Repeat("x", 5000) + `"}}`,
		"deep": strings.Repeat("[", 3000), "binary": "\xff\xfe",
	} {
		c, _, err := w.dial("x")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.conn.Write(t.Context(), websocket.MessageText, []byte(data))
		if code, _ := c.gone(); code != 3501 && code != 1009 && code != 1007 {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
	w.connect("alice", w.token("alice"))
}

func TestProtobuf(t *testing.T) {
	w := newWorld(t, nil)
	conn, _, err := websocket.Dial(t.Context(), "ws://server:80/connection/websocket", &websocket.DialOptions{
		HTTPClient: w.httpClient("alice"), Subprotocols: []string{"centrifuge-protobuf"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "centrifuge-protobuf" {
		t.Fatalf("subprotocol %q", conn.Subprotocol())
	}
	data, err := json.Marshal(wire.BatchRequest{Messages: []wire.BatchEntry{to("a", 1, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	enc := protocol.NewProtobufCommandEncoder()
	var out bytes.Buffer
	for _, cmd := range []*protocol.Command{
		{Id: 1, Connect: &protocol.ConnectRequest{Token: w.token("alice")}},
		{Id: 2, Rpc: &protocol.RPCRequest{Method: wire.RPCSend, Data: data}},
	} {
		b, err := enc.Encode(cmd)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	if err := conn.Write(t.Context(), websocket.MessageBinary, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	for {
		_, b, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dec := protocol.NewProtobufReplyDecoder(b)
		for {
			r, err := dec.Decode()
			if r != nil && r.Id == 2 {
				if r.Rpc == nil || !strings.Contains(string(r.Rpc.Data), `"seq":1`) {
					t.Fatalf("reply %+v", r)
				}
				return
			}
			if err != nil {
				break
			}
		}
	}
}

func TestHTTPStream(t *testing.T) {
	w := newWorld(t, nil)
	hc := w.httpClient("alice")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	post := func(path, body string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, "POST", "http://server:80"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := post("/connection/http_stream", fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, w.token("alice")))
	defer res.Body.Close()
	dec := json.NewDecoder(res.Body)
	var hello struct {
		Connect struct{ Session, Node string }
	}
	if err := dec.Decode(&hello); err != nil || hello.Connect.Session == "" {
		t.Fatalf("%+v, %v", hello, err)
	}
	cmd, err := json.Marshal(object{"session": hello.Connect.Session, "node": hello.Connect.Node, "data": `{"id":2,"subscribe":{"channel":"a"}}`})
	if err != nil {
		t.Fatal(err)
	}
	if r := post("/emulation", string(cmd)); r.StatusCode != 204 {
		b, _ := io.ReadAll(r.Body)
		t.Fatalf("emulation: %d %s", r.StatusCode, b)
	}
	var f frame
	for f.ID != 2 {
		if err := dec.Decode(&f); err != nil {
			t.Fatal(err)
		}
	}
	if f.Subscribe == nil {
		t.Fatalf("%+v", f.Error)
	}
}
