package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/token"
)

const (
	home       = "http://chat.test"
	testAPIKey = "s3cret-api-key"
)

// wiretap hands requests to a handler without a network. It notes every token that a reply holds, whether that arrives
// or not, and every request that brings a secret to another host.
type wiretap struct {
	handler http.Handler

	mu     sync.Mutex // guards what follows
	tokens []string
	astray []string
}

func (w *wiretap) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.URL.String(), home+"/") {
		w.mu.Lock()
		defer w.mu.Unlock()
		if req.Header.Get("Authorization")+req.Header.Get("X-Api-Key") != "" || req.URL.RawQuery != "" {
			w.astray = append(w.astray, req.URL.String())
		}
		return nil, errors.New("no such host")
	}
	in := httptest.NewRequestWithContext(req.Context(), req.Method, req.URL.String(), http.NoBody)
	in.Header = req.Header.Clone()
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err := errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, in)
	res := rec.Result()
	res.Request = req
	res.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.hear(rec.Body.Bytes())
	return res, nil
}

// hear notes the tokens in a reply.
func (w *wiretap) hear(reply []byte) {
	var out wire.TokenReply
	if json.Unmarshal(reply, &out) != nil || out.Token == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = append(w.tokens, out.Token, out.RefreshToken)
}

// rig is a client of the real server, made of api and token as an application would: no network, HTTP faults between.
type rig struct {
	*house
	tap    *wiretap
	faults *faultnet.HTTPFaults
	way    http.RoundTripper
	store  token.Store
	skew   time.Duration
	strict bool

	said     bytes.Buffer // log lines and errors of the client
	mu       sync.Mutex   // guards said and tries
	tries    int          // refreshes that were sent
	sessions *token.Source
	calls    *api.Client
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(p)
}

// newRig makes a rig on a server that answers, in a bubble.
func newRig(t *testing.T, change func(*server.Config)) *rig {
	t.Helper()
	r := &rig{house: still(t, change), store: token.NewMemory()}
	r.tap = &wiretap{handler: r.s.Handler()}
	var err error
	if r.faults, err = faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: 1}); err != nil {
		t.Fatal(err)
	}
	r.way = r.faults.RoundTripper(r.tap)
	return r
}

// refresher asks for tokens over the rig's way.
func (r *rig) refresher() token.RefreshFunc {
	r.t.Helper()
	refresh, err := token.JSON(token.Endpoint{URL: home + "/api/auth/refresh", Client: &http.Client{Transport: r.way}, AllowPlain: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return refresh
}

// open starts the client on what its store holds.
func (r *rig) open() {
	r.t.Helper()
	refresh := r.refresher()
	log := slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := token.Options{
		Store: r.store, Logger: log, Now: func() time.Time { return time.Now().Add(r.skew) },
		Refresh: func(ctx context.Context, old token.Tokens, key string) (token.Tokens, error) {
			r.mu.Lock()
			r.tries++
			r.mu.Unlock()
			out, err := refresh(ctx, old, key)
			r.say("refresh: %v %+v %#v", err, err, err)
			return out, err
		},
	}
	if r.strict {
		o.Rotation = token.Strict
	}
	var err error
	if r.sessions, err = token.New(o); err != nil {
		r.t.Fatal(err)
	}
	if err := r.sessions.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.calls, err = api.New(api.Options{BaseURL: home, APIKey: testAPIKey, Transport: r.way, Token: r.sessions, Logger: log})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	r.t.Helper()
	if err := errors.Join(r.calls.Close(), r.sessions.Close()); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) say(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

func (r *rig) sent() int { r.mu.Lock(); defer r.mu.Unlock(); return r.tries }

// signIn signs in past the faults.
func (r *rig) signIn() {
	r.t.Helper()
	out := r.login("alice", "phone")
	err := r.sessions.Set(r.t.Context(), token.Tokens{
		User: out.User, Device: out.Device, Access: token.NewSecret(out.Token), Refresh: token.NewSecret(out.RefreshToken),
		Lifetime: time.Duration(out.ExpiresIn) * time.Second, RefreshLifetime: time.Duration(out.RefreshExpiresIn) * time.Second,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.tap.mu.Lock()
	defer r.tap.mu.Unlock()
	r.tap.tokens = append(r.tap.tokens, out.Token, out.RefreshToken)
}

// read makes a call that needs a token.
func (r *rig) read() error {
	_, err := api.Do[wire.HistoryReply](r.t.Context(), r.calls, api.Request{Path: general})
	r.say("read: %v %+v %#v", err, err, err)
	var e *api.Error
	if errors.As(err, &e) {
		r.say("%s %+v %+v", e.Body, e.Problem, e.Attempts)
	}
	return err
}

// quiet looks for every token that was ever issued in everything that was ever said.
func (r *rig) quiet() {
	r.t.Helper()
	r.mu.Lock()
	text := r.said.String() + r.log.String()
	r.mu.Unlock()
	r.tap.mu.Lock()
	defer r.tap.mu.Unlock()
	if lines := strings.Count(text, "\n"); lines < 5 || len(r.tap.tokens) < 2 {
		r.t.Errorf("%d lines were searched for %d tokens", lines, len(r.tap.tokens))
	}
	for _, secret := range append(r.tap.tokens, password, testAPIKey) {
		if at := strings.Index(text, secret); at >= 0 {
			r.t.Errorf("a secret was said: %.300q", text[max(at-200, 0):])
		}
	}
	if len(r.tap.astray) > 0 {
		r.t.Errorf("secrets went to %v", r.tap.astray)
	}
}

// httpFaults are one of each kind, and each in its forms.
func httpFaults() map[string]faultnet.HTTPFault {
	status := func(n int, wait time.Duration, date bool) faultnet.HTTPFault {
		return faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: n, RetryAfter: wait, RetryAfterDate: date}
	}
	return map[string]faultnet.HTTPFault{
		"500": status(500, 0, false), "502": status(502, 0, false), "503": status(503, 0, false),
		"503, told": status(503, 7*time.Second, false), "429": status(429, 0, false), "429, told": status(429, 20*time.Second, false),
		"429, by a date": status(429, 20*time.Second, true), "403": status(403, 0, false), "404": status(404, 0, false),
		"401": status(401, 0, false), "400": status(400, 0, false), "204": status(204, 0, false),
		"redirect to another host": {Kind: faultnet.HTTPStatus, Status: 307, Header: http.Header{"Location": {"http://elsewhere.test/api/auth/refresh"}}},
		"moved":                    {Kind: faultnet.HTTPStatus, Status: 301, Header: http.Header{"Location": {"https://elsewhere.test/"}}},
		"portal":                   {Kind: faultnet.HTTPCaptive},
		"portal, by a redirect":    {Kind: faultnet.HTTPCaptive, Status: 302},
		"portal, 511":              {Kind: faultnet.HTTPCaptive, Status: 511},
		"request lost":             {Kind: faultnet.HTTPRequestLost},
		"request hangs":            {Kind: faultnet.HTTPRequestLost, Hang: true},
		"reply lost":               {Kind: faultnet.HTTPReplyLost},
		"reply hangs":              {Kind: faultnet.HTTPReplyLost, Hang: true},
		"slow":                     {Kind: faultnet.HTTPSlowBody, Rate: 100},
		"cut":                      {Kind: faultnet.HTTPCutBody, Bytes: 30},
		"wrong date":               {Kind: faultnet.HTTPDate, Skew: -5 * 365 * 24 * time.Hour},
		"date ahead":               {Kind: faultnet.HTTPDate, Skew: 26 * time.Hour},
	}
}

// TestSessionOutlivesEveryHTTPFault puts each fault between the client and the endpoint of refreshes, and then every
// endpoint, for ten minutes around the access token's end: the session goes on afterwards, and neither the server nor
// the log got more than it should.
func TestSessionOutlivesEveryHTTPFault(t *testing.T) {
	for name, fault := range httpFaults() {
		for _, path := range []string{"/api/auth/", "/api/"} {
			t.Run(name+" at "+path, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					r := newRig(t, nil)
					r.open()
					defer r.close()
					r.signIn()
					fault.Path = path
					checkOutlives(r, fault)
					r.quiet()
				})
			})
		}
	}
}

func checkOutlives(r *rig, fault faultnet.HTTPFault) {
	r.t.Helper()
	const life, outage = 15 * time.Minute, 10 * time.Minute
	time.Sleep(life - outage/2)
	before := r.sent()
	if err := r.faults.Set(fault); err != nil {
		r.t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < outage; time.Sleep(5 * time.Second) {
		_ = r.read()
		if s := r.sessions.State().State; s == token.ReauthRequired || s == token.None {
			r.t.Fatalf("signed out: %+v", r.sessions.State())
		}
	}
	if n := r.sent() - before; n > 35 {
		r.t.Errorf("%d refreshes in 10 minutes", n)
	}
	if r.faults.Stats().Injected[fault.Kind] == 0 {
		r.t.Error("no request met the fault")
	}
	r.faults.Heal()
	time.Sleep(20 * time.Minute) // beyond what the server or a firewall asked for, and the hold after a matter of settings
	if err := r.read(); err != nil {
		r.t.Errorf("afterwards: %v, %+v", err, r.sessions.State())
	}
	if s := r.sessions.State().State; s != token.Fresh && s != token.Stale {
		r.t.Errorf("afterwards: %+v", r.sessions.State())
	}
}
