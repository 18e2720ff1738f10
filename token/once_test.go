package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// TestRefreshIsSentOnce: on a connection that was used before, a server takes a refresh in and dies before it answers.
// net/http would send it again by itself, for its Idempotency-Key.
func TestRefreshIsSentOnce(t *testing.T) {
	if err := checkSentOnce(t.Context()); err != nil {
		t.Error(err)
	}
}

func checkSentOnce(ctx context.Context) error {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if asked.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler) // the connection breaks after the request was read
		}
		_, _ = io.WriteString(w, `{"token":"a","refreshToken":"b","expiresIn":60}`)
	}))
	defer srv.Close()
	endpoint := token.Endpoint{URL: srv.URL, Client: srv.Client()}
	asJSON, err := token.JSON(endpoint)
	if err != nil {
		return err
	}
	oauth, err := token.OAuth2(token.OAuthOptions{Endpoint: endpoint, ClientID: "x", IdempotencyKey: true})
	if err != nil {
		return err
	}
	for name, refresh := range map[string]token.RefreshFunc{"JSON": asJSON, "OAuth2": oauth} {
		asked.Store(0)
		if _, err := refresh(ctx, made(0, time.Hour), "key"); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := refresh(ctx, made(0, time.Hour), "key"); err == nil || asked.Load() != 2 {
			return fmt.Errorf("%s: sent %d times for one lost reply: %w", name, asked.Load()-1, err)
		}
	}
	return nil
}

// TestRefreshHearsEveryWait: the server's wait in each form that api understands too.
func TestRefreshHearsEveryWait(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		for value, want := range map[string]time.Duration{
			"7": 7 * time.Second, "1.5": 1500 * time.Millisecond, "4294967296": 24 * time.Hour, "soon": 0, "": 0,
			"Sat, 01 Jan 2000 12:00:30 GMT": 30 * time.Second,
		} {
			refresh, err := token.JSON(token.Endpoint{URL: "https://auth.example/", Client: &http.Client{
				Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					return reply(429, "text/plain", "", "Date", "Sat, 01 Jan 2000 12:00:00 GMT", "Retry-After", value), nil
				}),
			}})
			if err != nil {
				return err
			}
			_, err = refresh(ctx, made(0, time.Hour), "key")
			var re *token.RefreshError
			if !errors.As(err, &re) || re.RetryAfter != want {
				return fmt.Errorf("%q: want %v: %w", value, want, err)
			}
		}
		return nil
	})
}
