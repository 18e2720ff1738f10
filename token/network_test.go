package token_test

import (
	"context"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

// TestNetworkChangedSendsAgain has a request vanish in an outage, and the network back three seconds later: the request
// is sent again then, under the same key, and not when it has timed out.
func TestNetworkChangedSendsAgain(t *testing.T) {
	for name, c := range map[string]struct {
		rotation token.Rotation
		within   time.Duration
		keys     int // different ones
		asked    int
	}{
		"retry-safe": {token.RetrySafe, 3100 * time.Millisecond, 1, 2},
		"strict":     {token.Strict, 20 * time.Second, 1, 2}, // waits for the timeout
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				var back time.Time
				keys, asked := map[string]bool{}, 0
				refresh := func(ctx context.Context, _ token.Tokens, key string) (token.Tokens, error) {
					keys[key], asked = true, asked+1
					if time.Now().Before(back) {
						<-ctx.Done()
						return token.Tokens{}, ctx.Err()
					}
					return token.Tokens{Access: token.NewSecret("new"), Lifetime: time.Hour}, nil
				}
				s, err := signedIn(token.Options{Refresh: refresh, Rotation: c.rotation}, time.Nanosecond)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				began := time.Now()
				back = began.Add(3 * time.Second)
				_ = s.Start()
				time.AfterFunc(3*time.Second, func() {
					for range 5 { // a burst counts once
						s.NetworkChanged()
					}
				})
				for {
					got, err := s.Token(t.Context())
					if err == nil && got == "new" {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if took := time.Since(began); took > c.within || len(keys) != c.keys || asked != c.asked {
					t.Errorf("a token after %v, %d requests with %d keys", took, asked, len(keys))
				}
			})
		})
	}
}
