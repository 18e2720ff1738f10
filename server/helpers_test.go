package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// cheap is an argon2id cost for tests.
var cheap = server.Argon{Time: 1, MemoryKiB: 64, Threads: 1}

const password = "correct horse"

var testKey = bytes.Repeat([]byte("k"), 32)

// house is a server with its store and the users alice, bob and eve.
type house struct {
	t     *testing.T
	s     *server.Server
	store server.Store
	log   *bytes.Buffer // read it after the server has stopped

	secrets []string // tokens that must not be in the log
}

// open makes a house that isn't started. Change what you like of the configuration.
func open(t *testing.T, store server.Store, change func(*server.Config)) *house {
	t.Helper()
	h := &house{t: t, store: store, log: &bytes.Buffer{}}
	cfg := server.Config{
		Store: store, Key: testKey, Argon: cheap, Rand: rand.New(rand.NewPCG(1, 2)),
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if h.s, err = server.New(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// start makes a running house that ends with the test.
func start(t *testing.T, change func(*server.Config)) *house {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := open(t, db, change)
	h.populate()
	if err := h.s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.s.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
		for _, secret := range append(h.secrets, password) {
			if strings.Contains(h.log.String(), secret) {
				t.Error("a secret is in the log")
			}
		}
	})
	return h
}

// still makes a house that answers but runs nothing, so that weeks of virtual time pass in no time.
func still(t *testing.T, change func(*server.Config)) *house {
	t.Helper()
	db, err := sqlite.OpenMemory(context.Background(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := open(t, db, change)
	h.populate()
	return h
}

func (h *house) populate() {
	h.t.Helper()
	for _, u := range []string{"alice", "bob", "eve"} {
		if err := h.s.AddUser(context.Background(), u, password); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := h.s.AddChannel(context.Background(), "secret", true, []string{"alice", "bob"}); err != nil {
		h.t.Fatal(err)
	}
}

// answer is a reply to call.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	problem wire.Problem
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
}

// call asks the handler. body is a string as it is, or anything else as JSON.
func (h *house) call(method, path, token string, body any, headers ...string) answer {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req := httptest.NewRequest(method, path, r)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if from := req.Header.Get("From-Address"); from != "" {
		req.RemoteAddr = from
	}
	rec := httptest.NewRecorder()
	h.s.Handler().ServeHTTP(rec, req)
	return h.check(rec)
}

// check looks at what every reply has to have.
func (h *house) check(rec *httptest.ResponseRecorder) answer {
	h.t.Helper()
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	var limits wire.Limits
	if err := json.Unmarshal([]byte(a.header.Get(wire.HeaderLimits)), &limits); err != nil || limits.TextBytes == 0 {
		h.t.Errorf("limits header %q: %v", a.header.Get(wire.HeaderLimits), err)
	}
	if a.header.Get(wire.HeaderAPI) != fmt.Sprint(wire.APIVersion) || a.header.Get(wire.HeaderCapabilities) == "" {
		h.t.Errorf("headers %v", a.header)
	}
	if a.status >= 400 {
		if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
			h.t.Fatalf("status %d with content type %q: %s", a.status, ct, a.body)
		}
		a.into(h.t, &a.problem)
		if a.problem.Code == "" || a.problem.Status != a.status || a.problem.Title == "" {
			h.t.Errorf("problem %s with status %d", a.body, a.status)
		}
		if later := a.problem.RetryAfterMS > 0; later != (a.header.Get("Retry-After") != "") {
			h.t.Errorf("Retry-After %q, retryAfterMs %d", a.header.Get("Retry-After"), a.problem.RetryAfterMS)
		}
	}
	return a
}

// expect calls and wants a problem's code, or "" for a good reply.
func (h *house) expect(code, method, path, token string, body any, headers ...string) answer {
	h.t.Helper()
	a := h.call(method, path, token, body, headers...)
	if a.problem.Code != code || (code == "" && a.status >= 400) {
		h.t.Fatalf("%s %s: status %d, %s; want %q", method, path, a.status, a.body, code)
	}
	return a
}

func (h *house) login(user, device string) wire.TokenReply {
	h.t.Helper()
	var out wire.TokenReply
	h.expect("", "POST", "/api/auth/login", "", wire.LoginRequest{User: user, Password: password, Device: device}).into(h.t, &out)
	h.secrets = append(h.secrets, out.Token, out.RefreshToken)
	return out
}

// refresh trades a refresh token and wants it to work.
func (h *house) refresh(token string, headers ...string) wire.TokenReply {
	h.t.Helper()
	var out wire.TokenReply
	h.expect("", "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: token}, headers...).into(h.t, &out)
	h.secrets = append(h.secrets, out.Token, out.RefreshToken)
	return out
}

// refused trades a refresh token and wants it to be no good.
func (h *house) refused(token string, headers ...string) {
	h.t.Helper()
	h.secrets = append(h.secrets, token)
	a := h.expect(wire.CodeInvalidGrant, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: token}, headers...)
	if a.status != 401 || a.problem.RetryAfterMS != 0 {
		h.t.Fatalf("%d %s", a.status, a.body)
	}
}

// counted tells a metric's value, or "" if it isn't there.
func (h *house) counted(metric string) string {
	rec := httptest.NewRecorder()
	h.s.AdminHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if v, ok := strings.CutPrefix(line, metric+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// token signs a user in and gives the access token.
func (h *house) token(user string) string {
	h.t.Helper()
	return h.login(user, user+"-phone").Token
}

// id makes the n-th message id.
func id(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

func text(n int) wire.SendRequest {
	return wire.SendRequest{ID: id(n), Text: fmt.Sprint("text ", n)}
}
