package server_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// fuzzHouse is a running house for fuzz targets, which have no *testing.T before they run.
func fuzzHouse(f *testing.F) *house {
	f.Helper()
	db, err := sqlite.OpenMemory(f.Context(), f.Name())
	if err != nil {
		f.Fatal(err)
	}
	s, err := server.New(server.Config{Store: db, Key: testKey, Argon: cheap})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.AddUser(f.Context(), "alice", password); err != nil {
		f.Fatal(err)
	}
	if err := s.Start(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Kill(); err != nil {
			f.Errorf("kill: %v", err)
		}
		_ = db.Close()
	})
	return &house{t: &testing.T{}, s: s, store: db}
}

func TestConfig(t *testing.T) {
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, c := range map[string]struct {
		cfg  server.Config
		want string
	}{
		"no store":   {server.Config{Key: testKey}, "Store"},
		"short key":  {server.Config{Store: db, Key: testKey[:31]}, "31 bytes"},
		"bad origin": {server.Config{Store: db, Key: testKey, AllowedOrigins: []string{"example.com"}}, "example.com"},
		"bad argon":  {server.Config{Store: db, Key: testKey, Argon: server.Argon{Time: 1}}, "argon2id"},
	} {
		if _, err := server.New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPing(t *testing.T) {
	h := start(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		a := h.expect("", method, "/api/health/ping?c=abc-123", "", nil, "Origin", "https://elsewhere.example")
		if a.status != 204 || a.header.Get("Cache-Control") != "no-store" || a.header.Get(wire.HeaderChallenge) != "abc-123" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	if a := h.expect("", "GET", "/api/health/ping", "", nil); a.header.Values(wire.HeaderChallenge) != nil {
		t.Errorf("challenge out of nothing: %v", a.header)
	}
	for _, c := range []string{"a%0d%0aSet-Cookie:x", "%c3%a4", "a%20b", strings.Repeat("x", 129)} {
		h.expect(wire.CodeBadRequest, "GET", "/api/health/ping?c="+c, "", nil)
	}
	h.expect(wire.CodeMethodNotAllowed, "POST", "/api/health/ping", "", nil)
}

// TestRepliesTellTheServersTime: a client that measures the path takes it out. How long a password was looked at isn't told.
func TestRepliesTellTheServersTime(t *testing.T) {
	h := start(t, nil)
	told := h.expect("", "GET", "/api/health/ping", "", nil).header.Get("Server-Timing")
	ms, err := strconv.ParseFloat(strings.TrimPrefix(told, "app;dur="), 64)
	if err != nil || ms < 0 || ms > 10_000 {
		t.Errorf("Server-Timing of a ping: %q", told)
	}
	login := h.expect(wire.CodeBadCredentials, "POST", "/api/auth/login", "", wire.LoginRequest{User: "nobody", Password: "wrong", Device: "d"})
	if told := login.header.Get("Server-Timing"); told != "" {
		t.Errorf("Server-Timing of a login: %q", told)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	h := start(t, nil)
	for _, path := range []string{"/", "/api", "/api/", "/api/nothing", "/api/auth/login/x", "/api/channels/x", "/metrics", "/connection"} {
		h.expect(wire.CodeNotFound, "GET", path, "", nil)
	}
	for path, allow := range map[string]string{
		"/api/auth/login":                "POST",
		"/api/auth/refresh":              "POST",
		"/api/auth/logout":               "POST",
		"/api/channels":                  "POST",
		"/api/channels/general/messages": "GET, POST, HEAD",
		"/healthz":                       "GET, HEAD",
		"/connection/http_stream":        "POST",
		"/emulation":                     "POST",
	} {
		a := h.expect(wire.CodeMethodNotAllowed, "DELETE", path, "", nil)
		got, want := strings.Split(a.header.Get("Allow"), ", "), strings.Split("OPTIONS, "+allow, ", ")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s allows %v, want %v", path, got, want)
		}
	}
	h.expect(wire.CodeBadRequest, "GET", "/connection/websocket", "", nil)
}

func TestOrigin(t *testing.T) {
	h := start(t, func(c *server.Config) { c.AllowedOrigins = []string{"https://app.example.com"} })
	alice := h.token("alice")
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, c := range []struct {
		origin string
		ok     bool
	}{
		{"", true},
		{"https://example.com", true}, // httptest's Host
		{"https://EXAMPLE.com", true},
		{"https://app.example.com", true},
		{"https://app.example.com.evil.org", false},
		{"http://app.example.com", false},
		{"https://evil.org", false},
		{"null", false},
		{"%", false},
	} {
		head := []string{"Host", "example.com"}
		if c.origin != "" {
			head = append(head, "Origin", c.origin)
		}
		if a := h.call("GET", general, alice, nil, head...); (a.status == 200) != c.ok || (!c.ok && a.problem.Code != wire.CodeForbidden) {
			t.Errorf("API from %q: %d", c.origin, a.status)
		}
		for _, path := range []string{"/connection/websocket", "/connection/http_stream", "/emulation"} {
			req := httptest.NewRequest(map[bool]string{true: "GET", false: "POST"}[strings.HasSuffix(path, "websocket")], path, strings.NewReader(""))
			all := append(append([]string{}, head...), upgrade...)
			for i := 0; i < len(all); i += 2 {
				req.Header.Set(all[i], all[i+1])
			}
			rec := httptest.NewRecorder() // it can't be hijacked: a handshake that is let through ends with 500
			if path == "/connection/http_stream" && c.ok {
				continue // it would stream
			}
			h.s.Handler().ServeHTTP(rec, req)
			if (rec.Code == http.StatusForbidden) == c.ok {
				t.Errorf("%s from %q: %d", path, c.origin, rec.Code)
			}
		}
	}
	for origin, want := range map[string]string{"https://app.example.com": "https://app.example.com", "https://evil.example": ""} {
		ping := h.call("GET", "/api/health/ping?c=1", "", nil, "Origin", origin)
		if got := ping.header.Get("Timing-Allow-Origin"); ping.status != 204 || got != want {
			t.Errorf("ping from %s: %d, its times are for %q", origin, ping.status, got)
		}
	}
	a := h.call("OPTIONS", general, "", nil, "Origin", "https://app.example.com")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
}

func TestAdmin(t *testing.T) {
	h := start(t, nil)
	h.expect("", "POST", general, h.token("alice"), text(1))
	get := func(path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.s.AdminHandler().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		return rec
	}
	if m := get("/metrics").Body.String(); !strings.Contains(m, `chatsdk_messages_total{outcome="stored"} 1`) || !strings.Contains(m, "centrifuge_") {
		t.Errorf("metrics:\n%.2000s", m)
	}
	if get("/healthz").Code != 200 || get("/readyz").Code != 200 || get("/api/health/ping").Code != 404 {
		t.Error("admin routes")
	}
}

func TestBeforeStart(t *testing.T) {
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	h := open(t, db, nil)
	h.expect(wire.CodeUnavailable, "GET", "/readyz", "", nil)
	h.expect("", "GET", "/healthz", "", nil)
	h.expect(wire.CodeUnavailable, "GET", "/connection/websocket", "", nil)
	if err := h.s.Shutdown(t.Context()); err != nil {
		t.Fatalf("shutdown without start: %v", err)
	}
	if err := h.s.Start(t.Context()); err == nil {
		t.Fatal("started after its end")
	}
}
