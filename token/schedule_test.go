package token_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

const year = 365 * 24 * time.Hour

func TestWindows(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		name             string
		life, left       time.Duration
		born             bool
		dueFrom, dueTill time.Duration
		over             time.Duration // -1: not known
	}{
		{"an hour", time.Hour, time.Hour, true, 3600*time.Second - 375*time.Second, 55 * time.Minute, time.Hour - 5*time.Second},
		{"an hour, half gone", time.Hour, 30 * time.Minute, false, 1425 * time.Second, 25 * time.Minute, 30*time.Minute - 5*time.Second},
		{"shorter than the margin", 4 * time.Minute, 4 * time.Minute, true, 180 * time.Second, 192 * time.Second, 235 * time.Second},
		{"a second", time.Second, time.Second, true, 750 * time.Millisecond, 800 * time.Millisecond, time.Second},
		{"a millisecond", time.Millisecond, time.Millisecond, true, 500 * time.Millisecond, 500 * time.Millisecond, time.Second},
		{"arrived too late", time.Second, -time.Second, true, 500 * time.Millisecond, 500 * time.Millisecond, time.Second},
		{"kept and over", time.Hour, -time.Minute, false, -time.Minute - 375*time.Second, -6 * time.Minute, -65 * time.Second},
		{"ten years", 10 * year, 10 * year, true, 10*year - 375*time.Second, 10*year - 5*time.Minute, 10*year - 5*time.Second},
		{"as long as can be", math.MaxInt64, 10 * year, true, 10*year - 375*time.Second, 10*year - 5*time.Minute, 10*year - 5*time.Second},
		{"not said", 0, 0, true, 285 * time.Second, 5 * time.Minute, -1},
		{"kept, clock turned back", time.Hour, 3 * time.Hour, false, 0, 0, time.Hour - 5*time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			tokens := token.Tokens{Lifetime: row.life}
			if row.life != 0 {
				tokens.Expiry = now.Add(row.left)
			}
			for seed := range uint64(100) {
				due, over := token.WindowOf(tokens, now, row.born, rand.New(rand.NewPCG(seed, 1)))
				if d := due.Sub(now); d < row.dueFrom || d > row.dueTill {
					t.Fatalf("due in %v, want %v to %v", d, row.dueFrom, row.dueTill)
				}
				if row.over < 0 && row.dueFrom > 0 {
					if !over.IsZero() {
						t.Fatalf("over %v, want never", over)
					}
				} else if o := over.Sub(now); o != row.over {
					t.Fatalf("over in %v, want %v", o, row.over)
				}
			}
		})
	}
}

func TestLifetimes(t *testing.T) { inBubble(t, checkLifetimes) }

// Whatever a server says of its tokens' lives: no loop, no overflow, and always a token.
func checkLifetimes(ctx context.Context) error {
	for _, row := range []struct {
		life   time.Duration
		within time.Duration
		most   int
	}{
		{time.Second, time.Minute, 120},
		{2 * time.Second, time.Minute, 45},
		{10 * time.Second, 10 * time.Minute, 80},
		{time.Minute, time.Hour, 81},
		{4 * time.Minute, time.Hour, 20},
		{5 * time.Minute, time.Hour, 17},
		{15 * time.Minute, 12 * time.Hour, 65},
		{time.Hour, 24 * time.Hour, 28},
		{30 * 24 * time.Hour, 24 * time.Hour, 0},
		{10 * year, 48 * time.Hour, 0},
		{math.MaxInt64, 48 * time.Hour, 0},
		{time.Nanosecond, time.Minute, 120},
		{0, time.Hour, 14},
		{-time.Hour, time.Hour, 14},
		{math.MinInt64, time.Hour, 14},
	} {
		i := &issuer{life: row.life}
		s, err := signedIn(token.Options{Refresh: i.refresh}, max(row.life, 5*time.Second))
		if err != nil {
			return err
		}
		if err := s.Start(); err != nil {
			return err
		}
		before := i.count()
		for began := time.Now(); time.Since(began) < row.within; time.Sleep(row.within / 500) {
			if _, err := s.Token(ctx); err != nil {
				return errors.Join(fmt.Errorf("life %v: %w", row.life, err), s.Close())
			}
		}
		n := i.count() - before
		if err := s.Close(); err != nil {
			return err
		}
		if n > row.most || n == 0 && row.most > 0 {
			return fmt.Errorf("life %v: %d refreshes in %v, at most %d", row.life, n, row.within, row.most)
		}
	}
	return nil
}

func TestExpiryCountsFromTheRequest(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour} // takes a second
		s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sent := time.Now()
		if _, err := s.Renew(t.Context(), access(0)); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Tokens(); !got.Expiry.Equal(sent.Add(time.Hour)) || got.User != "ada" {
			t.Errorf("ends %v after the request", got.Expiry.Sub(sent))
		}
	})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, row := range map[string]struct{ given, want token.Tokens }{
		"lifetime wins":         {token.Tokens{Lifetime: time.Hour, Expiry: now}, token.Tokens{Lifetime: time.Hour, Expiry: now.Add(time.Hour - time.Second)}},
		"expiry alone":          {token.Tokens{Expiry: now.Add(time.Minute)}, token.Tokens{Lifetime: 61 * time.Second, Expiry: now.Add(time.Minute)}},
		"born over isn't so":    {token.Tokens{Expiry: now.Add(-time.Minute)}, token.Tokens{}},
		"nothing":               {token.Tokens{}, token.Tokens{}},
		"refresh token's, both": {token.Tokens{RefreshLifetime: time.Hour}, token.Tokens{RefreshLifetime: time.Hour, RefreshExpiry: now.Add(time.Hour - time.Second)}},
	} {
		if got := token.Anchored(row.given, now.Add(-time.Second), now); got != row.want {
			t.Errorf("%s: lives %v until %v", name, got.Lifetime, got.Expiry)
		}
	}
}

// wallClock can be set; it runs with the time of the bubble.
type wallClock struct{ offset atomic.Int64 }

func (w *wallClock) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *wallClock) step(d time.Duration) { w.offset.Add(int64(d)) }

// A machine that sleeps, or whose clock is set: a token in time, no refresh too many.
func TestClockStepsAndSleep(t *testing.T) {
	for name, row := range map[string]struct {
		step time.Duration
		most int // refreshes in the quarter of an hour after it
	}{
		"slept for eight hours": {8 * time.Hour, 1},
		"set ahead by a year":   {year, 1},
		"set back by an hour":   {-time.Hour, 1},
		"set back by ten years": {-10 * year, 1},
		"a slow drift":          {4 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				w := &wallClock{}
				i := &issuer{life: time.Hour}
				s, err := signedIn(token.Options{Refresh: i.refresh, Now: w.now}, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				_ = s.Start()
				time.Sleep(5 * time.Minute)
				w.step(row.step)
				if _, err := s.Token(t.Context()); err != nil {
					t.Errorf("a call right after it: %v", err)
				}
				time.Sleep(31 * time.Second) // a tick and a refresh
				if _, ok := s.AccessToken(); !ok {
					t.Error("no token a tick later")
				}
				time.Sleep(14 * time.Minute)
				if n := i.count(); n > row.most {
					t.Errorf("%d refreshes", n)
				}
				time.Sleep(40 * time.Minute) // the first token's real end
				if _, ok := s.AccessToken(); !ok || i.count() == 0 {
					t.Errorf("no refresh by the token's real end (%d)", i.count())
				}
				time.Sleep(3 * time.Hour)
				if _, ok := s.AccessToken(); !ok || i.count() > row.most+6 {
					t.Errorf("afterwards: %d refreshes", i.count())
				}
			})
		})
	}
}

// A machine that slept, in a source that was never started: nobody else looks at the clock, and calls came until then.
func TestSleepIsNoticedWithoutASchedule(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		if err := checkSleepIsNoticed(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func checkSleepIsNoticed(ctx context.Context) error {
	w := &wallClock{}
	i := &issuer{life: time.Hour}
	s, err := signedIn(token.Options{Refresh: i.refresh, Now: w.now}, time.Hour)
	if err != nil {
		return err
	}
	defer s.Close()
	first, ok := s.AccessToken()
	if !ok {
		return errors.New("no token after the sign-in")
	}
	w.step(8 * time.Hour)
	time.Sleep(101 * time.Millisecond)
	if _, ok := s.AccessToken(); ok {
		return errors.New("a token that is over is handed out 101 ms after the sleep")
	}
	if next, err := s.Token(ctx); err != nil || next == first {
		return fmt.Errorf("not another token after the sleep: %w", err)
	}
	return nil
}

func TestSessionsEndIsToldAhead(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		s, err := token.New(token.Options{Refresh: i.refresh, Store: token.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_ = s.Start()
		first := made(0, 60*24*time.Hour)
		first.RefreshLifetime = 30 * 24 * time.Hour
		ends := time.Now().Add(first.RefreshLifetime)
		if err := s.Set(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 31*24*time.Hour)
		defer cancel()
		told := false
		for c := range s.Watch(ctx) {
			if c.Reason == token.ReasonEnding {
				if ahead := time.Until(ends); ahead < 3*24*time.Hour-time.Minute || ahead > 3*24*time.Hour+time.Minute || !c.SessionEnds.Equal(ends) {
					t.Errorf("told %v ahead, ends %v", ahead, c.SessionEnds)
				}
				told = true
				break
			}
		}
		if !told {
			t.Error("not told")
		}
	})
}
