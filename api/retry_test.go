package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestUnsafeIsNotSentAgain(t *testing.T) { check(checkUnsafe).run(t) }

// checkUnsafe breaks each request after it may have been processed.
func checkUnsafe() error {
	for _, row := range []struct {
		method string
		call   api.Call
		key    string
		want   int // attempts
	}{
		{"GET", api.Call{}, "", 3},
		{"PUT", api.Call{}, "", 3},
		{"DELETE", api.Call{}, "", 3},
		{"POST", api.Call{}, "", 1},
		{"PATCH", api.Call{}, "", 1},
		{"POST", api.Call{}, `"mine"`, 1},
		{"POST", api.Call{Idempotent: true}, "", 3},
	} {
		n := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			readBody(req)
			if n++; n < 3 {
				return nil, errLost
			}
			return answer(req, 200, "{}"), nil
		}, api.Options{})
		if err != nil {
			return err
		}
		h := http.Header{}
		if row.key != "" {
			h.Set("Idempotency-Key", row.key)
		}
		_, err = api.Do[struct{}](context.Background(), c, api.Request{Method: row.method, Path: "/", Header: h, Body: 1, Call: row.call})
		if n != row.want || (err == nil) != (row.want == 3) || err != nil && !errors.Is(err, api.ErrUnsafe) {
			return fmt.Errorf("%s %+v %s: %d attempts, want %d; %w", row.method, row.call, row.key, n, row.want, err)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestKeyStaysTheSame(t *testing.T) { check(checkKey).run(t) }

// checkKey follows the key over a lost reply, a 401 and a 503, with a server that honours it.
func checkKey() error {
	seen := map[string]int{}
	n := 0
	src := &tokens{}
	c, err := client(func(req *http.Request) (*http.Response, error) {
		readBody(req)
		seen[req.Header.Get("Idempotency-Key")]++
		switch n++; n {
		case 1:
			return nil, errLost
		case 2:
			return answer(req, 401, ""), nil
		case 3:
			return answer(req, 503, ""), nil
		}
		return answer(req, 201, "{}"), nil
	}, api.Options{KeysHonoured: true, Token: src})
	if err != nil {
		return err
	}
	defer c.Close()
	req, err := http.NewRequest(http.MethodPost, base+"/x", strings.NewReader("hi"))
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if n != 4 || len(seen) != 1 || seen[""] != 0 {
		return fmt.Errorf("%d attempts with keys %v, want 4 with one", n, seen)
	}
	for key := range seen {
		if len(key) < 20 || key[0] != '"' || key[len(key)-1] != '"' {
			return fmt.Errorf("key %s is no quoted string", key)
		}
	}
	if len(req.Header) != 0 || req.GetBody == nil {
		return fmt.Errorf("the caller's request was changed: %v", req.Header)
	}
	return nil
}

func TestBodyGoesWholeEachTime(t *testing.T) { check(checkRewind).run(t) }

// checkRewind sends bodies of every kind, of which each attempt takes some and fails.
func checkRewind() error {
	text := strings.Repeat("0123456789", 2000) // 20 KB: below what is kept
	file, err := os.CreateTemp("", "chatsdk-body-")
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Clean(file.Name()))
	defer file.Close()
	if _, err := file.WriteString("skipped" + text); err != nil {
		return err
	}
	for name, body := range map[string]func() io.Reader{
		"GetBody": func() io.Reader { return strings.NewReader(text) },
		"seeker": func() io.Reader {
			_, _ = file.Seek(7, io.SeekStart)
			return struct{ io.ReadSeeker }{file}
		},
		"kept": func() io.Reader { return io.MultiReader(strings.NewReader(text)) },
	} {
		for _, take := range []int64{0, 1, 777, int64(len(text))} {
			n, last := 0, ""
			c, err := client(func(req *http.Request) (*http.Response, error) {
				if n++; n < 4 {
					_, _ = io.CopyN(io.Discard, req.Body, take+int64(n-1))
					_ = req.Body.Close()
					return nil, errLost
				}
				last = readBody(req)
				return answer(req, 200, ""), nil
			}, api.Options{})
			if err != nil {
				return err
			}
			req, err := http.NewRequest(http.MethodPut, base+"/x", body())
			if err != nil {
				return err
			}
			_, err = c.RoundTrip(req)
			if err != nil || n != 4 || last != text {
				return fmt.Errorf("%s, %d bytes taken: %d attempts, the last sent %d of %d bytes right; %w",
					name, take, n, len(last), len(text), err)
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestLongBodyIsNotKept: what can't be had again and is longer than MaxReplay isn't buffered, and not sent again once
// some of it was read.
func TestLongBodyIsNotKept(t *testing.T) {
	check(func() error {
		for _, row := range []struct {
			take int64
			want int
		}{{0, 2}, {10, 2}, {2000, 1}} {
			n := 0
			c, err := client(func(req *http.Request) (*http.Response, error) {
				if n++; n == 1 {
					_, _ = io.CopyN(io.Discard, req.Body, row.take)
					return nil, errLost
				}
				return answer(req, 200, readBody(req)), nil
			}, api.Options{MaxReplay: 1000})
			if err != nil {
				return err
			}
			req, err := http.NewRequest(http.MethodPut, base+"/x", io.MultiReader(strings.NewReader(strings.Repeat("x", 5000))))
			if err != nil {
				return err
			}
			res, err := c.RoundTrip(req)
			if n != row.want || (err == nil) != (row.want == 2) || err != nil && !errors.Is(err, api.ErrNotReplayable) {
				return fmt.Errorf("%d bytes taken: %d attempts; %w", row.take, n, err)
			}
			if err == nil {
				if b, _ := io.ReadAll(res.Body); len(b) != 5000 {
					return fmt.Errorf("%d bytes taken: %d of 5000 arrived", row.take, len(b))
				}
				res.Body.Close()
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}).run(t)
}

func TestUnwantedAnswersAreDrained(t *testing.T) { check(checkDrain).run(t) }

func checkDrain() error {
	var bodies []*body
	c, err := client(func(req *http.Request) (*http.Response, error) {
		if len(bodies) == 4 {
			return answer(req, 200, "ok"), nil
		}
		b := &body{Reader: strings.NewReader(strings.Repeat("sorry ", 5000))}
		bodies = append(bodies, b)
		res := answer(req, 425, "")
		res.Body = b
		return res, nil
	}, api.Options{})
	if err != nil {
		return err
	}
	if status, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil || status != 200 {
		return fmt.Errorf("status %d, %w", status, err)
	}
	for i, b := range bodies {
		if !b.end.Load() || !b.closed.Load() {
			return fmt.Errorf("answer %d: read to its end %v, closed %v", i, b.end.Load(), b.closed.Load())
		}
	}
	return c.Close()
}

// TestLastAnswerIsReturned: whoever uses the RoundTripper gets the refusing answer with its body, as from any other.
func TestLastAnswerIsReturned(t *testing.T) {
	check(func() error {
		for _, want := range []int{400, 403, 404, 409, 422, 501, 500, 503} {
			n := 0
			c, err := client(func(req *http.Request) (*http.Response, error) {
				n++
				return answer(req, want, "why"), nil
			}, api.Options{MaxAttempts: 3, Breaker: api.BreakerOptions{Disabled: true}})
			if err != nil {
				return err
			}
			status, text, err := get(context.Background(), c, "GET", "/x", "")
			if attempts := map[int]int{500: 3, 503: 3}[want]; status != want || text != "why" || err != nil || n != max(attempts, 1) {
				return fmt.Errorf("want %d: got %d %q after %d attempts, %w", want, status, text, n, err)
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}).run(t)
}

func TestCancelledIsNobodysFault(t *testing.T) { check(checkCancel).run(t) }

func checkCancel() error {
	c, err := client(func(req *http.Request) (*http.Response, error) { return nil, silence(req) }, api.Options{})
	if err != nil {
		return err
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, _, err := get(ctx, c, "GET", "/x", "")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("a call out of time: %w", err)
		}
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, _, err = get(ctx, c, "GET", "/x", "")
		var e *api.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Fault != api.FaultCaller || e.Retryable() {
			return fmt.Errorf("a cancelled call: %w", err)
		}
	}
	if h := c.Hosts()[0]; h.Circuit != api.Closed || h.Budget != api.BudgetAtFirst {
		return fmt.Errorf("after cancelled calls: %+v", h)
	}
	return c.Close()
}

func TestLostRequestsCostNoBudget(t *testing.T) { check(checkBudgetPath).run(t) }

// checkBudgetPath loses half of the requests: the retries must go on for as long as it takes.
func checkBudgetPath() error {
	n := 0
	c, err := client(func(req *http.Request) (*http.Response, error) {
		if n++; n%2 == 1 {
			return nil, errLost
		}
		return answer(req, 200, ""), nil
	}, api.Options{})
	if err != nil {
		return err
	}
	for range 200 {
		if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil {
			return err
		}
	}
	if h := c.Hosts()[0]; h.Circuit != api.Closed || h.Budget < api.BudgetAtRest || h.Stats.Retries != 200 {
		return fmt.Errorf("after 200 lost requests: %+v", h)
	}
	return c.Close()
}

func TestOfflineSleepsNot(t *testing.T) { check(checkOffline).run(t) }

// checkOffline takes the network away for a minute: nothing is sent meanwhile, and all of it soon after its return.
func checkOffline() error {
	net := newNetwork(true)
	var tried atomic.Int32
	c, err := client(func(req *http.Request) (*http.Response, error) {
		if !net.Online() {
			tried.Add(1)
			return nil, errLost
		}
		return answer(req, 200, ""), nil
	}, api.Options{Network: net, Deadline: -1})
	if err != nil {
		return err
	}
	net.set(false)
	if _, _, err := get(api.With(context.Background(), api.Call{FailFast: true}), c, "GET", "/x", ""); !errors.Is(err, api.ErrOffline) {
		return fmt.Errorf("a call that is to fail fast: %w", err)
	}
	began := time.Now()
	done := make(chan time.Duration, 100)
	for range 100 {
		go func() {
			_, _, err := get(context.Background(), c, "GET", "/x", "")
			if err != nil {
				done <- time.Hour
				return
			}
			done <- time.Since(began)
		}()
	}
	time.Sleep(time.Minute)
	net.set(true)
	least, most := time.Hour, time.Duration(0)
	for range 100 {
		d := <-done
		least, most = min(least, d), max(most, d)
	}
	if n := tried.Load(); n > 0 || most > time.Minute+500*time.Millisecond || most-least < 100*time.Millisecond {
		return fmt.Errorf("%d attempts without a network; done from %v to %v", n, least, most)
	}
	return c.Close()
}
