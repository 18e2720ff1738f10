package faultnet_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/faultnet"
)

func TestControlShowsHTTPToxics(t *testing.T) {
	a := newAPI(t)
	a.call("POST", "/proxies", `{"name":"p","upstream":"127.0.0.1:1","enabled":false}`, 201)
	const all = `"limit":0,"method":"","path":""`
	for _, row := range [][2]string{ // type and attributes sent, attributes shown
		{`"http_status"`, `"body":"","headers":{},` + all + `,"retry_after":0,"retry_after_date":false,"status":503,"upgrades":false`},
		{
			`"http_status","attributes":{"status":429,"retry_after":3,"retry_after_date":true,"headers":{"x-a":"b"},"body":"c","limit":2,"path":"/p","method":"POST","upgrades":true}`,
			`"body":"c","headers":{"X-A":"b"},"limit":2,"method":"POST","path":"/p","retry_after":3,"retry_after_date":true,"status":429,"upgrades":true`,
		},
		{`"http_token_expired"`, all + `,"upgrades":false`},
		{`"http_captive_portal"`, `"location":"http://portal.invalid/login",` + all + `,"status":200,"upgrades":false`},
		{`"http_request_lost"`, `"hang":false,` + all},
		{`"http_reply_lost","attributes":{"hang":true}`, `"hang":true,` + all},
		{`"http_slow_body"`, `"bytes_per_second":1024,` + all},
		{`"http_cut_body","attributes":{"bytes":7}`, `"bytes":7,` + all},
		{`"http_date","attributes":{"skew":-60}`, all + `,"skew":-60`},
	} {
		got := a.call("POST", "/proxies/p/toxics", `{"name":"t","toxicity":0.5,"type":`+row[0]+`}`, 200)
		kind := row[0][:strings.Index(row[0][1:], `"`)+2]
		want := `{"attributes":{` + row[1] + `},"name":"t","type":` + kind + `,"stream":"downstream","toxicity":0.5,"injected":0}`
		if !sameJSON(t, got, want) {
			t.Errorf("toxic\n%s, want\n%s", got, want)
		}
		if list := a.call("GET", "/proxies/p/toxics", "", 200); !sameJSON(t, list, "["+want+"]") {
			t.Errorf("list %s", list)
		}
		a.call("DELETE", "/proxies/p/toxics/t", "", 204)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var decoded [2]any
	for i, text := range []string{a, b} {
		must(t, json.Unmarshal([]byte(text), &decoded[i]))
	}
	x, err := json.Marshal(decoded[0])
	must(t, err)
	y, err := json.Marshal(decoded[1])
	must(t, err)
	return string(x) == string(y)
}

func TestControlChangesHTTPToxics(t *testing.T) {
	s := newRealSite(t)
	s.control = faultnet.NewControl(faultnet.ControlOptions{})
	must(t, s.control.Add(s.proxy))
	a := api{t, s.control}
	status := func() int {
		resp, _, err := s.do(t.Context(), "GET", "/", "")
		must(t, err)
		return resp.StatusCode
	}
	a.call("POST", "/proxies/test/toxics", `{"name":"t","type":"http_status","attributes":{"limit":2}}`, 200)
	for _, want := range []int{503, 503, 200} {
		if got := status(); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	a.call("PATCH", "/proxies/test/toxics/t", `{"attributes":{"limit":3,"status":502}}`, 200)
	for _, want := range []int{502, 200} {
		if got := status(); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	a.call("PATCH", "/proxies/test/toxics/t", `{"toxicity":0,"attributes":{"limit":0}}`, 200)
	if got := status(); got != 200 {
		t.Errorf("status %d at toxicity 0", got)
	}
	a.call("PATCH", "/proxies/test/toxics/t", `{"toxicity":1}`, 200)
	if got := status(); got != 502 {
		t.Errorf("status %d at toxicity 1", got)
	}
	if got := fields(t, a.call("GET", "/proxies/test/toxics/t", "", 200)); got["injected"] != 4.0 {
		t.Errorf("toxic %v, want 4 injected", got)
	}
	a.call("POST", "/reset", "", 204)
	if got := status(); got != 200 {
		t.Errorf("status %d after the reset", got)
	}
}

func TestControlRefusesHTTPToxics(t *testing.T) {
	a := newAPI(t)
	a.call("POST", "/proxies", `{"name":"p","upstream":"127.0.0.1:1","enabled":false}`, 201)
	a.call("POST", "/proxies/p/toxics", `{"name":"t","type":"http_status"}`, 200)
	for _, attributes := range []string{
		`{"status":101}`, `{"status":600}`, `{"status":"503"}`, `{"status":503.5}`, `{"headers":{"A B":"c"}}`, `{"headers":{"A":"b\nC: d"}}`,
		`{"headers":{"Content-Length":"1"}}`, `{"headers":[]}`, `{"retry_after":-1}`, `{"retry_after":86401}`, `{"retry_after_date":1}`,
		`{"method":"A B"}`, `{"path":"a"}`, `{"limit":-1}`, `{"hang":true}`, `{"body":1}`,
	} {
		a.call("PATCH", "/proxies/p/toxics/t", `{"attributes":`+attributes+`}`, 400)
	}
	for _, toxic := range []string{
		`"http_nuke"`, `"http_captive_portal","attributes":{"status":404}`, `"http_captive_portal","attributes":{"location":"\r"}`,
		`"http_slow_body","attributes":{"bytes_per_second":0}`, `"http_cut_body","attributes":{"bytes":-1}`, `"http_date","attributes":{"skew":1e12}`,
		`"http_request_lost","attributes":{"hang":"yes"}`, `"http_reply_lost","attributes":{"upgrades":true}`, `"http_captive_portal","attributes":{"upgrades":1}`,
	} {
		a.call("POST", "/proxies/p/toxics", `{"name":"u","type":`+toxic+`}`, 400)
	}
	if got := fields(t, a.call("GET", "/proxies/p/toxics/t", "", 200)); got["attributes"].(map[string]any)["status"] != 503.0 {
		t.Errorf("toxic %v after refused changes", got)
	}
}

// FuzzHTTPToxic adds any toxic: it is refused, or shown in a form that can be added again and is shown the same.
func FuzzHTTPToxic(f *testing.F) {
	for _, seed := range []string{
		`{"type":"http_status","attributes":{"status":429,"retry_after":3,"headers":{"a":"b"},"body":"c"}}`,
		`{"type":"http_captive_portal","attributes":{"status":302,"location":"https://x/"}}`,
		`{"type":"http_date","toxicity":0.5,"attributes":{"skew":-1,"method":"GET","path":"/a/*/","limit":9}}`,
		`{"type":"http_request_lost","attributes":{"hang":null}}`, `{"type":"loss","attributes":{"loss":0.1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, toxic string) {
		c := faultnet.NewControl(faultnet.ControlOptions{})
		defer c.Close()
		p, err := faultnet.NewProxy(faultnet.ProxyOptions{Name: "p", Upstream: "127.0.0.1:9"})
		must(t, err)
		must(t, c.Add(p))
		post := func(body string) (int, string) {
			w := httptest.NewRecorder()
			c.ServeHTTP(w, httptest.NewRequest("POST", "/proxies/p/toxics", strings.NewReader(body)))
			return w.Code, w.Body.String()
		}
		code, shown := post(toxic)
		if code >= 500 {
			t.Fatalf("%s: %d %s", toxic, code, shown)
		}
		if code != 200 {
			return
		}
		var named struct{ Name string }
		must(t, json.Unmarshal([]byte(shown), &named))
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/proxies/p/toxics/"+url.PathEscape(named.Name), nil))
		if code, again := post(shown); code != 200 || !sameJSON(t, shown, again) {
			t.Errorf("%s is shown as %s, then as %d %s", toxic, shown, code, again)
		}
	})
}
