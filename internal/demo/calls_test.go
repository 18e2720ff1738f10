package demo_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/demo"
)

func header(key, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Set(key, value) }
}

// refusals are requests that have to be refused.
var refusals = []struct {
	name, method, path, body string
	change                   func(*http.Request)
	status                   int
	code                     string
}{
	{"no token", "GET", "state", "", func(q *http.Request) { q.Header.Del("Authorization") }, 401, "unauthorized"},
	{"a wrong token", "GET", "state", "", header("Authorization", "Bearer wrong"), 401, "unauthorized"},
	{"a wrong token that does something", "POST", "clients/ada/reset", "{}", header("Authorization", "Bearer wrong"), 401, "unauthorized"},
	{"a wrong token for an agent", "GET", "../../ada/v1/state", "", header("Authorization", "Bearer wrong"), 401, "unauthorized"},
	{"a foreign origin", "GET", "state", "", header("Origin", "https://evil.example"), 403, "foreign_origin"},
	{"a foreign origin that does something", "POST", "server", `{"running":false}`, header("Origin", "https://evil.example"), 403, "foreign_origin"},
	{"another port of this machine", "GET", "state", "", header("Origin", "http://localhost:3000"), 403, "foreign_origin"},
	{"a foreign host", "GET", "state", "", func(q *http.Request) { q.Host = "evil.example" }, 421, "foreign_host"},
	{"a foreign host, the page", "GET", "../../", "", func(q *http.Request) { q.Host = "evil.example" }, 421, "foreign_host"},
	{"a foreign host for an agent", "GET", "../../bob/v1/state", "", func(q *http.Request) { q.Host = "evil.example" }, 421, "foreign_host"},
	{"a form", "POST", "clients/ada/reset", "{}", header("Content-Type", "text/plain"), 415, "bad_request"},
	{"GET on a POST", "GET", "talk", "", nil, 405, "method_not_allowed"},
	{"GET on a client's", "GET", "clients/ada/reset", "", nil, 405, "method_not_allowed"},
	{"POST on a GET", "POST", "state", "{}", nil, 405, "method_not_allowed"},
	{"no such call", "GET", "nothing", "", nil, 404, "not_found"},
	{"no such call of a client", "POST", "clients/ada/nothing", "{}", nil, 404, "not_found"},
	{"no such page", "GET", "../../nothing", "", nil, 404, "not_found"},
	{"an unknown client", "POST", "clients/eve/link", "{}", nil, 404, "not_found"},
	{"an unknown client to reset", "POST", "clients/eve/reset", "{}", nil, 404, "not_found"},
	{"an unknown client, half-open", "POST", "clients/eve/half-open", `{"direction":"up"}`, nil, 404, "not_found"},
	{"an unknown client, busy", "POST", "clients/eve/busy", "{}", nil, 404, "not_found"},
	{"an unknown client, expire", "POST", "clients/eve/expire", "{}", nil, 404, "not_found"},
	{"an unknown client, heal", "POST", "clients/eve/heal", "{}", nil, 404, "not_found"},
	{"an unknown scenario", "POST", "play", `{"scenario":"0"}`, nil, 404, "not_found"},
	{"no scenario", "POST", "play", `{}`, nil, 404, "not_found"},
	{"a negative delay", "POST", "clients/ada/link", `{"latencyMs":-1}`, nil, 400, "bad_request"},
	{"a long delay", "POST", "clients/ada/link", `{"latencyMs":10001}`, nil, 400, "bad_request"},
	{"half a millisecond", "POST", "clients/ada/link", `{"latencyMs":0.5}`, nil, 400, "bad_request"},
	{"a negative loss", "POST", "clients/ada/link", `{"lossPct":-0.1}`, nil, 400, "bad_request"},
	{"too much loss", "POST", "clients/ada/link", `{"cut":true,"lossPct":90.1}`, nil, 400, "bad_request"},
	{"a negative rate", "POST", "clients/ada/link", `{"rateKbps":-1}`, nil, 400, "bad_request"},
	{"too high a rate", "POST", "clients/ada/link", `{"rateKbps":1000001}`, nil, 400, "bad_request"},
	{"a word for a number", "POST", "clients/ada/link", `{"latencyMs":"60"}`, nil, 400, "bad_request"},
	{"a field that isn't known", "POST", "clients/ada/link", `{"cut":true,"jitterMs":1}`, nil, 400, "bad_request"},
	{"a field where there is none", "POST", "clients/ada/reset", `{"hard":true}`, nil, 400, "bad_request"},
	{"no direction", "POST", "clients/ada/half-open", `{}`, nil, 400, "bad_request"},
	{"another direction", "POST", "clients/ada/half-open", `{"direction":"left"}`, nil, 400, "bad_request"},
	{"running or not", "POST", "server", `{}`, nil, 400, "bad_request"},
	{"on or not", "POST", "talk", `{}`, nil, 400, "bad_request"},
	{"no JSON", "POST", "talk", "on", nil, 400, "bad_request"},
	{"no body", "POST", "stop", "", nil, 400, "bad_request"},
	{"two objects", "POST", "stop", "{}{}", nil, 400, "bad_request"},
	{"a long body", "POST", "play", `{"scenario":"` + strings.Repeat("x", 200<<10) + `"}`, nil, 413, "too_large"},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	before := r.state()
	for _, c := range refusals {
		change := c.change
		if change == nil {
			change = func(*http.Request) {}
		}
		path, outside := strings.CutPrefix(c.path, "../..")
		if !outside {
			path = "/demo/v1/" + path
		}
		res, text := r.ask(c.method, path, c.body, change)
		var p agent.Problem
		err := json.Unmarshal([]byte(text), &p)
		switch {
		case err != nil || res.StatusCode != c.status || p.Status != c.status || p.Code != c.code || p.Title == "" || p.Detail == "":
			t.Errorf("%s: %s %s; wanted %d %s", c.name, res.Status, text, c.status, c.code)
		case res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store":
			t.Errorf("%s: header %v", c.name, res.Header)
		case strings.Contains(text, r.demo.Token()):
			t.Errorf("%s: the token is in %s", c.name, text)
		}
	}
	if after := r.state(); after.Seq != before.Seq {
		t.Errorf("something was done: %+v", after)
	}
}
