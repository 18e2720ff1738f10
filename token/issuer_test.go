package token_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

// secretPart is in every token of these tests, so that a leak is found by a search.
const secretPart = "s3cr3t"

// issuer refreshes: each refresh takes a second and gives the next number.
type issuer struct {
	mu   sync.Mutex
	n    int
	life time.Duration
	err  error
}

func (i *issuer) refresh(ctx context.Context, _ token.Tokens, _ string) (token.Tokens, error) {
	i.mu.Lock()
	i.n++
	n, err, life := i.n, i.err, i.life
	i.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return token.Tokens{}, ctx.Err()
	}
	if err != nil {
		return token.Tokens{}, err
	}
	return made(n, life), nil
}

func (i *issuer) count() int { i.mu.Lock(); defer i.mu.Unlock(); return i.n }

func (i *issuer) fail(err error) { i.mu.Lock(); defer i.mu.Unlock(); i.err = err }

// access is the name of the n-th token; 0 is that of the sign-in.
func access(n int) string { return fmt.Sprintf("%s-access-%d", secretPart, n) }

func made(n int, life time.Duration) token.Tokens {
	return token.Tokens{
		User: "ada", Device: "d1", Access: token.NewSecret(access(n)),
		Refresh: token.NewSecret(fmt.Sprintf("%s-refresh-%d", secretPart, n)), Lifetime: life,
	}
}

// signedIn makes a source with the first token, which has left to live, and returns when that is no longer young.
func signedIn(o token.Options, left time.Duration) (*token.Source, error) {
	if o.Store == nil {
		o.Store = token.NewMemory()
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	s, err := token.New(o)
	if err != nil {
		return nil, err
	}
	if err := s.Set(context.Background(), made(0, left)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	time.Sleep(3 * time.Second)
	return s, nil
}

// hourly is a source with a fresh session, whose issuer gives tokens for an hour each.
func hourly() (*issuer, *token.Source, error) {
	i := &issuer{life: time.Hour}
	s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
	return i, s, err
}

// wants compares a call's outcome.
func wants(got string, err error, want string) error {
	if err != nil || got != want {
		return fmt.Errorf("%q, %w; want %q", got, err, want)
	}
	return nil
}

// inBubble runs a check in virtual time.
func inBubble(t *testing.T, check func(context.Context) error) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		if err := check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
