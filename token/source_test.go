package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

// issuer renews: each renewal takes a second and gives the next number.
type issuer struct {
	mu   sync.Mutex
	n    int
	life time.Duration
	err  error
}

func (i *issuer) refresh(ctx context.Context, _ token.Tokens) (token.Tokens, error) {
	i.mu.Lock()
	i.n++
	n, err := i.n, i.err
	i.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return token.Tokens{}, ctx.Err()
	}
	if err != nil {
		return token.Tokens{}, err
	}
	return made(fmt.Sprint("secret-", n), i.life), nil
}

func (i *issuer) count() int { i.mu.Lock(); defer i.mu.Unlock(); return i.n }

func (i *issuer) fail(err error) { i.mu.Lock(); defer i.mu.Unlock(); i.err = err }

func made(access string, life time.Duration) token.Tokens {
	return token.Tokens{User: "ada", Device: "d1", Access: access, Refresh: "secret-refresh", Expiry: time.Now().Add(life), Lifetime: life}
}

func source(t *testing.T, i *issuer, store token.Store, left time.Duration) *token.Source {
	t.Helper()
	s, err := token.New(token.Options{Refresh: i.refresh, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	first := made("secret-first", i.life)
	first.Expiry = time.Now().Add(left)
	if err := s.Set(s.Generation(), first); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // older than what counts as just made
	return s
}

func TestOneRenewalForAll(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		s := source(t, i, token.NewMemory(), time.Minute)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if got, err := s.Token(t.Context()); err != nil || got != "secret-1" {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := i.count(); n != 1 {
			t.Errorf("%d renewals for 1,000 callers", n)
		}
		if got, err := s.Renew(t.Context(), "secret-first"); err != nil || got != "secret-1" || i.count() != 1 {
			t.Errorf("a stale token gave %q, %v after %d renewals", got, err, i.count())
		}
	})
}

func TestFailureKeepsValidTokenAndIsHeld(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: errors.New("no network")}
		s := source(t, i, token.NewMemory(), time.Minute)
		for range 3 {
			if got, err := s.Token(t.Context()); err != nil || got != "secret-first" {
				t.Fatalf("while renewing fails: %q, %v", got, err)
			}
		}
		if n := i.count(); n != 1 {
			t.Errorf("%d renewals in a row within the hold", n)
		}
		if st := s.State().State; st != token.Degraded {
			t.Errorf("state %v", st)
		}
		time.Sleep(2 * time.Minute)
		if _, err := s.Token(t.Context()); err == nil || s.State().State != token.Expired {
			t.Errorf("expired: %v, %v", err, s.State())
		}
		i.fail(nil)
		time.Sleep(2 * time.Second)
		if got, err := s.Token(t.Context()); err != nil || got != "secret-3" || s.State().State != token.Fresh {
			t.Errorf("healed: %q, %v, %v", got, err, s.State())
		}
	})
}

func TestSignedOutEndsAndDeletes(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: fmt.Errorf("refused: %w", token.ErrSignedOut)}
		store := token.NewMemory()
		s := source(t, i, store, time.Minute)
		for range 2 {
			if _, err := s.Token(t.Context()); !errors.Is(err, token.ErrSignedOut) {
				t.Fatalf("ended session: %v", err)
			}
		}
		if kept, _, _ := store.Load(t.Context()); len(kept) > 0 || s.State().State != token.ReauthRequired {
			t.Errorf("kept: %d bytes, state %v", len(kept), s.State())
		}
	})
}

// slowStore takes a second to save.
type slowStore struct{ token.Store }

func (s slowStore) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	time.Sleep(time.Second)
	return s.Store.CompareAndSwap(ctx, version, data)
}

func TestLateReplyDoesNotOverwrite(t *testing.T) {
	for _, at := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} { // during the request, during Save
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(at, again), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					i := &issuer{life: time.Hour}
					store := token.NewMemory()
					s := source(t, i, slowStore{store}, time.Minute)
					go func() {
						if got, err := s.Token(t.Context()); err == nil && got == "secret-first" {
							t.Error("a token of the session that ended")
						}
					}()
					time.Sleep(at)
					if _, err := s.Logout(); err != nil {
						t.Fatal(err)
					}
					want := ""
					if again {
						want = "secret-again"
						if err := s.Set(s.Generation(), made(want, time.Hour)); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(5 * time.Second)
					kept, _, _ := store.Load(t.Context())
					if cur, _ := s.Tokens(); cur.Access != want || !strings.Contains(string(kept), want) || len(kept) > 0 != (want != "") {
						t.Errorf("present %q, kept %q, want %q", cur.Access, kept, want)
					}
				})
			})
		}
	}
}

func TestNewSessionIgnoresOldRenewal(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: errors.New("no network")}
		s := source(t, i, token.NewMemory(), time.Minute)
		_, _ = s.Renew(t.Context(), "secret-first") // its failure is held for a second
		gen := s.Generation()
		_, _ = s.Logout()
		if err := s.Set(gen, made("late", time.Hour)); !errors.Is(err, token.ErrChanged) {
			t.Errorf("late sign-in: %v", err)
		}
		if err := s.Set(s.Generation(), made("secret-b", time.Hour)); err != nil {
			t.Fatal(err)
		}
		i.fail(nil)
		if got, err := s.Renew(t.Context(), "secret-b"); err != nil || got != "secret-2" {
			t.Errorf("renewal of the new session: %q, %v", got, err)
		}
	})
}

func TestShortLivesDoNotLoop(t *testing.T) {
	for life, most := range map[time.Duration]int{time.Minute: 14, 10 * time.Second: 80, time.Millisecond: 610, 0: 610} {
		t.Run(life.String(), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				i := &issuer{life: life}
				s := source(t, i, token.NewMemory(), life)
				for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
					if _, err := s.Token(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if n := i.count(); n > most || n == 0 {
					t.Errorf("%d renewals in 10 minutes", n)
				}
			})
		})
	}
}

func TestWatch(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: errors.New("no network")}
		s := source(t, i, token.NewMemory(), time.Minute)
		fast, slow := s.Watch(t.Context()), s.Watch(t.Context())
		if c := <-fast; c.State != token.Fresh {
			t.Errorf("at first %v", c)
		}
		_, _ = s.Token(t.Context())
		if c := <-fast; c.State != token.Degraded {
			t.Errorf("then %v", c)
		}
		_, _ = s.Logout()
		synctest.Wait()
		if c := <-slow; c.State != token.None {
			t.Errorf("a slow reader gets %v", c)
		}
		_ = s.Close()
		if _, ok := <-slow; ok {
			t.Error("open after Close")
		}
	})
}

func TestSecretsAreNotPrinted(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		store := token.NewMemory()
		s := source(t, &issuer{life: time.Hour}, store, time.Hour)
		tok, _ := s.Tokens()
		var b bytes.Buffer
		for _, v := range []any{tok, &tok, s, store, []token.Tokens{tok}, struct{ T token.Tokens }{tok}} {
			fmt.Fprintf(&b, "%v %+v %#v %s %d %q\n", v, v, v, v, v, v)
		}
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "tokens", tok)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "tokens", tok)
		if strings.Contains(b.String(), "secret") || !strings.Contains(b.String(), "ada") {
			t.Errorf("printed: %s", b.String())
		}
	})
}

func TestCloseAtAnyMoment(t *testing.T) {
	for _, after := range []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
		bubble.Run(t, func(t *testing.T) {
			i := &issuer{life: time.Hour, err: errors.New("no network")}
			s := source(t, i, token.NewMemory(), -time.Minute)
			done := make(chan error, 1)
			go func() { _, err := s.Token(t.Context()); done <- err }()
			time.Sleep(after)
			_ = s.Close()
			_ = s.Close()
			if err := <-done; err == nil {
				t.Error("an expired token")
			}
			if _, err := s.Renew(t.Context(), "secret-first"); !errors.Is(err, token.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Renew after Close: %v", err)
			}
		})
	}
}
