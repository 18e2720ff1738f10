package oauth2token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/token/oauth2token"
)

// The client code of x/oauth2 signs in, and from then on sends what our source gives it.
func TestClientOfOAuth2(t *testing.T) {
	var n atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		k := n.Add(1)
		if want := map[bool]string{true: "authorization_code", false: "refresh_token"}[k == 1]; r.FormValue("grant_type") != want {
			t.Errorf("request %d: grant %q", k, r.FormValue("grant_type"))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": fmt.Sprint("a", k), "refresh_token": fmt.Sprint("r", k), "token_type": "bearer", "expires_in": 3600,
		})
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Authorization")) })
	server := httptest.NewServer(mux)
	defer server.Close()

	config := oauth2.Config{ClientID: "c", Endpoint: oauth2.Endpoint{TokenURL: server.URL + "/token", AuthStyle: oauth2.AuthStyleInParams}}
	first, err := config.Exchange(t.Context(), "code")
	if err != nil {
		t.Fatal(err)
	}
	refresh, err := token.OAuth2(token.OAuthOptions{Endpoint: token.Endpoint{URL: server.URL + "/token"}, ClientID: "c"})
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64 // of the wall clock, in nanoseconds
	source, err := token.New(token.Options{
		Refresh: refresh, Store: token.NewMemory(), Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	tokens, err := oauth2token.Tokens(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Set(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
	client := oauth2.NewClient(t.Context(), oauth2token.Source(t.Context(), source))
	sent := func() string { return answer(t, client, server.URL+"/me") }
	get := func(want string) {
		t.Helper()
		if got := sent(); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	get("Bearer a1")
	get("Bearer a1")
	ahead.Store(int64(2 * time.Hour))
	for began := time.Now(); sent() == "Bearer a1" && time.Since(began) < 10*time.Second; {
		// A look at the wall clock is good for 100 ms.
	}
	get("Bearer a2")
	if n.Load() != 2 {
		t.Errorf("%d requests for tokens", n.Load())
	}
	if _, err := source.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(server.URL + "/me"); !errors.Is(err, token.ErrNotSignedIn) {
		t.Errorf("signed out: %v", err)
	}
}

func TestNoTokenIsAnError(t *testing.T) {
	if _, err := oauth2token.Tokens(nil); err == nil {
		t.Error("nil")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source, err := token.New(token.Options{Store: token.NewMemory(), Refresh: func(context.Context, token.Tokens, string) (token.Tokens, error) {
		return token.Tokens{}, errors.New("x")
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := oauth2token.Source(ctx, source).Token(); !errors.Is(err, token.ErrNotSignedIn) {
		t.Errorf("%v", err)
	}
}

// answer is what a server answers to a GET.
func answer(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got [64]byte
	k, _ := res.Body.Read(got[:])
	return string(got[:k])
}
