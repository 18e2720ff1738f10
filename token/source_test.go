package token_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

var errNetwork = errors.New("no network")

func TestThousandCallersCauseOneRefresh(t *testing.T) { inBubble(t, checkThousandCallers) }

// A thousand calls are answered 401 at once, and a thousand more while and after the refresh.
func checkThousandCallers(ctx context.Context) error {
	i, s, err := hourly()
	if err != nil {
		return err
	}
	defer s.Close()
	var wg sync.WaitGroup
	var wrong atomic.Int32
	for n := range 2000 {
		wg.Go(func() {
			if n >= 1000 {
				time.Sleep(time.Duration(n) * time.Millisecond)
			}
			if got, err := s.Renew(ctx, access(0)); wants(got, err, access(1)) != nil {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	if n := i.count(); n != 1 || wrong.Load() != 0 {
		return fmt.Errorf("%d refreshes for 2,000 callers, %d wrong answers", n, wrong.Load())
	}
	return nil
}

// TestCrowdIsBounded: 10,000 callers wait for one refresh, and a few more are told so at once.
func TestCrowdIsBounded(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		_, s, err := hourly()
		if err != nil {
			return err
		}
		defer s.Close()
		var wg sync.WaitGroup
		var served, refused atomic.Int32
		for range 10_007 {
			wg.Go(func() {
				got, err := s.Renew(ctx, access(0))
				var retry *token.RetryError
				switch {
				case got == access(1) && err == nil:
					served.Add(1)
				case errors.As(err, &retry) && retry.At.After(time.Now()):
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if served.Load() != 10_000 || refused.Load() != 7 {
			return fmt.Errorf("%d served, %d told to come back", served.Load(), refused.Load())
		}
		if got, err := s.Renew(ctx, access(0)); wants(got, err, access(1)) != nil {
			return fmt.Errorf("afterwards: %w", err)
		}
		return nil
	})
}

func TestValidTokenIsServedWhileRefreshingFails(t *testing.T) { inBubble(t, checkValidTokenIsServed) }

func checkValidTokenIsServed(ctx context.Context) error {
	i := &issuer{life: time.Hour, err: errNetwork}
	s, err := signedIn(token.Options{Refresh: i.refresh}, 10*time.Minute)
	if err != nil {
		return err
	}
	defer s.Close()
	began := time.Now()
	for ; time.Since(began) < 9*time.Minute+40*time.Second; time.Sleep(10 * time.Second) {
		asked := time.Now()
		got, err := s.Token(ctx)
		if err := wants(got, err, access(0)); err != nil {
			return fmt.Errorf("while refreshing fails, after %v: %w", time.Since(began), err)
		}
		if waited := time.Since(asked); waited > 0 {
			return fmt.Errorf("a good token took %v", waited)
		}
	}
	if st := s.State(); st.State != token.Degraded || !errors.Is(st.Err, errNetwork) || st.Attempt == 0 {
		return fmt.Errorf("state %+v", st)
	}
	time.Sleep(time.Minute)
	if _, ok := s.AccessToken(); ok {
		return errors.New("AccessToken gives one that is over")
	}
	var retry *token.RetryError
	if _, err := s.Token(ctx); !errors.As(err, &retry) || !errors.Is(err, errNetwork) || s.State().State != token.Expired {
		return fmt.Errorf("over: %w, %v", err, s.State())
	}
	i.fail(nil)
	time.Sleep(time.Until(retry.At) + time.Minute)
	got, err := s.Token(ctx)
	if err := wants(got, err, access(i.count())); err != nil || s.State().State != token.Fresh {
		return fmt.Errorf("healed: %w, %v", err, s.State())
	}
	return nil
}

func TestFailureIsSharedUntilTheNextSlot(t *testing.T) { inBubble(t, checkFailureIsShared) }

func checkFailureIsShared(ctx context.Context) error {
	i := &issuer{life: time.Hour, err: errNetwork}
	s, err := signedIn(token.Options{Refresh: i.refresh}, 3*time.Second)
	if err != nil {
		return err
	}
	defer s.Close()
	time.Sleep(time.Minute)
	for range 100 {
		if _, err := s.Token(ctx); !errors.Is(err, errNetwork) {
			return fmt.Errorf("over, no network: %w", err)
		}
	}
	if n := i.count(); n != 1 {
		return fmt.Errorf("%d refreshes for 100 calls in a row", n)
	}
	return nil
}

func TestTenMinutesOfOutage(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		for _, left := range []time.Duration{3 * time.Second, 4 * time.Minute, 15 * time.Minute} {
			i := &issuer{life: time.Hour, err: errNetwork}
			s, err := signedIn(token.Options{Refresh: i.refresh}, left)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Start()
			time.Sleep(left) // let the outage begin where it hurts: refreshing is due
			before := i.count()
			for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
				_, _ = s.Token(t.Context())
			}
			n := i.count() - before
			t.Logf("%d requests in 10 minutes, %d before the token's end", n, before)
			if n > 35 || n < 10 {
				t.Errorf("%d requests in a 10-minute outage", n)
			}
			_ = s.Close()
		}
	})
}

// slowStore takes a second for each write.
type slowStore struct{ token.Store }

func (s slowStore) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	time.Sleep(time.Second)
	return s.Store.CompareAndSwap(ctx, version, data)
}

func TestLateReplyCannotOverwriteAnAccount(t *testing.T) {
	for _, at := range []time.Duration{500, 1500, 2500} { // during the write ahead, the request, the save
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(int(at), again), func(t *testing.T) {
				inBubble(t, func(ctx context.Context) error { return checkLateReply(ctx, at*time.Millisecond, again) })
			})
		}
	}
}

func checkLateReply(ctx context.Context, at time.Duration, again bool) error {
	i := &issuer{life: time.Hour}
	store := token.NewMemory()
	var revoked atomic.Int32
	s, err := signedIn(token.Options{
		Refresh: i.refresh, Store: slowStore{store},
		Revoke: func(_ context.Context, late token.Tokens) error { revoked.Add(1); return nil },
	}, time.Hour)
	if err != nil {
		return err
	}
	defer s.Close()
	got := make(chan string, 1)
	go func() { a, _ := s.Renew(ctx, access(0)); got <- a }()
	time.Sleep(at)
	if was, err := s.Logout(ctx); err != nil || was.Access.Reveal() != access(0) {
		return fmt.Errorf("logout: %w", err)
	}
	if a := <-got; a != "" {
		return fmt.Errorf("a caller of the session that ended got %q", a)
	}
	want := ""
	if again {
		want = secretPart + "-of-bob"
		if err := s.Set(ctx, token.Tokens{User: "bob", Access: token.NewSecret(want), Lifetime: time.Hour}); err != nil {
			return err
		}
	}
	time.Sleep(10 * time.Second)
	if a, err := s.Renew(ctx, access(0)); err == nil {
		return fmt.Errorf("whoever had a token of the session that ended got %q for it", a)
	}
	kept, _, _ := store.Load(ctx)
	tokens, err := token.ParseRecord(kept)
	present, _ := s.Tokens()
	if err != nil || present.Access.Reveal() != want || tokens.Access.Reveal() != want {
		return fmt.Errorf("present %q, kept %q, want %q, %w", present.Access.Reveal(), tokens.Access.Reveal(), want, err)
	}
	if at > time.Second && revoked.Load() != 1 {
		return fmt.Errorf("%d revocations of what came too late", revoked.Load())
	}
	return nil
}

func TestNewSessionIgnoresOldFailure(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: errNetwork}
		s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, _ = s.Renew(t.Context(), access(0)) // its failure is held
		turn := s.Turn()
		_, _ = s.Logout(t.Context())
		if err := s.SetAt(t.Context(), turn, made(8, time.Hour)); !errors.Is(err, token.ErrChanged) {
			t.Errorf("late sign-in: %v", err)
		}
		if err := s.Set(t.Context(), made(9, time.Hour)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		i.fail(nil)
		got, err := s.Renew(t.Context(), access(9))
		if err := wants(got, err, access(2)); err != nil {
			t.Errorf("refresh of the new session: %v", err)
		}
	})
}

func TestVerdictEndsTheSessionOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: fmt.Errorf("refused: %w", token.ErrSignedOut)}
		store := token.NewMemory()
		o := token.Options{Refresh: i.refresh, Store: store}
		s, err := signedIn(o, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var ended atomic.Int32
		var watching sync.WaitGroup
		changes := s.Watch(t.Context())
		watching.Go(func() {
			for c := range changes {
				if c.State == token.ReauthRequired {
					ended.Add(1)
				}
			}
		})
		for range 3 {
			if _, err := s.Renew(t.Context(), access(0)); !errors.Is(err, token.ErrSignedOut) {
				t.Fatalf("ended session: %v", err)
			}
		}
		if _, err := s.Token(t.Context()); !errors.Is(err, token.ErrSignedOut) || i.count() != 1 {
			t.Errorf("Token: %v after %d refreshes", err, i.count())
		}
		other, err := token.New(o) // another process, later
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Token(t.Context()); !errors.Is(err, token.ErrSignedOut) || i.count() != 1 {
			t.Errorf("another process: %v after %d refreshes", err, i.count())
		}
		synctest.Wait()
		_, _ = other.Close(), s.Close()
		watching.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestWatchTellsThePresentAndEnds(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, err: errNetwork}
		s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Watch(t.Context())
		if c := <-w; c.State != token.Fresh || c.Reason != token.ReasonSignedIn {
			t.Errorf("at first %+v", c)
		}
		_, _ = s.Renew(t.Context(), access(0))
		if c := <-w; c.From != token.Fresh || c.State != token.Stale {
			t.Errorf("then %+v", c)
		}
		if c := <-w; c.State != token.Degraded || c.RetryIn <= 0 || c.Attempt != 1 {
			t.Errorf("then %+v", c)
		}
		_, _ = s.Logout(t.Context())
		if c := <-w; c.State != token.None {
			t.Errorf("at last %+v", c)
		}
		synctest.Wait()
		_ = s.Close()
		if _, ok := <-w; ok {
			t.Error("open after Close")
		}
	})
}

func TestCloseEndsRefreshes(t *testing.T) {
	for _, rotation := range []token.Rotation{token.RetrySafe, token.Strict} {
		for _, after := range []time.Duration{0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond} {
			bubble.Run(t, func(t *testing.T) {
				i := &issuer{life: time.Hour, err: errNetwork}
				s, err := signedIn(token.Options{Refresh: i.refresh, Rotation: rotation}, 2*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				_ = s.Start()
				done := make(chan error, 1)
				go func() { _, err := s.Token(t.Context()); done <- err }()
				time.Sleep(after)
				_ = s.Close()
				_ = s.Close()
				if err := <-done; err == nil {
					t.Error("a token that is over")
				}
				n := i.count()
				for name, call := range map[string]func() error{
					"Renew":  func() error { _, err := s.Renew(t.Context(), access(0)); return err },
					"Token":  func() error { _, err := s.Token(t.Context()); return err },
					"Set":    func() error { return s.Set(t.Context(), made(5, time.Hour)) },
					"Logout": func() error { _, err := s.Logout(t.Context()); return err },
					"Start":  s.Start,
					"Run":    func() error { return s.Run(t.Context()) },
				} {
					if err := call(); !errors.Is(err, token.ErrClosed) || !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s after Close: %v", name, err)
					}
				}
				time.Sleep(time.Hour)
				if i.count() != n {
					t.Errorf("%d refreshes after Close", i.count()-n)
				}
			})
		}
	}
}
