package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/server"
)

// TestClientAndServerSayNoSecret lets a client live through what goes wrong with a session, on real sockets, and looks for
// every token that the server ever made, the password and the API key in each line that either of them logs, in each
// error, in each change that the client tells, and in each address that is asked for.
func TestClientAndServerSayNoSecret(t *testing.T) {
	r := &rig{house: &house{t: t}} // takes what is said
	log := slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := start(t, func(c *server.Config) { c.Logger, c.AccessTTL, c.RefreshBurst = log, 2*time.Second, 1000 })
	r.tap = &wiretap{handler: h.s.Handler()}
	faults, err := faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(faults.Handler(r.tap.serve(r)))
	defer srv.Close()

	client, err := chatsdk.Open(t.Context(), chatsdk.Options{
		Server: srv.URL, Store: chatsdk.InMemory(), APIKey: testAPIKey, Logger: log, CallTimeout: 3 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	updates := client.Watch(ctx)
	told := make(chan struct{})
	go func() { // ends with the client
		defer close(told)
		for u := range updates {
			r.say("%v %+v %+v", u, u, u.Session)
		}
	}()
	r.note(client.SignIn(ctx, "alice", "not "+password))
	r.note(client.SignIn(ctx, "alice", password))
	client.Connect()
	for n, fault := range []faultnet.HTTPFault{
		{Kind: faultnet.HTTPTokenExpired, Limit: 1},
		{Kind: faultnet.HTTPReplyLost, Path: "/api/auth/refresh", Limit: 1},
		{Kind: faultnet.HTTPStatus, Path: "/api/auth/refresh", Limit: 1},
		{Kind: faultnet.HTTPCaptive, Path: "/api/"},
		{Kind: faultnet.HTTPCutBody, Bytes: 30, Path: "/api/"},
	} {
		r.note(faults.Set(fault))
		for range 4 {
			_, err := client.Send(ctx, "general", "hello")
			r.note(err)
			r.note(client.CreateChannel(ctx, fmt.Sprintf("made-%d", n), true))
			time.Sleep(150 * time.Millisecond)
		}
		faults.Heal()
	}
	r.note(client.SignOut(ctx))
	r.note(client.CreateChannel(ctx, "late", true))
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	<-told
	if !strings.Contains(r.said.String(), "bad_credentials") || len(r.tap.tokens) < 4 {
		t.Errorf("%d tokens were made; said: %s", len(r.tap.tokens), r.said.String())
	}
	r.log = h.log
	r.quiet()
}

// TestSignOutWithAnExpiredToken signs out when the access token has run out: the session ends at the server too, whose
// refresh token would live for weeks.
func TestSignOutWithAnExpiredToken(t *testing.T) {
	for name, dead := range map[string]bool{"a good session": false, "one that is over": true} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) { signOutExpired(t, dead) })
		})
	}
}

func signOutExpired(t *testing.T, dead bool) {
	tap := &wiretap{}
	faults, err := faultnet.NewHTTPFaults(faultnet.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *server.Config) {
		c.AccessTTL = time.Minute
		c.Wrap = func(next http.Handler) http.Handler {
			tap.handler = next
			return faults.Handler(tap.serve(&rig{}))
		}
	})
	client, err := chatsdk.Open(t.Context(), chatsdk.Options{
		Server: "http://server:80", Store: chatsdk.InMemory(), APIKey: testAPIKey, DialContext: w.net.Dialer("alice"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SignIn(t.Context(), "alice", password); err != nil {
		t.Fatal(err)
	}
	if err := faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: "/api/auth/refresh"}); err != nil {
		t.Fatal(err)
	}
	tap.mu.Lock()
	access, refresh := tap.tokens[len(tap.tokens)-2], tap.tokens[len(tap.tokens)-1]
	tap.mu.Unlock()
	if dead {
		w.expect("", "POST", "/api/auth/logout", access, map[string]string{})
	}
	time.Sleep(time.Minute + time.Second)
	faults.Heal()
	if err := client.SignOut(t.Context()); err != nil {
		t.Error(err)
	}
	w.refused(refresh)
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// note keeps an error in every spelling.
func (r *rig) note(err error) {
	r.say("%v %+v %#v", err, err, err)
	var refused *chatsdk.ServerError
	if errors.As(err, &refused) {
		r.say("%+v %v", refused, refused.Detail)
	}
}

// serve is the handler, with the tokens of replies noted and the addresses said.
func (w *wiretap) serve(r *rig) http.HandlerFunc {
	return func(out http.ResponseWriter, in *http.Request) {
		r.say("%s %s", in.Method, in.URL)
		if !slices.Contains([]string{"/api/auth/login", "/api/auth/refresh"}, in.URL.Path) {
			w.handler.ServeHTTP(out, in)
			return
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, in)
		w.hear(rec.Body.Bytes())
		maps.Copy(out.Header(), rec.Header())
		out.WriteHeader(rec.Code)
		_, _ = out.Write(rec.Body.Bytes())
	}
}
