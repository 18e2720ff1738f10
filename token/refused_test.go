package token_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

func TestRefusedNewTokensDoNotLoop(t *testing.T) { inBubble(t, checkLoopGuard) }

// A server answers 401 to every token, the newest too.
func checkLoopGuard(ctx context.Context) error {
	i, s, err := hourly()
	if err != nil {
		return err
	}
	defer s.Close()
	var rejected int
	for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(50 * time.Millisecond) {
		present, err := s.Token(ctx)
		if err != nil {
			return err
		}
		var retry *token.RetryError
		switch _, err := s.Renew(ctx, present); {
		case errors.Is(err, token.ErrRejected) && errors.As(err, &retry) && time.Until(retry.At) > 0:
			rejected++
		case err != nil:
			return err
		}
	}
	// Three at first, then three after holds of 30 s, 1, 2, 4, 8, 10, 10 … minutes.
	if n := i.count(); n > 40 || n < 10 || rejected == 0 {
		return fmt.Errorf("%d refreshes in an hour of refusals, %d calls held back", n, rejected)
	}
	return nil
}

func TestTokenRefusedAfterItsEndIsReplaced(t *testing.T) { inBubble(t, checkRefusedAfterEnd) }

// Tokens live shorter than the network is away, again and again. What a server refuses afterwards isn't a new token.
func checkRefusedAfterEnd(ctx context.Context) error {
	const life = 20 * time.Second
	i := &issuer{life: life}
	s, err := signedIn(token.Options{Refresh: i.refresh}, life)
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range 10 {
		got, err := s.Renew(ctx, access(n))
		if err := wants(got, err, access(n+1)); err != nil {
			return fmt.Errorf("after %d lives: %w", n, err)
		}
		time.Sleep(life)
	}
	return nil
}

func TestTokenThatWasAcceptedIsReplaced(t *testing.T) { inBubble(t, checkAcceptedIsReplaced) }

// A server takes each new token, and withdraws it long before its end. Once it doesn't take them, that is noticed.
func checkAcceptedIsReplaced(ctx context.Context) error {
	i, s, err := hourly()
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range 20 {
		got, err := s.Renew(ctx, access(n))
		if err := wants(got, err, access(n+1)); err != nil {
			return fmt.Errorf("after %d that were accepted: %w", n, err)
		}
		s.Accepted(got)
		time.Sleep(3 * time.Second)
	}
	for n := i.count(); n < 25; n++ {
		s.Accepted(access(0)) // says nothing of the present one
		if _, err = s.Renew(ctx, access(n)); err != nil {
			break
		}
		time.Sleep(3 * time.Second)
	}
	if !errors.Is(err, token.ErrRejected) {
		return fmt.Errorf("tokens that nobody accepted: %w after %d refreshes", err, i.count())
	}
	return nil
}

func TestTooYoungTokenIsNotReplaced(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i, s, err := hourly()
		if err != nil {
			return err
		}
		defer s.Close()
		if _, err := s.Renew(ctx, access(0)); err != nil {
			return err
		}
		asked := time.Now()
		got, err := s.Renew(ctx, access(1)) // its server's clock isn't there yet
		if err := wants(got, err, access(1)); err != nil || time.Since(asked) != 2*time.Second {
			return fmt.Errorf("%w after %v", err, time.Since(asked))
		}
		got, err = s.Renew(ctx, access(1)) // it isn't that
		if err := wants(got, err, access(2)); err != nil || i.count() != 2 {
			return fmt.Errorf("%w after %d refreshes", err, i.count())
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := s.Renew(short, access(2)); !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("a caller in a hurry: %w", err)
		}
		return nil
	})
}

func TestSettingsAreTold(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour, err: &token.RefreshError{Status: 401, Code: "invalid_client", JSON: true}}
		s, err := signedIn(token.Options{Refresh: i.refresh}, 12*time.Minute)
		if err != nil {
			return err
		}
		defer s.Close()
		_ = s.Start()
		time.Sleep(11 * time.Minute)
		if got, err := s.Token(ctx); wants(got, err, access(0)) != nil || s.State().State != token.ConfigError || i.count() != 1 {
			return fmt.Errorf("a good token with wrong settings: %w, %+v after %d", err, s.State(), i.count())
		}
		time.Sleep(3 * time.Minute)
		if _, err := s.Token(ctx); err == nil || errors.Is(err, token.ErrSignedOut) || s.State().State != token.ConfigError {
			return fmt.Errorf("over: %w, %+v", err, s.State())
		}
		i.fail(nil)
		time.Sleep(15 * time.Minute)
		if _, err := s.Token(ctx); err != nil || s.State().State != token.Fresh {
			return fmt.Errorf("mended: %w, %+v", err, s.State())
		}
		return nil
	})
}

// Some servers answer invalid_request to the loser of a race: that says nothing yet.
func TestUnclearAnswersBecomeSettings(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour, err: &token.RefreshError{Status: 400, Code: "invalid_request", JSON: true}}
		s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
		if err != nil {
			return err
		}
		defer s.Close()
		_, _ = s.Renew(ctx, access(0))
		var states []token.State
		for range 3 {
			states = append(states, s.State().State)
			time.Sleep(s.State().RetryIn)
			_, _ = s.Renew(ctx, access(0))
		}
		want := []token.State{token.Degraded, token.Degraded, token.ConfigError}
		if fmt.Sprint(states) != fmt.Sprint(want) {
			return fmt.Errorf("%v, want %v", states, want)
		}
		return nil
	})
}

func TestAskedForWaitIsKept(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		for n, asked := range []time.Duration{5 * time.Second, 10 * time.Minute, 100 * time.Hour, 5 * time.Second, 10 * time.Minute} {
			i := &issuer{life: time.Hour, err: &token.RefreshError{Status: 429, RetryAfter: asked}}
			o := token.Options{Refresh: i.refresh}
			if n > 2 { // the short wait for a grace period is no excuse
				i.err, o.Rotation = &token.RefreshError{Status: 503, RetryAfter: asked}, token.Strict
			}
			s, err := signedIn(o, time.Hour)
			if err != nil {
				return err
			}
			_ = s.Start()
			_, _ = s.Renew(ctx, access(0))
			for began := time.Now(); time.Since(began) < min(asked, time.Hour); time.Sleep(time.Second) {
				s.NetworkChanged() // is no reason to ask before
				_, _ = s.Renew(ctx, access(0))
				if i.count() != 1 {
					return fmt.Errorf("asked for %v, came back after %v", asked, time.Since(began))
				}
			}
			i.fail(nil)
			time.Sleep(min(asked, time.Hour)/5 + 3*time.Second)
			if _, err := s.Renew(ctx, access(0)); err != nil || i.count() != 2 {
				return fmt.Errorf("after the wait: %w (%d)", err, i.count())
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestOfflineSendsNothing(t *testing.T) { inBubble(t, checkOffline) }

// A token runs out while there is no network: nothing is sent, callers are told why, and the network's return brings a
// token at once.
func checkOffline(ctx context.Context) error {
	i := &issuer{life: time.Hour}
	var online atomic.Bool
	s, err := signedIn(token.Options{Refresh: i.refresh, Online: online.Load}, time.Minute)
	if err != nil {
		return err
	}
	defer s.Close()
	_ = s.Start()
	for began := time.Now(); time.Since(began) < 20*time.Minute; time.Sleep(time.Second) {
		s.NetworkChanged() // another network that leads nowhere
		got, err := s.Token(ctx)
		var retry *token.RetryError
		switch over := time.Since(began) > time.Minute; {
		case i.count() > 0:
			return fmt.Errorf("%d requests without a network", i.count())
		case over && (!errors.As(err, &retry) || !errors.Is(err, token.ErrOffline)):
			return fmt.Errorf("without a network: %w", err)
		case time.Since(began) < 50*time.Second && wants(got, err, access(0)) != nil:
			return fmt.Errorf("without a network and with a good token: %q, %w", got, err)
		}
	}
	online.Store(true)
	s.NetworkChanged()
	time.Sleep(1100 * time.Millisecond) // a request takes one second
	if got, ok := s.AccessToken(); !ok || got != access(1) || s.State().State != token.Fresh {
		return fmt.Errorf("back online: %v, %+v after %d requests", ok, s.State(), i.count())
	}
	return nil
}

func TestNetworkChangedEndsTheWait(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour, err: errNetwork}
		s, err := signedIn(token.Options{Refresh: i.refresh}, 3*time.Second)
		if err != nil {
			return err
		}
		defer s.Close()
		_ = s.Start()
		time.Sleep(10 * time.Minute)
		i.fail(nil)
		n := i.count()
		s.NetworkChanged()
		time.Sleep(1100 * time.Millisecond)
		if _, ok := s.AccessToken(); !ok || i.count() != n+1 {
			return fmt.Errorf("no token a round trip after the network came back (%d refreshes)", i.count()-n)
		}
		i.fail(errNetwork)
		n = i.count()
		_, _ = s.Renew(ctx, access(n))
		for range 1000 { // an interface that flaps
			s.NetworkChanged()
			time.Sleep(10 * time.Millisecond)
		}
		if more := i.count() - n; more > 10 {
			return fmt.Errorf("%d requests in 10 s of flapping", more)
		}
		return nil
	})
}
