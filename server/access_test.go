package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// TestNobodyElseReadsAPrivateChannel walks every route, method and realtime command as somebody who isn't a member of
// the channel, and as nobody. None may answer with anything of it, or do anything to it.
func TestNobodyElseReadsAPrivateChannel(t *testing.T) {
	const secret = "the treasure is under the oak"
	w := newWorld(t, func(c *server.Config) { c.Uploads.Dir = t.TempDir() })
	alice := w.token("alice")
	file := w.expect("", "POST", "/api/uploads", alice, secret, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(secret)),
		"Content-Type", "application/offset+octet-stream").header.Get("Location")
	w.expect("", "POST", "/api/channels/secret/messages", alice, wire.SendRequest{
		ID: id(1), Text: secret, Attachments: json.RawMessage(`[{"upload":"` + path.Base(file) + `"}]`),
	})
	if a := w.expect("", "GET", file, w.token("bob"), nil); string(a.body) != secret {
		t.Fatalf("a member reads %d %s", a.status, a.body)
	}
	body := wire.SendRequest{ID: id(2), DeviceSeq: 1, Text: "let me in"}
	messages := "/api/channels/secret/messages"
	for _, c := range []struct {
		method, path string
		body         any
		eve, nobody  string // codes of problems
	}{
		{"GET", messages, nil, wire.CodeForbidden, wire.CodeUnauthorized},
		{"HEAD", messages, nil, wire.CodeForbidden, wire.CodeUnauthorized},
		{"GET", messages + "?after=0&limit=1", nil, wire.CodeForbidden, wire.CodeUnauthorized},
		{"GET", "/api/channels/%73ecret/messages", nil, wire.CodeForbidden, wire.CodeUnauthorized},
		{"POST", messages, body, wire.CodeForbidden, wire.CodeUnauthorized},
		{"POST", messages, wire.SendRequest{ID: id(1), Text: secret}, wire.CodeForbidden, wire.CodeUnauthorized},
		{"POST", "/api/channels", wire.ChannelRequest{Name: "secret"}, wire.CodeChannelExists, wire.CodeUnauthorized},
		{"PUT", messages, body, wire.CodeMethodNotAllowed, wire.CodeMethodNotAllowed},
		{"DELETE", messages, nil, wire.CodeMethodNotAllowed, wire.CodeMethodNotAllowed},
		{"GET", "/api/messages", nil, wire.CodeMethodNotAllowed, wire.CodeMethodNotAllowed},
		{"GET", "/api/channels", nil, wire.CodeMethodNotAllowed, wire.CodeMethodNotAllowed},
		{"GET", "/api/channels/secret", nil, wire.CodeNotFound, wire.CodeNotFound},
		{"GET", file, nil, wire.CodeNotFound, wire.CodeUnauthorized},
		{"HEAD", file, nil, wire.CodeNotFound, wire.CodeUnauthorized},
		{"PATCH", file, "x", wire.CodeNotFound, wire.CodeUnauthorized},
		{"DELETE", file, nil, wire.CodeNotFound, wire.CodeUnauthorized},
		{"PUT", file, "x", wire.CodeMethodNotAllowed, wire.CodeUnauthorized},
		{"GET", "/api/uploads/", nil, wire.CodeMethodNotAllowed, wire.CodeUnauthorized},
		{"GET", "/api/uploads", nil, wire.CodeMethodNotAllowed, wire.CodeUnauthorized},
		{"POST", "/api/channels/open/messages", wire.SendRequest{
			ID: id(9), Attachments: json.RawMessage(`[{"upload":"` + path.Base(file) + `"}]`),
		}, wire.CodeAttachmentUnusable, wire.CodeUnauthorized},
	} {
		for token, code := range map[string]string{w.token("eve"): c.eve, "": c.nobody} {
			a := w.call(c.method, c.path, token, c.body)
			if a.problem.Code != code || strings.Contains(string(a.body), secret) || strings.Contains(string(a.body), "alice") {
				t.Errorf("%s %s: %d %s, want %s", c.method, c.path, a.status, a.body, code)
			}
		}
	}
	batchAsEve(t, w, secret)
	realtimeAsEve(t, w, secret)
	streamAs(t, w, w.token("eve"), secret)
	streamAs(t, w, "", secret)
	var page wire.HistoryReply
	w.expect("", "GET", messages, w.token("bob"), nil).into(t, &page)
	if len(page.Messages) != 1 || page.Messages[0].Text != secret || len(page.Messages[0].Attachments) == 0 {
		t.Fatalf("the channel holds %+v", page)
	}
}

// batchAsEve posts a batch with a message for the private channel among others: those are taken, that one isn't.
func batchAsEve(t *testing.T, w *world, secret string) {
	t.Helper()
	in := wire.BatchRequest{Messages: []wire.BatchEntry{
		to("open", 50, 0), to("secret", 51, 0), {Channel: "secret", SendRequest: wire.SendRequest{ID: id(1), Text: secret}},
	}}
	w.expect(wire.CodeUnauthorized, "POST", "/api/messages", "", in)
	a := w.expect("", "POST", "/api/messages", w.token("eve"), in)
	var out wire.BatchReply
	a.into(t, &out)
	if len(out.Results) != 3 || out.Results[0].Problem != nil || strings.Contains(string(a.body), secret) {
		t.Fatalf("%s", a.body)
	}
	for _, r := range out.Results[1:] {
		if r.Problem == nil || r.Problem.Code != wire.CodeForbidden || r.Seq != 0 || !r.Time.IsZero() {
			t.Errorf("in the private channel: %+v", r)
		}
	}
}

func realtimeAsEve(t *testing.T, w *world, secret string) {
	t.Helper()
	eve := w.connect("eve", w.token("eve"))
	where := object{"channel": "secret"}
	rpc := func(method string, data any) object { return object{"method": method, "data": data} }
	for _, c := range []struct {
		command string
		body    any
		code    uint32
	}{
		{"subscribe", where, 103},
		{"subscribe", object{"channel": "secret", "recover": true, "offset": 0, "epoch": "x"}, 103},
		{"subscribe", object{"channel": "secret", "type": 1}, 108},
		{"subscribe", object{"channel": "SECRET"}, 102},
		{"publish", object{"channel": "secret", "data": object{}}, 103},
		{"history", object{"channel": "secret", "limit": 10}, 108},
		{"presence", where, 108},
		{"presence_stats", where, 108},
		{"rpc", rpc(wire.RPCHistory, wire.HistoryRequest{Channel: "secret"}), 403},
	} {
		f := eve.call(c.command, c.body)
		all, err := json.Marshal(f)
		if err != nil || f.Error == nil || f.Error.Code != c.code || strings.Contains(string(all), secret) {
			t.Errorf("%s %v: %s", c.command, c.body, all)
		}
	}
	if p := eve.batch(to("secret", 3, 1))[0].Problem; p == nil || p.Code != wire.CodeForbidden {
		t.Errorf("message.send: %+v", p)
	}
	member := w.connect("bob", w.token("bob"))
	member.subscribe("secret")
	// A server-side subscription that the client asks for in its connect command is nobody's to have.
	again, _, err := w.dial("eve")
	if err != nil {
		t.Fatal(err)
	}
	f := again.call("connect", object{"token": w.login("eve", "other").Token, "subs": object{"secret": object{"recover": true}}})
	if f.Connect == nil {
		t.Fatalf("connect: %+v", f.Error)
	}
	alice := w.connect("alice", w.token("alice"))
	alice.batch(wire.BatchEntry{Channel: "secret", SendRequest: wire.SendRequest{ID: id(1), Text: secret}}, to("open", 4, 0))
	for _, c := range []*rt{eve, again} {
		select {
		case p := <-c.pushes:
			t.Errorf("eve got %+v", p)
		default:
		}
	}
}

// streamAs asks for the private channel over http_stream, with its first request and with a later one by emulation: as a
// user who isn't a member, or as nobody if token is "". While it listens the channel gets a message.
func streamAs(t *testing.T, w *world, token, secret string) {
	t.Helper()
	lines := func(cmds ...object) string {
		var out []string
		for _, c := range cmds {
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		}
		return strings.Join(out, "\n")
	}
	connect := object{"id": 1, "connect": object{"token": token, "subs": object{"secret": object{"recover": true}}}}
	subscribe := object{"id": 2, "subscribe": object{"channel": "secret", "recover": true, "epoch": "x"}}
	body := lines(connect, subscribe)
	c := w.post("/connection/http_stream", len(body), body)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(c.Close(), res.Body.Close()) }() // in this order, or Close reads the stream to its end
	in := bufio.NewScanner(res.Body)
	type frame struct {
		ID      uint32
		Error   *struct{ Code uint32 }
		Connect *struct{ Session, Node string }
	}
	next := func() (f frame) {
		if in.Scan() && (strings.Contains(in.Text(), secret) || json.Unmarshal(in.Bytes(), &f) != nil) {
			t.Errorf("http_stream answers %q with %s", token, in.Bytes())
		}
		return f
	}
	first := next()
	if token == "" {
		if first.Connect != nil {
			t.Errorf("nobody is let in: %s", in.Bytes())
		}
		return
	}
	if first.Connect == nil || first.Connect.Session == "" {
		t.Fatalf("eve isn't let in: %s", in.Bytes())
	}
	if f := next(); f.ID != 2 || f.Error == nil || f.Error.Code != 103 {
		t.Errorf("subscribe over http_stream: %s", in.Bytes())
	}
	for i, cmd := range []object{
		{"subscribe": object{"channel": "secret"}},
		{"publish": object{"channel": "secret", "data": object{}}},
		{"history": object{"channel": "secret", "limit": 10}},
		{"rpc": object{"method": wire.RPCHistory, "data": wire.HistoryRequest{Channel: "secret"}}},
	} {
		cmd["id"] = 3 + i
		w.call("POST", "/emulation", "", object{"session": first.Connect.Session, "node": first.Connect.Node, "data": lines(cmd)})
		if f := next(); f.ID != uint32(3+i) || f.Error == nil {
			t.Errorf("%v by emulation: %s", cmd, in.Bytes())
		}
	}
	// Without the session of a stream nothing can be asked.
	a := w.call("POST", "/emulation", "", object{"session": "x", "node": first.Connect.Node, "data": lines(object{"id": 9, "subscribe": object{"channel": "secret"}})})
	if strings.Contains(string(a.body), secret) {
		t.Errorf("emulation answers nobody: %s", a.body)
	}
}

// TestEveryRouteIsInTheTable keeps the walk above complete: a route that is added has to be thought of there.
func TestEveryRouteIsInTheTable(t *testing.T) {
	src, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?:api|mux\.Handle)\("(/[^"]*)"`).FindAllStringSubmatch(string(src), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	got = slices.Compact(got)
	want := []string{
		"/", "/api/auth/login", "/api/auth/logout", "/api/auth/refresh", "/api/channels", "/api/channels/{channel}/messages",
		"/api/health/ping", "/api/messages", "/api/uploads", "/api/uploads/", "/connection/http_stream", "/connection/websocket", "/emulation", "/metrics",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("routes.go has %v; think of the new ones in TestNobodyElseReadsAPrivateChannel", got)
	}
	h := start(t, nil)
	for i, route := range []string{"/api/auth/login", "/api/auth/refresh", "/api/channels", "/api/messages"} {
		rec := httptest.NewRecorder()
		h.s.Handler().ServeHTTP(rec, httptest.NewRequest("POST", route, strings.NewReader(fmt.Sprintf(`{"n":%d}`, i))))
		if rec.Code < 400 {
			t.Errorf("%s answers nobody with %d", route, rec.Code)
		}
	}
}
