package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// seed is SEED's, or one of the moment, said in the log so that a run can be repeated.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", s)
	return s
}

func TestRetryAfterIsNeverViolated(t *testing.T) {
	s := seed(t)
	for i := range uint64(20) {
		check(func() error { return checkRetryAfter(s + i) }).run(t)
	}
}

// throttler is a server that asks to wait, at random and in every form, whose clock is wrong, and who counts what
// arrives too early.
type throttler struct {
	rng  *rand.Rand
	skew time.Duration

	mu       sync.Mutex // guards what follows
	until    time.Time
	known    time.Time // when it was asked for until, and before that instant for earlier
	earlier  time.Time
	asked    int
	violated time.Duration // the worst
	hits     int
}

func (s *throttler) serve(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	now := time.Now()
	s.hits++
	until := s.until
	if now.Equal(s.known) { // the answer that asks may still be on its way to the client, in no time
		until = s.earlier
	}
	if early := until.Sub(now); early > 0 {
		s.violated = max(s.violated, early)
	}
	refuse, overload := s.rng.IntN(5) == 0, s.rng.IntN(2) == 0
	wait := time.Duration(s.rng.IntN(8000)) * time.Millisecond
	form := s.rng.IntN(6)
	trip := time.Duration(1+s.rng.IntN(50)) * time.Millisecond
	s.mu.Unlock()
	clock := now.Add(s.skew).UTC()
	fields := []string{"Date", clock.Format(http.TimeFormat)}
	switch form {
	case 0:
		wait = wait.Truncate(time.Second)
		fields = append(fields, "Retry-After", strconv.Itoa(int(wait/time.Second)))
	case 1:
		fields = append(fields, "Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', 3, 64))
	case 2: // a date holds whole seconds, counted from the Date beside it
		wait = wait.Truncate(time.Second)
		fields = append(fields, "Retry-After", clock.Truncate(time.Second).Add(wait).Format(http.TimeFormat))
	case 3:
		wait = wait.Truncate(time.Second)
		fields = append(fields, "RateLimit-Policy", `"a";q=10;w=60`, "RateLimit", fmt.Sprintf(`"a";r=0;t=%d`, wait/time.Second))
	case 4:
		wait = wait.Truncate(time.Second)
		fields = append(fields, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(clock.Unix()+int64(wait/time.Second), 10))
	case 5:
		fields = append(fields, "Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
		wait = wait.Truncate(time.Millisecond)
	}
	status := 200
	switch {
	case refuse && overload:
		status = 429
	case refuse:
		status = 503
	}
	if err := slowly(req, trip); err != nil {
		return nil, err
	}
	if !refuse {
		return answer(req, status, ""), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	now = time.Now()
	if until := now.Add(wait); until.After(s.until) { // from when the client can know
		if !now.Equal(s.known) {
			s.earlier = s.until
		}
		s.until, s.known = until, now
	}
	return answer(req, status, "", fields...), nil
}

// checkRetryAfter lets callers loose on a throttler.
func checkRetryAfter(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &throttler{rng: rng, skew: time.Duration(rng.IntN(7200)-3600) * time.Second}
	c, err := client(s.serve, api.Options{
		Rand: rand.New(rand.NewPCG(seed, 2)), Breaker: api.BreakerOptions{Disabled: seed%2 == 0},
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for range 30 {
				_, _, _ = get(context.Background(), c, []string{"GET", "POST"}[k%2], "/x", "")
			}
		})
	}
	wg.Wait()
	if s.violated > 0 || s.asked == 0 {
		return fmt.Errorf("seed %d: asked to wait %d times, violated by up to %v", seed, s.asked, s.violated)
	}
	return c.Close()
}

// TestRetryAfterBeyondTheCap: nobody sits out an hour, and nobody asks again in it either.
func TestRetryAfterBeyondTheCap(t *testing.T) {
	check(func() error {
		n := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			n++
			return answer(req, 429, "", "Retry-After", "3600"), nil
		}, api.Options{Deadline: -1})
		if err != nil {
			return err
		}
		began := time.Now()
		if status, _, err := get(context.Background(), c, "GET", "/x", ""); status != 429 || err != nil {
			return fmt.Errorf("the first call: %d, %w", status, err)
		}
		time.Sleep(50 * time.Minute)
		_, _, err = get(context.Background(), c, "GET", "/x", "")
		var e *api.Error
		if !errors.Is(err, api.ErrRateLimited) || !errors.As(err, &e) || e.RetryAt.Sub(began) < time.Hour || !e.SafeToRetry() {
			return fmt.Errorf("the second call: %w", err)
		}
		if n != 1 {
			return fmt.Errorf("%d requests in the hour", n)
		}
		return c.Close()
	}).run(t)
}

// TestUrgentGoFirst: what waits for a host goes in the order of priority, then of arrival.
func TestUrgentGoFirst(t *testing.T) {
	check(func() error {
		type arrival struct {
			path string
			at   time.Time
		}
		var order []arrival
		first := true
		var mu sync.Mutex // guards order
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if first {
				first = false
				return answer(req, 429, "", "Retry-After", "2"), nil
			}
			mu.Lock()
			order = append(order, arrival{req.URL.Path, time.Now()})
			mu.Unlock()
			return answer(req, 200, ""), slowly(req, 10*time.Millisecond)
		}, api.Options{})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		call := func(path string, p api.Priority) {
			wg.Go(func() { _, _, _ = get(api.With(context.Background(), api.Call{Priority: p}), c, "GET", path, "") })
			time.Sleep(10 * time.Millisecond)
		}
		call("/0", api.PriorityRead)
		call("/prefetch", api.PriorityPrefetch)
		call("/1", api.PriorityRead)
		call("/send", api.PrioritySend)
		call("/2", api.PriorityRead)
		call("/auth", api.PriorityAuth)
		wg.Wait()
		want := []string{"/auth", "/send", "/0", "/1", "/2", "/prefetch"}
		slices.SortStableFunc(order, func(a, b arrival) int { // which of those let go in one instant comes first is chance
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(slices.Index(want, a.path), slices.Index(want, b.path)))
		})
		var got []string
		for _, a := range order {
			got = append(got, a.path)
		}
		if !slices.Equal(got, want) || order[0].at.Equal(order[5].at) {
			return fmt.Errorf("%v", order)
		}
		return c.Close()
	}).run(t)
}

// TestReleaseIsPaced: after a hold the calls that waited come back a few at a time, not all at once.
func TestReleaseIsPaced(t *testing.T) {
	check(func() error {
		var mu sync.Mutex
		now, most, held := 0, 0, true
		var failed error
		c, err := client(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			if held {
				held = false
				mu.Unlock()
				return answer(req, 429, "", "Retry-After", "5"), nil
			}
			now++
			most = max(most, now)
			mu.Unlock()
			err := slowly(req, 50*time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			now--
			return answer(req, 200, ""), err
		}, api.Options{})
		if err != nil {
			return err
		}
		_, _, _ = get(api.With(context.Background(), api.Call{MaxAttempts: 1}), c, "GET", "/x", "")
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_, _, err := get(context.Background(), c, "GET", "/x", "")
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			})
		}
		time.Sleep(6*time.Second + 25*time.Millisecond)
		mu.Lock()
		early := now
		mu.Unlock()
		wg.Wait()
		if early > 6 || most > 20 || failed != nil {
			return fmt.Errorf("%d of 30 at once just after the hold, %d at most; %w", early, most, failed)
		}
		return c.Close()
	}).run(t)
}

// TestScarceQuotaSlowsDown: with 4 requests left for 10 seconds, they are spread, and none is refused.
func TestScarceQuotaSlowsDown(t *testing.T) {
	check(func() error {
		left, reset, refused := 5, time.Now().Add(10*time.Second), 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if now := time.Now(); !now.Before(reset) {
				left, reset = 5, now.Add(10*time.Second)
			}
			if left == 0 {
				refused++
				return answer(req, 429, ""), nil
			}
			left--
			secs := int((time.Until(reset) + time.Second - 1) / time.Second)
			return answer(req, 200, "", "RateLimit-Policy", `"x";q=50;w=10`, "RateLimit", fmt.Sprintf(`"x";r=%d;t=%d`, left, secs)), nil
		}, api.Options{Deadline: -1})
		if err != nil {
			return err
		}
		for range 20 {
			if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil {
				return err
			}
		}
		if refused > 0 {
			return fmt.Errorf("%d of 20 refused", refused)
		}
		return c.Close()
	}).run(t)
}

// TestPacingEndsWithItsQuota: a server that tells of its quota once, when it is scarce, slows calls down until that is
// full again, and no longer.
func TestPacingEndsWithItsQuota(t *testing.T) { check(checkPaceEnds).run(t) }

func checkPaceEnds() error {
	var at []time.Duration
	began := time.Now()
	c, err := client(func(req *http.Request) (*http.Response, error) {
		at = append(at, time.Since(began))
		if len(at) == 1 {
			return answer(req, 200, "", "RateLimit-Limit", "100", "RateLimit-Remaining", "1", "RateLimit-Reset", "100"), nil
		}
		return answer(req, 200, ""), nil
	}, api.Options{Deadline: -1})
	if err != nil {
		return err
	}
	for n := range 10 {
		if n == 1 {
			time.Sleep(80 * time.Second)
		}
		if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil {
			return err
		}
	}
	if at[1] != 80*time.Second || at[2] != 100*time.Second || at[9] != at[2] {
		return fmt.Errorf("requests at %v", at)
	}
	return c.Close()
}

// TestOnlyRetriesThatAreMadeArePaid: calls that have no time for another attempt leave the budget to the others.
func TestOnlyRetriesThatAreMadeArePaid(t *testing.T) {
	check(func() error {
		c, err := client(func(req *http.Request) (*http.Response, error) {
			return answer(req, 503, "", "Retry-After", "60"), slowly(req, 50*time.Millisecond)
		}, api.Options{Deadline: 10 * time.Second})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _, _, _ = get(context.Background(), c, "GET", "/x", "") })
		}
		wg.Wait()
		if h := c.Hosts()[0]; h.Stats.Retries > 0 || h.Budget != api.BudgetAtFirst {
			return fmt.Errorf("%+v", h)
		}
		return c.Close()
	}).run(t)
}
