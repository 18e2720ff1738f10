package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// TestNoDuplicateEffects sends 20,000 POSTs, in `make soak` 100,000, over a path that loses half of the requests and half of the replies: once
// to a server that honours Idempotency-Key, and once to one that doesn't, where what may have been processed isn't sent
// again.
func TestNoDuplicateEffects(t *testing.T) {
	s, n := seed(t), 20_000
	if os.Getenv("SOAK_SEEDS") != "" {
		n = 100_000
	}
	for _, honoured := range []bool{true, false} {
		bubble.Run(t, func(t *testing.T) {
			r, err := lossyPosts(s, n, honoured)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("server honours keys: %v; %+v", honoured, r)
			if err := r.wrong(); err != nil {
				t.Error(err)
			}
			if honoured && r.ok < n*88/100 { // 8 attempts of 1 in 4: 90%
				t.Errorf("only %d of %d went through", r.ok, n)
			}
		})
	}
}

// posts is what became of them.
type posts struct {
	ok, duplicates int
	missing        int // said to be done, and wasn't
	lied           int // said to be safe to send again, and was done
	attempts       int
}

// wrong says what must not be.
func (r posts) wrong() error {
	if r.duplicates > 0 || r.lied > 0 || r.missing > 0 {
		return fmt.Errorf("effects doubled, or told wrong: %+v", r)
	}
	return nil
}

// lossyPosts sends n POSTs, a hundred at a time.
func lossyPosts(seed uint64, n int, honoured bool) (posts, error) {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 3))
	effects, keys := map[string]int{}, map[string]bool{}
	var r posts
	c, err := client(func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		r.attempts++
		lost, replyLost := rng.IntN(2) == 0, rng.IntN(2) == 0
		if !lost {
			if key := req.Header.Get("Idempotency-Key"); !honoured || !keys[key] {
				keys[key] = true
				effects[req.URL.Path]++
			}
		}
		mu.Unlock()
		if lost || replyLost {
			return nil, errLost
		}
		return answer(req, 201, ""), nil
	}, api.Options{KeysHonoured: honoured, Rand: rand.New(rand.NewPCG(seed, 4))})
	if err != nil {
		return r, err
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 100 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				path := fmt.Sprintf("/%d", i)
				status, _, err := get(context.Background(), c, "POST", path, "")
				mu.Lock()
				done := effects[path]
				var e *api.Error
				switch {
				case err == nil && status == 201:
					r.ok++
					if done == 0 {
						r.missing++
					}
				case errors.As(err, &e) && e.SafeToRetry() && done > 0:
					r.lied++
				}
				if done > 1 {
					r.duplicates++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return r, c.Close()
}

func TestOverloadIsNotMadeWorse(t *testing.T) {
	s := seed(t)
	for _, row := range []struct {
		name   string
		status int
		share  float64 // of requests refused
	}{{"all 503", 503, 1}, {"all 500", 500, 1}, {"half 503", 503, 0.5}, {"half 500", 500, 0.5}, {"one in ten 500", 500, 0.1}, {"one in twelve 503", 503, 1.0 / 12}, {"all 429", 429, 1}} {
		for _, breaker := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, breaker %v", row.name, breaker), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					ratio, err := overload(s, row.status, row.share, breaker)
					t.Logf("load is %.3f of what was offered", ratio)
					if err != nil || ratio > 1.1 {
						t.Error("more than 1.1", err)
					}
				})
			})
		}
	}
}

// overload offers 20 calls a second for two minutes and says how many requests came of each.
func overload(seed uint64, status int, share float64, breaker bool) (float64, error) {
	var hits atomic.Int64
	rng := rand.New(rand.NewPCG(seed, 5))
	var mu sync.Mutex
	c, err := client(func(req *http.Request) (*http.Response, error) {
		hits.Add(1)
		mu.Lock()
		refuse := rng.Float64() < share
		mu.Unlock()
		if err := slowly(req, 50*time.Millisecond); err != nil {
			return nil, err
		}
		if refuse {
			return answer(req, status, ""), nil
		}
		return answer(req, 200, ""), nil
	}, api.Options{Rand: rand.New(rand.NewPCG(seed, 6)), Breaker: api.BreakerOptions{Disabled: !breaker}})
	if err != nil {
		return 0, err
	}
	const calls = 2400
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() { _, _, _ = get(context.Background(), c, "GET", "/x", "") })
		time.Sleep(50 * time.Millisecond)
	}
	wg.Wait()
	return float64(hits.Load()) / calls, c.Close()
}

func TestOutage(t *testing.T) {
	s := seed(t)
	check(someOutage).run(t)
	for i := range uint64(6) {
		for _, kind := range []string{"refused", "503"} {
			check(func() error { return checkOutage(s+i, kind) }).run(t)
		}
	}
}

// someOutage is the one in which a call whose attempt had begun just before the return slept on until 2.015 s after it.
func someOutage() error { return checkOutage(1795596982328280712, "refused") }

// refusedDial is what a host without a server answers.
func refusedDial() error { return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} }

// checkOutage takes the server away for 30 s at 20 calls a second: the circuit opens within 1 s, and is closed within
// 2 s of the server's return; with a refused connection, which is never an effect, all calls are done by then.
func checkOutage(seed uint64, kind string) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	from := time.Now().Add(5*time.Second + time.Duration(rng.IntN(1000))*time.Millisecond)
	to := from.Add(30 * time.Second)
	var opened, closed time.Time
	var hits atomic.Int64
	c, err := client(func(req *http.Request) (*http.Response, error) {
		now := time.Now()
		if err := slowly(req, 50*time.Millisecond); err != nil {
			return nil, err
		}
		if now.Before(from) || !now.Before(to) {
			return answer(req, 200, ""), nil
		}
		hits.Add(1)
		if kind == "refused" {
			return nil, refusedDial()
		}
		return answer(req, 503, ""), nil
	}, api.Options{Deadline: time.Minute, Rand: rand.New(rand.NewPCG(seed, 8)), OnStateChange: func(ch api.CircuitChange) {
		switch {
		case ch.To == api.Open && opened.IsZero():
			opened = ch.At
		case ch.To == api.Closed:
			closed = ch.At
		}
	}})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var failed, late atomic.Int64
	for time.Now().Before(to.Add(5 * time.Second)) {
		begun := time.Now()
		wg.Go(func() {
			status, _, err := get(context.Background(), c, "GET", "/x", "")
			if status != 200 || err != nil {
				failed.Add(1)
			}
			if begun.Before(to) && time.Since(to) > 2*time.Second {
				late.Add(1)
			}
		})
		time.Sleep(50 * time.Millisecond)
	}
	wg.Wait()
	open, back := opened.Sub(from), closed.Sub(to)
	if opened.IsZero() || open > time.Second || closed.IsZero() || back > 2*time.Second {
		return fmt.Errorf("seed %d, %s: opened after %v, closed %v after the return", seed, kind, open, back)
	}
	if kind == "refused" && (failed.Load() > 0 || late.Load() > 0) {
		return fmt.Errorf("seed %d: %d calls failed, %d were late", seed, failed.Load(), late.Load())
	}
	if n := hits.Load(); n > 120 {
		return fmt.Errorf("seed %d, %s: %d requests to a server that is down", seed, kind, n)
	}
	return c.Close()
}

// TestHalfGetNoAnswer is scenario 2 for reads: half of the requests vanish without a trace; 99% are done within 30 s.
func TestHalfGetNoAnswer(t *testing.T) {
	s := seed(t)
	bubble.Run(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(s, 9))
		var mu sync.Mutex
		c, err := client(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			lost := rng.IntN(2) == 0
			mu.Unlock()
			if lost {
				return nil, silence(req)
			}
			return answer(req, 200, ""), slowly(req, 80*time.Millisecond)
		}, api.Options{Rand: rand.New(rand.NewPCG(s, 10))})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.ObserveRTT(80 * time.Millisecond)
		const calls = 2000
		var wg sync.WaitGroup
		var ok atomic.Int64
		for range calls {
			wg.Go(func() {
				if status, _, err := get(context.Background(), c, "GET", "/x", ""); err == nil && status == 200 {
					ok.Add(1)
				}
			})
			time.Sleep(50 * time.Millisecond)
		}
		wg.Wait()
		t.Logf("%d of %d within 30 s", ok.Load(), calls)
		if ok.Load() < calls*99/100 {
			t.Error("less than 99%")
		}
	})
}
