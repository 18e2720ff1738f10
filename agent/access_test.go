package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/agent"
)

// refusal is a request that has to be refused.
type refusal struct {
	name, method, path, body string
	change                   func(*http.Request)
	status                   int
	code                     string
}

func header(key, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Set(key, value) }
}

func host(name string) func(*http.Request) { return func(q *http.Request) { q.Host = name } }

var refusals = []refusal{
	{"no token", "GET", "/v1/state", "", func(q *http.Request) { q.Header.Del("Authorization") }, 401, "unauthorized"},
	{"a wrong token", "GET", "/v1/state", "", header("Authorization", "Bearer wrong"), 401, "unauthorized"},
	{"an empty token", "GET", "/v1/events", "", header("Authorization", "Bearer "), 401, "unauthorized"},
	{"another scheme", "GET", "/v1/state", "", func(q *http.Request) {
		q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "Bearer", "Basic", 1))
	}, 401, "unauthorized"},
	{"no token, no such call", "GET", "/v1/nothing", "", func(q *http.Request) { q.Header.Del("Authorization") }, 401, "unauthorized"},
	{"a rebound name", "GET", "/v1/state", "", host("evil.example:80"), 421, "foreign_host"},
	{"a rebound name, the page", "GET", "/", "", host("evil.example"), 421, "foreign_host"},
	{"a name like ours", "GET", "/v1/state", "", host("localhost.evil.example"), 421, "foreign_host"},
	{"a number like ours", "GET", "/v1/state", "", host("127.0.0.1.evil.example"), 421, "foreign_host"},
	{"another machine", "GET", "/v1/state", "", host("192.168.1.7:80"), 421, "foreign_host"},
	{"any machine", "GET", "/v1/state", "", host("0.0.0.0:80"), 421, "foreign_host"},
	{"a foreign origin", "GET", "/v1/state", "", header("Origin", "https://evil.example"), 403, "foreign_origin"},
	{"a page without an origin", "GET", "/v1/state", "", header("Origin", "null"), 403, "foreign_origin"},
	{"another port of this machine", "GET", "/v1/state", "", header("Origin", "http://localhost:3000"), 403, "foreign_origin"},
	{"a foreign origin asks beforehand", "OPTIONS", "/v1/state", "", header("Origin", "https://evil.example"), 403, "foreign_origin"},
	{"a form", "POST", "/v1/messages", "{}", header("Content-Type", "text/plain"), 415, "bad_request"},
	{"a form with a file", "POST", "/v1/uploads?channel=x&name=y", "{}", header("Content-Type", "multipart/form-data"), 415, "bad_request"},
	{"no type", "POST", "/v1/outbox/x/cancel", "{}", func(q *http.Request) { q.Header.Del("Content-Type") }, 415, "bad_request"},
	{"no JSON", "POST", "/v1/messages", "hello", nil, 400, "bad_request"},
	{"no object", "POST", "/v1/messages", "[]", nil, 400, "bad_request"},
	{"nothing", "POST", "/v1/messages", "", nil, 400, "bad_request"},
	{"half an object", "POST", "/v1/messages", `{"channel":"general"`, nil, 400, "bad_request"},
	{"two objects", "POST", "/v1/messages", `{"channel":"general","text":"x"}{}`, nil, 400, "bad_request"},
	{"a field that isn't known", "POST", "/v1/messages", `{"channel":"general","text":"x","to":"bob"}`, nil, 400, "bad_request"},
	{"another type of a field", "POST", "/v1/messages", `{"channel":"general","text":7}`, nil, 400, "bad_request"},
	{"no channel", "POST", "/v1/messages", `{"channel":"No Such!","text":"x"}`, nil, 400, "bad_request"},
	{"no id", "POST", "/v1/messages", `{"channel":"general","text":"x","id":"7"}`, nil, 400, "bad_request"},
	{"too long a text", "POST", "/v1/messages", fmt.Sprintf(`{"channel":"general","text":"%s"}`, strings.Repeat("x", 20<<10)), nil, 400, "bad_request"},
	{"too long a body", "POST", "/v1/messages", fmt.Sprintf(`{"channel":"general","text":"%s"}`, strings.Repeat("x", 200<<10)), nil, 413, "too_large"},
	{"no such entry", "POST", "/v1/outbox/0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182/cancel", "{}", nil, 404, "not_found"},
	{"no id of an entry", "POST", "/v1/outbox/gone/retry", "{}", nil, 404, "not_found"},
	{"an entry without a body", "POST", "/v1/outbox/gone/retry", "", nil, 400, "bad_request"},
	{"no such call", "GET", "/v1/nothing", "", nil, 404, "not_found"},
	{"no such page", "GET", "/secret", "", nil, 404, "not_found"},
	{"another method", "DELETE", "/v1/state", "", nil, 405, "method_not_allowed"},
	{"a channel that isn't followed", "GET", "/v1/messages?channel=other", "", nil, 404, "not_found"},
	{"no number", "GET", "/v1/messages?channel=general&after=x", "", nil, 400, "bad_request"},
	{"a file without a name", "POST", "/v1/uploads?channel=general", "x", header("Content-Type", "application/octet-stream"), 400, "bad_request"},
	{"a file without a length", "POST", "/v1/uploads?channel=general&name=f", "x", func(q *http.Request) {
		q.Header.Set("Content-Type", "application/octet-stream")
		q.ContentLength = -1
	}, 411, "bad_request"},
	{"too big a file", "POST", "/v1/uploads?channel=general&name=f", strings.Repeat("x", 2000), header("Content-Type", "application/octet-stream"), 413, "too_large"},
	{"too many files", "POST", "/v1/uploads?channel=general&name=f", strings.Repeat("x", 900), header("Content-Type", "application/octet-stream"), 507, "full"},
	{"a file for no channel", "POST", "/v1/uploads?channel=No&name=f", "x", header("Content-Type", "application/octet-stream"), 400, "bad_request"},
}

// refuse makes the request, and says what is wrong with the answer.
func (r *rig) refuse(c refusal) error {
	change := c.change
	if change == nil {
		change = func(*http.Request) {}
	}
	res, text := r.ask(c.method, c.path, c.body, change)
	var p agent.Problem
	err := json.Unmarshal([]byte(text), &p)
	switch {
	case res.StatusCode != c.status || err != nil || p.Code != c.code || p.Status != c.status || p.Title == "" || p.Detail == "":
		return fmt.Errorf("%s: %s %s; wanted %d %s", c.name, res.Status, text, c.status, c.code)
	case res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Cache-Control") != "no-store":
		return fmt.Errorf("%s: header %v", c.name, res.Header)
	case res.Header.Get("Access-Control-Allow-Origin") != "":
		return fmt.Errorf("%s: other pages may read it", c.name)
	case strings.Contains(text, r.agent.Token()):
		return fmt.Errorf("%s: the token is in %s", c.name, text)
	}
	return nil
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	within(t, agent.Options{MaxUpload: 1000, MaxSpool: 800, Dir: dir}, func(t *testing.T, r *rig) {
		for _, c := range refusals {
			if err := r.refuse(c); err != nil {
				t.Error(err)
			}
		}
		if s := r.state(); s.Outbox.Queued+s.Outbox.Sending+s.Outbox.Parked != 0 {
			t.Errorf("something was queued: %+v", s.Outbox)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("files are left: %v, %v", left, err)
		}
	})
}

func TestPlantedMistakesOfTheDoorAreFound(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		for b, name := range map[agent.Bug]string{agent.BugAnyHost: "a rebound name", agent.BugAnyOrigin: "a foreign origin"} {
			undo := agent.Plant(b)
			for _, c := range refusals {
				if err := r.refuse(c); c.name == name && err == nil {
					t.Errorf("%s isn't found", name)
				}
			}
			undo()
		}
	})
}

func TestOwnNames(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		for _, name := range []string{"localhost", "LOCALHOST:7411", "127.0.0.1:7411", "127.0.0.2", "[::1]:7411", "[::1]"} {
			own := func(q *http.Request) { q.Host = name; q.Header.Set("Origin", "http://"+name) }
			if res, _ := r.ask(http.MethodGet, "/v1/state", "", own); res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", name, res.Status)
			}
		}
	})
}

func TestAllowedOrigins(t *testing.T) {
	const page = "https://desk.example"
	for _, allowed := range []string{page, "*"} {
		within(t, agent.Options{Origins: []string{allowed}}, func(t *testing.T, r *rig) {
			res, _ := r.ask(http.MethodOptions, "/v1/messages", "", header("Origin", page), func(q *http.Request) { q.Header.Del("Authorization") })
			if got := res.Header.Get("Access-Control-Allow-Headers"); res.StatusCode != http.StatusNoContent || got != "authorization, content-type" {
				t.Errorf("asking beforehand: %s, %q", res.Status, got)
			}
			res, _ = r.ask(http.MethodGet, "/v1/state", "", header("Origin", page))
			if got := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != http.StatusOK || got != page || res.Header.Get("Vary") != "Origin" {
				t.Errorf("asking: %s, for %q", res.Status, got)
			}
			res, _ = r.ask(http.MethodGet, "/v1/state", "", header("Origin", page), header("Authorization", "Bearer x"))
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("asking without the token: %s", res.Status)
			}
			if res, _ := r.ask(http.MethodGet, "/v1/state", "", header("Origin", "https://evil.example")); allowed != "*" && res.StatusCode != http.StatusForbidden {
				t.Errorf("another page: %s", res.Status)
			}
		})
	}
	for _, wrong := range []string{"desk.example", "https://desk.example/", "https://", "https://*"} {
		within(t, agent.Options{}, func(t *testing.T, r *rig) {
			if _, err := agent.New(agent.Options{Client: r.ada.Chat, Origins: []string{wrong}}); err == nil {
				t.Errorf("%s is taken for an origin", wrong)
			}
		})
	}
}

func TestListenIsForThisMachine(t *testing.T) {
	for _, addr := range []string{"", ":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80", "7411", "127.0.0.1", "unix:"} {
		ln, err := agent.Listen(addr)
		if !errors.Is(err, agent.ErrNotLocal) {
			t.Errorf("%q: %v", addr, err)
		}
		if err == nil {
			_ = ln.Close()
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		ln, err := agent.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := agent.Address(ln); !strings.HasPrefix(got, "http://127.0.0.1:") {
			t.Errorf("%s listens on %s", addr, got)
		}
		_ = ln.Close()
	}
}

func TestUnixSocketOfADeadAgentIsTaken(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its sockets have no rights")
	}
	addr := "unix:" + filepath.Join(t.TempDir(), "s")
	ln, err := agent.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	if agent.Address(ln) != addr {
		t.Errorf("%s listens on %s", addr, agent.Address(ln))
	}
	if second, err := agent.Listen(addr); err == nil {
		_ = second.Close()
		t.Error("two listen on one socket")
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // as a killed process leaves it
	_ = ln.Close()
	if ln, err = agent.Listen(addr); err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
}
