package faultnet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// api is a control API without a socket.
type api struct {
	t       *testing.T
	control *faultnet.Control
}

func newAPI(t *testing.T) api {
	t.Helper()
	c := faultnet.NewControl(faultnet.ControlOptions{Seed: 1, MaxBody: 64 << 10, MaxProxies: 8})
	t.Cleanup(func() { must(t, c.Close()) })
	return api{t, c}
}

// call makes a request and checks the status.
func (a api) call(method, path, body string, want int) string {
	a.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	a.control.ServeHTTP(w, r)
	if w.Code != want {
		a.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, want)
	}
	return strings.TrimSpace(w.Body.String())
}

// fields decodes an answer.
func fields(t *testing.T, answer string) map[string]any {
	t.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(answer), &decoded); err != nil {
		t.Fatalf("%q: %v", answer, err)
	}
	return decoded
}

func TestControlErrorsHaveToxiproxysForm(t *testing.T) {
	a := newAPI(t)
	a.call("POST", "/proxies", `{"name":"p","upstream":"127.0.0.1:1","enabled":false}`, 201)
	a.call("POST", "/proxies/p/toxics", `{"type":"latency"}`, 200)
	for _, row := range []struct {
		method, path, body string
		status             int
		message            string // of the error, or its beginning if it ends in ...
	}{
		{"GET", "/proxies/x", "", 404, "proxy not found"},
		{"POST", "/proxies/x", "{}", 404, "proxy not found"},
		{"DELETE", "/proxies/x", "", 404, "proxy not found"},
		{"GET", "/proxies/x/toxics", "", 404, "proxy not found"},
		{"POST", "/proxies/x/toxics", "{}", 404, "proxy not found"},
		{"GET", "/proxies/p/toxics/x", "", 404, "toxic not found"},
		{"POST", "/proxies/p/toxics/x", "{}", 404, "toxic not found"},
		{"DELETE", "/proxies/p/toxics/x", "", 404, "toxic not found"},

		{"POST", "/proxies", ``, 400, "bad request body: EOF"},
		{"POST", "/proxies", `{"name":`, 400, "bad request body: unexpected EOF"},
		{"POST", "/proxies", `{} {}`, 400, "bad request body: more than one JSON value"},
		{"POST", "/proxies", `{}`, 400, "missing required field: name"},
		{"POST", "/proxies", `null`, 400, "missing required field: name"},
		{"POST", "/proxies", `{"name":"q"}`, 400, "missing required field: upstream"},
		{"POST", "/proxies", `{"name":"q","upstream":"nowhere"}`, 400, "faultnet: upstream address: ..."},
		{"POST", "/proxies", `{"name":"q","upstream":"a:1","listen":"b"}`, 400, "faultnet: listen address: ..."},
		{"POST", "/proxies", `{"name":"q","upstream":"a:1","listen":"b:99999"}`, 400, "faultnet: listen address: ..."},
		{"POST", "/proxies", `{"name":"a/b","upstream":"a:1"}`, 400, "bad request body: name can't stand in a path"},
		{"POST", "/proxies", `{"name":"p","upstream":"a:1"}`, 409, "proxy already exists"},
		{"POST", "/proxies/p", `{"listen":"x"}`, 400, "faultnet: listen address: ..."},
		{"POST", "/proxies/p", `{"upstream":"x"}`, 400, "faultnet: upstream address: ..."},
		{"POST", "/populate", `{}`, 400, "bad request body: ..."},
		{"POST", "/populate", `[{"upstream":"a:1"}]`, 400, "missing required field: name at proxy 1"},
		{"POST", "/populate", `[{"name":"q","upstream":"a:1"},{"name":"r"}]`, 400, "missing required field: upstream at proxy 2"},

		{"POST", "/proxies/p/toxics", ``, 400, "bad request body: EOF"},
		{"POST", "/proxies/p/toxics", `{}`, 400, "invalid toxic type"},
		{"POST", "/proxies/p/toxics", `{"type":"nuke"}`, 400, "invalid toxic type"},
		{"POST", "/proxies/p/toxics", `{"type":"latency"}`, 409, "toxic already exists"},
		{
			"POST", "/proxies/p/toxics", `{"type":"latency","stream":"sideways"}`, 400,
			"stream was invalid, can be either upstream or downstream",
		},
		{"POST", "/proxies/p/toxics", `{"type":"down","toxicity":1.5}`, 400, "bad request body: toxicity isn't from 0 to 1"},
		{"POST", "/proxies/p/toxics", `{"type":"timeout","attributes":{"timeout":"1"}}`, 400, "bad request body: ..."},
		{"POST", "/proxies/p/toxics", `{"type":"timeout","attributes":{"timeout":-1}}`, 400, "bad request body: ..."},
		{"POST", "/proxies/p/toxics", `{"type":"timeout","attributes":{"timeuot":1}}`, 400, "bad request body: ..."},
		{"POST", "/proxies/p/toxics", `{"type":"loss","attributes":{"loss":2}}`, 400, "bad request body: ..."},
		{"POST", "/proxies/p/toxics/latency_downstream", `{"attributes":{"latency":1.5}}`, 400, "bad request body: ..."},
		{"POST", "/proxies/p/toxics/latency_downstream", `{"toxicity":-1}`, 400, "bad request body: ..."},
		{"POST", "/proxies", `{"name":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "bad request body: ..."},
	} {
		got := fields(t, a.call(row.method, row.path, row.body, row.status))
		message := fmt.Sprint(got["error"])
		if begin, cut := strings.CutSuffix(row.message, "..."); cut {
			message, row.message = message[:min(len(begin), len(message))], begin
		}
		if message != row.message || got["status"] != float64(row.status) || len(got) != 2 {
			t.Errorf("%s %s %.80s: %v, want %q", row.method, row.path, row.body, got, row.message)
		}
	}
	if got := slices.Collect(maps.Keys(fields(t, a.call("GET", "/proxies", "", 200)))); !slices.Equal(got, []string{"p"}) {
		t.Errorf("proxies %v after refused requests, want p alone", got)
	}
	if got := a.call("GET", "/proxies/p/toxics", "", 200); strings.Count(got, `"type"`) != 1 {
		t.Errorf("toxics %s after refused requests", got)
	}
}

func TestControlRoutesThatAreNot(t *testing.T) {
	a := newAPI(t)
	a.call("GET", "/", "", 404)
	a.call("GET", "/proxies/p/toxics/t/x", "", 404)
	a.call("PUT", "/proxies", "", 405)
	a.call("GET", "/reset", "", 405)
}

func TestControlRefusesBrowsers(t *testing.T) {
	a := newAPI(t)
	for name, value := range map[string]string{"Origin": "https://evil.example", "User-Agent": "Mozilla/5.0 (X11)"} {
		r := httptest.NewRequest("POST", "/reset", nil)
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		a.control.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %s got %d", name, value, w.Code)
		}
	}
}

func TestControlLifeOfAProxy(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	a := newAPI(t)
	if got := fields(t, a.call("GET", "/version", "", 200)); got["version"] != faultnet.DefaultControlVersion {
		t.Errorf("version %v", got)
	}
	a.call("GET", "/proxies", "", 200)
	made := fields(t, a.call("POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"`+u.addr()+`"}`, 201))
	listen := fmt.Sprint(made["listen"])
	want := map[string]any{"name": "p", "listen": listen, "upstream": u.addr(), "enabled": true, "toxics": []any{}}
	if fmt.Sprint(made) != fmt.Sprint(want) {
		t.Errorf("proxy %v, want %v", made, want)
	}
	p := a.control.Proxy("p")
	through(t, p, u)

	off := fields(t, a.call("POST", "/proxies/p", `{"enabled":false}`, 200))
	if conn, err := net.Dial("tcp", listen); err == nil || off["enabled"] != false || off["listen"] != listen {
		t.Errorf("disabled: %v, dial %v", off, conn)
	}
	a.call("POST", "/proxies/p/toxics", `{"type":"down"}`, 200)
	a.call("POST", "/reset", "", 204) // enables and removes toxics
	if got := fields(t, a.call("GET", "/proxies/p", "", 200)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after reset %v, want %v", got, want)
	}
	through(t, p, u)

	second := newUpstream(t, "127.0.0.1:0")
	a.call("PATCH", "/proxies/p", `{"upstream":"`+second.addr()+`"}`, 200)
	through(t, p, second)
	a.call("POST", "/proxies", `{"name":"q","listen":"`+listen+`","upstream":"`+u.addr()+`"}`, 500) // port taken
	a.call("GET", "/proxies/q", "", 404)
	a.call("DELETE", "/proxies/p", "", 204)
	a.call("GET", "/proxies/p", "", 404)
	if _, err := net.Dial("tcp", listen); err == nil {
		t.Error("a deleted proxy listens")
	}
}

func TestControlPopulate(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	a := newAPI(t)
	body := `[{"name":"a","listen":"127.0.0.1:0","upstream":"` + u.addr() + `"},{"name":"b","upstream":"` + u.addr() + `","enabled":false}]`
	got := fields(t, a.call("POST", "/populate", body, 201))
	if proxies := got["proxies"].([]any); len(proxies) != 2 || got["error"] != nil {
		t.Fatalf("answer %v", got)
	}
	first, addr := a.control.Proxy("a"), a.control.Proxy("a").Addr()
	if !first.Running() || a.control.Proxy("b").Running() {
		t.Error("enabled isn't obeyed")
	}
	a.call("POST", "/populate", body, 201)
	if a.control.Proxy("a") != first || first.Addr() != addr {
		t.Error("a proxy that is as wanted was replaced")
	}
	a.call("POST", "/populate", strings.ReplaceAll(body, u.addr(), "127.0.0.1:9"), 201)
	if a.control.Proxy("a") == first || a.control.Proxy("a").Upstream() != "127.0.0.1:9" {
		t.Error("a proxy with another upstream wasn't replaced")
	}
	failed := fields(t, a.call("POST", "/populate", `[{"name":"c","listen":"`+a.control.Proxy("a").Addr()+`","upstream":"x:1"}]`, 500))
	if failed["status"] != 500.0 || len(failed["proxies"].([]any)) != 0 {
		t.Errorf("answer %v", failed)
	}
}

func TestControlBounds(t *testing.T) {
	a := newAPI(t)
	for i := range 8 {
		a.call("POST", "/proxies", fmt.Sprintf(`{"name":"p%d","upstream":"a:1","enabled":false}`, i), 201)
	}
	a.call("POST", "/proxies", `{"name":"more","upstream":"a:1","enabled":false}`, 429)
	for i := range 128 {
		a.call("POST", "/proxies/p0/toxics", fmt.Sprintf(`{"name":"t%d","type":"latency"}`, i), 200)
	}
	a.call("POST", "/proxies/p0/toxics", `{"type":"latency"}`, 429)
	must(t, a.control.Close())
	a.call("DELETE", "/proxies/p1", "", 204)
	a.call("POST", "/proxies", `{"name":"late","upstream":"a:1"}`, 500)
}

func TestControlShowsToxicsAsToxiproxyDoes(t *testing.T) {
	a := newAPI(t)
	a.call("POST", "/proxies", `{"name":"p","upstream":"a:1","enabled":false}`, 201)
	for _, row := range []struct{ body, want string }{
		{
			`{"type":"latency","attributes":{"latency":1000,"jitter":null}}`,
			`{"attributes":{"jitter":0,"latency":1000},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}`,
		},
		{
			`{"type":"slicer","name":"s","stream":"upstream","toxicity":0.5,"attributes":{"average_size":64,"size_variation":32,"delay":10}}`,
			`{"attributes":{"average_size":64,"delay":10,"size_variation":32},"name":"s","type":"slicer","stream":"upstream","toxicity":0.5}`,
		},
		{
			`{"type":"loss","attributes":{"loss":0.05}}`,
			`{"attributes":{"loss":0.05},"name":"loss_downstream","type":"loss","stream":"downstream","toxicity":1}`,
		},
		{
			`{"type":"hang","toxicity":0}`,
			`{"attributes":{},"name":"hang_downstream","type":"hang","stream":"downstream","toxicity":0}`,
		},
	} {
		if got := a.call("POST", "/proxies/p/toxics", row.body, 200); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.body, got, row.want)
		}
	}
	got := a.call("PATCH", "/proxies/p/toxics/latency_downstream", `{"attributes":{"jitter":7}}`, 200)
	if want := `{"attributes":{"jitter":7,"latency":1000},"name":"latency_downstream",` +
		`"type":"latency","stream":"downstream","toxicity":1}`; got != want {
		t.Errorf("update: %s", got)
	}
	a.call("DELETE", "/proxies/p/toxics/s", "", 204)
	var listed []struct{ Name string }
	must(t, json.Unmarshal([]byte(a.call("GET", "/proxies/p/toxics", "", 200)), &listed))
	if len(listed) != 3 || listed[0].Name != "latency_downstream" || listed[2].Name != "hang_downstream" {
		t.Errorf("toxics %v", listed)
	}
}

// poisoned returns a working pair of sockets and a function that adds a toxic.
func poisoned(t *testing.T) (a api, p *faultnet.Proxy, u *upstream) {
	t.Helper()
	u = newUpstream(t, "127.0.0.1:0")
	a = newAPI(t)
	a.call("POST", "/proxies", `{"name":"p","upstream":"`+u.addr()+`"}`, 201)
	return a, a.control.Proxy("p"), u
}

func TestToxicLatencyAndBandwidth(t *testing.T) {
	a, p, u := poisoned(t)
	client, server := through(t, p, u)
	a.call("POST", "/proxies/p/toxics", `{"type":"latency","attributes":{"latency":80}}`, 200)
	start := time.Now()
	write(t, server, "x")
	read(t, client, "x")
	if got := time.Since(start); got < 80*time.Millisecond {
		t.Errorf("took %v", got)
	}
	a.call("POST", "/proxies/p/toxics", `{"type":"bandwidth","stream":"upstream","attributes":{"rate":100}}`, 200)
	start = time.Now()
	write(t, client, strings.Repeat("x", 10_000))
	read(t, server, strings.Repeat("x", 10_000))
	if got := time.Since(start); got < 100*time.Millisecond {
		t.Errorf("10,000 bytes at 100 KB/s took %v", got)
	}
}

func TestToxicTimeout(t *testing.T) {
	a, p, u := poisoned(t)
	client, server := through(t, p, u)
	a.call("POST", "/proxies/p/toxics", `{"type":"timeout","attributes":{"timeout":50}}`, 200)
	start := time.Now()
	write(t, server, "dropped")
	if text, err := readError(t, client); text != "" || !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v; want a close", text, err)
	}
	if got := time.Since(start); got < 40*time.Millisecond {
		t.Errorf("closed after %v", got)
	}
	a.call("POST", "/proxies/p/toxics/timeout_downstream", `{"attributes":{"timeout":0}}`, 200)
	client = dialTCP(t, p.Addr())
	write(t, client, "x")
	server = u.next(t)
	read(t, server, "x")
	write(t, server, "dropped")
	silent(t, client, 50*time.Millisecond)
	a.call("DELETE", "/proxies/p/toxics/timeout_downstream", "", 204)
	must(t, client.SetDeadline(time.Now().Add(guard)))
	if text, err := readError(t, client); text != "" || !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v after the removal; want a close", text, err)
	}
}

func TestToxicResetPeerAndLimitData(t *testing.T) {
	a, p, u := poisoned(t)
	client, server := through(t, p, u)
	a.call("POST", "/proxies/p/toxics", `{"type":"reset_peer"}`, 200)
	wantReset(t, client)
	wantReset(t, server)
	a.call("POST", "/reset", "", 204)

	client, server = through(t, p, u)
	a.call("POST", "/proxies/p/toxics", `{"type":"limit_data","attributes":{"bytes":10}}`, 200)
	write(t, server, "1234")
	read(t, client, "1234")
	write(t, server, "567890abcdef")
	if text, err := readError(t, client); text != "567890" || !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v; want the rest of 10 bytes and a close", text, err)
	}
}

func TestToxicSlicerAndSlowClose(t *testing.T) {
	a, p, u := poisoned(t)
	client, server := through(t, p, u)
	before := p.Link().Stats().Segments
	a.call("POST", "/proxies/p/toxics", `{"type":"slicer","attributes":{"average_size":10,"size_variation":2,"delay":100}}`, 200)
	a.call("POST", "/proxies/p/toxics", `{"type":"slow_close","attributes":{"delay":50}}`, 200)
	start := time.Now()
	write(t, server, strings.Repeat("x", 1000))
	must(t, server.Close())
	if text, err := readError(t, client); len(text) != 1000 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v", len(text), err)
	}
	if got := time.Since(start); got < 50*time.Millisecond {
		t.Errorf("closed after %v", got)
	}
	if got := p.Link().Stats().Segments - before; got < 1000/12 || got > 1000/8+2 {
		t.Errorf("%d segments of 8 to 12 bytes for 1000", got)
	}
}

func TestToxicsOfOurs(t *testing.T) {
	a, p, u := poisoned(t)
	client, server := through(t, p, u)
	a.call("POST", "/proxies/p/toxics", `{"type":"stall"}`, 200)
	write(t, server, "held")
	silent(t, client, 50*time.Millisecond)
	a.call("DELETE", "/proxies/p/toxics/stall_downstream", "", 204)
	must(t, client.SetDeadline(time.Now().Add(guard)))
	read(t, client, "held")

	a.call("POST", "/proxies/p/toxics", `{"type":"down","stream":"upstream"}`, 200)
	write(t, client, "late")
	silent(t, server, 50*time.Millisecond)
	a.call("POST", "/reset", "", 204)
	must(t, server.SetDeadline(time.Now().Add(guard)))
	read(t, server, "late")
	if got := p.Link().Stats().Retransmissions; got == 0 {
		t.Error("data came through a cut without a retransmission")
	}

	a.call("POST", "/proxies/p/toxics", `{"type":"strand","stream":"upstream"}`, 200)
	a.call("POST", "/reset", "", 204)
	write(t, client, "lost")
	silent(t, server, 50*time.Millisecond)

	a.call("POST", "/proxies/p/toxics", `{"type":"unreachable"}`, 200)
	wantResetDial(t, p.Addr())
	a.call("POST", "/reset", "", 204)
	a.call("POST", "/proxies/p/toxics", `{"type":"refused"}`, 200)
	if conn, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Errorf("refused: %v", conn)
	}
	a.call("POST", "/reset", "", 204)
	a.call("POST", "/proxies/p/toxics", `{"type":"hang"}`, 200)
	hung := dialTCP(t, p.Addr())
	silent(t, hung, 50*time.Millisecond)
	u.none(t)
}

func TestToxicityIsAShareOfTheConnections(t *testing.T) {
	a, p, u := poisoned(t)
	a.call("POST", "/proxies/p/toxics", `{"type":"unreachable","toxicity":0.5}`, 200)
	const n = 60
	for range n {
		conn, err := net.DialTimeout("tcp", p.Addr(), guard)
		if err == nil { // or reset so early that the dial saw it
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	until(t, "all are dialled", func() bool { return p.Link().Stats().Dials == n })
	var opened int64
	until(t, "what is let through is open", func() bool {
		before := opened
		opened = p.Link().Stats().Conns
		return opened > 0 && opened == before
	})
	if opened < n/5 || opened > n*4/5 {
		t.Errorf("%d of %d connections passed a toxicity of 0.5", opened, n)
	}
	if got := int64(len(u.conns)); got > opened {
		t.Errorf("%d connections reached the upstream, more than the %d that were let through", got, opened)
	}
}
