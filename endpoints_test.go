package chatsdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
)

// TestPostedMessagesAreSentOnce posts one message and a batch to a server whose first replies are lost: that is told, since
// the queue knows better when to send them again.
func TestPostedMessagesAreSentOnce(t *testing.T) {
	var mu sync.Mutex // guards asked
	asked := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked[r.URL.Path]++
		first := asked[r.URL.Path] == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler) // the connection breaks after the request was read
		}
		if r.Header.Get("X-API-Key") != "key" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/auth/login":
			_ = json.NewEncoder(w).Encode(wire.TokenReply{Token: "t", RefreshToken: "r", ExpiresIn: 900, RefreshExpiresIn: 9000})
		case "/api/channels/general/messages":
			var in wire.SendRequest
			_ = json.Unmarshal(body, &in)
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(wire.SendReply{ID: in.ID, Seq: 7})
		case "/api/messages":
			var in wire.BatchRequest
			_ = json.Unmarshal(body, &in)
			out := wire.BatchReply{Results: make([]wire.BatchResult, len(in.Messages))}
			_ = json.NewEncoder(w).Encode(out)
		}
	}))
	defer srv.Close()
	client, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: srv.URL, Store: chatsdk.InMemory(), APIKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.SignIn(ctx, "ada", "pw"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PostMessage(ctx, "general", wire.SendRequest{ID: "1", Text: "hi"}); !errors.Is(err, api.ErrAttempts) {
		t.Errorf("one, whose reply was lost: %v", err)
	}
	one, err := client.PostMessage(ctx, "general", wire.SendRequest{ID: "1", Text: "hi"})
	if err != nil || one.Seq != 7 || one.ID != "1" {
		t.Errorf("one: %+v, %v", one, err)
	}
	if _, err := client.PostMessages(ctx, wire.BatchRequest{}); !errors.Is(err, api.ErrAttempts) {
		t.Errorf("batch, whose reply was lost: %v", err)
	}
	many, err := client.PostMessages(ctx, wire.BatchRequest{Messages: make([]wire.BatchEntry, 3)})
	if err != nil || len(many.Results) != 3 {
		t.Errorf("batch: %+v, %v", many, err)
	}
	// Making a channel isn't safe to repeat: its lost reply is told.
	err = client.CreateChannel(ctx, "new", false)
	if refused := (*chatsdk.ServerError)(nil); err == nil || errors.As(err, &refused) {
		t.Errorf("create channel: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{"/api/auth/login": 2, "/api/channels/general/messages": 2, "/api/messages": 2, "/api/channels": 1}
	if !maps.Equal(asked, want) {
		t.Errorf("requests: %v", asked)
	}
}

// TestCallThatFindsTheSessionEndedSaysSo: the token is refused, and so is the refresh. The call's error is that the session
// has ended, not an answer that nobody knows.
func TestCallThatFindsTheSessionEndedSaysSo(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		switch r.URL.Path {
		case "/api/auth/login":
			_ = json.NewEncoder(w).Encode(wire.TokenReply{Token: "acc-1", RefreshToken: "ref-1", ExpiresIn: 900, RefreshExpiresIn: 9000})
		case "/api/auth/refresh":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":"invalid_grant"}`)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":"token_expired"}`)
		}
	}))
	defer srv.Close()
	client := signedInAt(t, srv.URL)
	defer client.Close()
	if err := client.CreateChannel(t.Context(), "new", false); !errors.Is(err, chatsdk.ErrSignedOut) {
		t.Errorf("the error is %v", err)
	}
}

// signedInAt is a client of ada's at a server; the caller closes it.
func signedInAt(t *testing.T, server string) *chatsdk.Client {
	t.Helper()
	client, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: server, Store: chatsdk.InMemory()})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SignIn(t.Context(), "ada", "pw"); err != nil {
		t.Fatal(errors.Join(err, client.Close()))
	}
	return client
}

// TestPauseThatTheServerAsksForHoldsForAll: a 429 on one of the session's calls holds the others back, whichever it was,
// and the queue hears of it as of the server's own no: nothing was sent, and the way is good.
func TestPauseThatTheServerAsksForHoldsForAll(t *testing.T) {
	for _, refused := range []string{"/api/channels", "/api/messages", "/api/channels/general/messages"} {
		t.Run(refused, func(t *testing.T) {
			var asked atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch r.URL.Path {
				case "/api/auth/login":
					_ = json.NewEncoder(w).Encode(wire.TokenReply{Token: "t", RefreshToken: "r", ExpiresIn: 900, RefreshExpiresIn: 9000})
				case refused:
					w.Header().Set("Retry-After", "3600")
					w.WriteHeader(http.StatusTooManyRequests)
					_, _ = io.WriteString(w, `{"code":"rate_limited"}`)
					asked.Add(1)
				default:
					asked.Add(1)
				}
			}))
			defer srv.Close()
			client := signedInAt(t, srv.URL)
			defer client.Close()
			calls := map[string]func() error{
				"/api/channels": func() error { return client.CreateChannel(t.Context(), "new", false) },
				"/api/messages": func() error { _, err := client.PostMessages(t.Context(), wire.BatchRequest{}); return err },
				"/api/channels/general/messages": func() error {
					_, err := client.PostMessage(t.Context(), "general", wire.SendRequest{ID: "1", Text: "hi"})
					return err
				},
			}
			var se *chatsdk.ServerError
			if err := calls[refused](); !errors.As(err, &se) || se.Status != http.StatusTooManyRequests {
				t.Fatalf("refused: %v", err)
			}
			for path, call := range calls {
				if err := call(); !errors.Is(err, api.ErrRateLimited) {
					t.Errorf("%s: %v", path, err)
				}
			}
			results, err := client.SendOverHTTP(t.Context(), "1", "2")
			if err != nil || len(results) != 2 {
				t.Fatalf("the queue's batch: %v, %v", results, err)
			}
			for _, r := range results {
				var no *outbox.Refusal
				if !errors.As(r.Err, &no) || no.Permanent || no.Code != wire.CodeRateLimited || no.RetryAfter < 59*time.Minute {
					t.Errorf("a message of the queue: %+v", r)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("%d requests in the hour", n)
			}
		})
	}
}
