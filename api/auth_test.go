package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestTokenIsAskedForBeforeEachAttempt(t *testing.T) { check(checkTokenEach).run(t) }

// checkTokenEach renews the token elsewhere while a call waits for its second attempt.
func checkTokenEach() error {
	src := &tokens{}
	var used []string
	c, err := client(func(req *http.Request) (*http.Response, error) {
		used = append(used, req.Header.Get("Authorization"))
		src.mu.Lock()
		src.n++
		src.mu.Unlock()
		if len(used) < 3 {
			return nil, errLost
		}
		return answer(req, 200, ""), nil
	}, api.Options{Token: src})
	if err != nil {
		return err
	}
	if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil {
		return err
	}
	if got := fmt.Sprint(used); got != "[Bearer token-0 Bearer token-1 Bearer token-2]" {
		return errors.New(got)
	}
	return c.Close()
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) { check(checkRenew).run(t) }

// checkRenew has a server that takes only token-1, one that takes none, and one that says why another won't help.
func checkRenew() error {
	for _, row := range []struct {
		name      string
		takes     string
		challenge string
		status    int
		renewed   int
		attempts  int
	}{
		{"stale", "Bearer token-1", "", 200, 1, 20},
		{"stale, and told so", "Bearer token-1", `Bearer realm="x", error="invalid_token"`, 200, 1, 20},
		{"none is good", "-", "", 401, 1, 12}, // the new one is given time, once
		{"scope", "-", `Bearer error="insufficient_scope"`, 401, 0, 10},
		{"another scheme", "-", `Basic realm="x"`, 401, 0, 10},
	} {
		src := &tokens{}
		attempts := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if attempts++; attempts > 100 {
				return answer(req, 418, ""), nil // enough is known
			}
			if readBody(req) != "hi" {
				return answer(req, 400, ""), nil
			}
			if req.Header.Get("Authorization") == row.takes {
				return answer(req, 200, ""), nil
			}
			if row.challenge != "" {
				return answer(req, 401, "", "WWW-Authenticate", row.challenge), nil
			}
			return answer(req, 401, ""), nil
		}, api.Options{Token: src})
		if err != nil {
			return err
		}
		for range 10 { // one after the other
			status, _, err := get(context.Background(), c, "POST", "/x", "hi")
			if status != row.status || err != nil {
				return fmt.Errorf("%s: %d, %w", row.name, status, err)
			}
			if row.status == 200 {
				row.attempts-- // the first call takes two, the others one
			}
		}
		if row.status == 200 {
			row.attempts++
		}
		if src.renewed != row.renewed || attempts != row.attempts {
			return fmt.Errorf("%s: renewed %d times, %d attempts, want %d and %d", row.name, src.renewed, attempts, row.renewed, row.attempts)
		}
		_, err = api.Do[struct{}](context.Background(), c, api.Request{Method: "POST", Path: "/x", Body: "no"})
		if err == nil {
			return fmt.Errorf("%s: a refused call has no error", row.name)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestTooYoungTokenIsGivenTime: a server refuses the new token for its first second, since its clock is behind that of
// the one who made it; and a source has no other token yet, and so returns the same. No call fails, no second token is
// asked for, and nobody is held back later.
func TestTooYoungTokenIsGivenTime(t *testing.T) {
	check(func() error {
		for _, src := range []interface {
			api.TokenSource
			count() int
		}{&tokens{}, &hesitant{}} {
			begun := time.Now()
			refused := 0
			c, err := client(func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Authorization") == "Bearer token-0" && src.count() == 0 || time.Since(begun) < time.Second {
					refused++
					return answer(req, 401, ""), nil
				}
				return answer(req, 200, ""), nil
			}, api.Options{Token: src})
			if err != nil {
				return err
			}
			for range 5 {
				if status, _, err := get(context.Background(), c, "POST", "/x", ""); status != 200 {
					return fmt.Errorf("%T: %d, %w", src, status, err)
				}
			}
			if src.count() != 1 || refused > 2 {
				return fmt.Errorf("%T: asked for %d tokens, %d refused", src, src.count(), refused)
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}).run(t)
}

// hesitant is a source that waits instead of making another token.
type hesitant struct{ n int }

func (s *hesitant) Token(context.Context) (string, error) { return "token-0", nil }

func (s *hesitant) Renew(_ context.Context, stale string) (string, error) {
	s.n++
	time.Sleep(2 * time.Second)
	return stale, nil
}

func (s *hesitant) count() int { return s.n }

// TestManyRefusedAtOnceRenewOnce: 1,000 calls meet the end of a token together.
func TestManyRefusedAtOnceRenewOnce(t *testing.T) {
	check(func() error {
		src := &tokens{}
		c, err := client(func(req *http.Request) (*http.Response, error) {
			stale := req.Header.Get("Authorization") == "Bearer token-0"
			if err := slowly(req, 50*time.Millisecond); err != nil || !stale {
				return answer(req, 200, ""), err
			}
			return answer(req, 401, ""), nil
		}, api.Options{Token: src})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		bad := make(chan string, 1000)
		for range 1000 {
			wg.Go(func() {
				if status, _, err := get(context.Background(), c, "GET", "/x", ""); status != 200 {
					bad <- fmt.Sprint(status, err)
				}
			})
		}
		wg.Wait()
		if src.renewed != 1 || len(bad) > 0 {
			return fmt.Errorf("renewed %d times, %d calls failed", src.renewed, len(bad))
		}
		return c.Close()
	}).run(t)
}

func TestSecretsStayWithTheirOrigin(t *testing.T) { check(checkOrigin).run(t) }

// checkOrigin calls the base's origin and others.
func checkOrigin() error {
	got := map[string]string{}
	c, err := client(func(req *http.Request) (*http.Response, error) {
		got[req.URL.String()] = req.Header.Get("Authorization") + req.Header.Get("X-API-Key")
		if req.URL.Path == "/away" {
			return answer(req, 307, "", "Location", "http://elsewhere.test/"), nil
		}
		return answer(req, 200, ""), nil
	}, api.Options{BaseURL: "https://server.test", Token: &tokens{}, APIKey: "key"})
	if err != nil {
		return err
	}
	for _, url := range []string{
		"https://server.test/", "https://SERVER.test:443/", "http://server.test/", "https://server.test:444/",
		"https://a.server.test/", "https://elsewhere.test/", "https://server.test.elsewhere.test/",
	} {
		if _, _, err := get(context.Background(), c, "GET", url, ""); err != nil {
			return err
		}
	}
	for url, secrets := range got {
		ours := url == "https://server.test/" || url == "https://SERVER.test:443/"
		if ours != (secrets == "Bearer token-0key") || !ours && secrets != "" {
			return fmt.Errorf("%s got %q", url, secrets)
		}
	}
	_, _, err = get(context.Background(), c, "GET", "https://server.test/away", "")
	if !errors.Is(err, api.ErrRedirect) {
		return fmt.Errorf("a redirect from https to http: %w", err)
	}
	res, err := c.HTTP().Get("https://server.test/away")
	if !errors.Is(err, api.ErrRedirect) || got["http://elsewhere.test/"] != "" {
		return fmt.Errorf("the same through http.Client: %v, %w", res, err)
	}
	return c.Close()
}

// TestOwnAuthorizationIsKept: a request that brings one is neither changed nor renewed for.
func TestOwnAuthorizationIsKept(t *testing.T) {
	check(func() error {
		src := &tokens{}
		var got string
		c, err := client(func(req *http.Request) (*http.Response, error) {
			got = req.Header.Get("Authorization")
			return answer(req, 401, "you sent "+got), nil
		}, api.Options{Token: src})
		if err != nil {
			return err
		}
		_, err = api.Do[struct{}](context.Background(), c, api.Request{Path: "/x", Header: http.Header{"Authorization": {"Basic aGk6dGhlcmU="}}})
		var e *api.Error
		if !errors.As(err, &e) || got != "Basic aGk6dGhlcmU=" || string(e.Body) != "you sent Basic [redacted]" || src.asked+src.renewed > 0 {
			return fmt.Errorf("%w; asked %d, renewed %d", err, src.asked, src.renewed)
		}
		return c.Close()
	}).run(t)
}

// TestNoTokenFailsTheCall: the source's reason comes through, and nothing is sent.
func TestNoTokenFailsTheCall(t *testing.T) {
	check(func() error {
		gone := errors.New("signed out")
		c, err := client(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("sent without a token")
		}, api.Options{Token: failing{gone}})
		if err != nil {
			return err
		}
		_, _, err = get(context.Background(), c, "GET", "/x", "")
		if !errors.Is(err, api.ErrToken) || !errors.Is(err, gone) || !strings.Contains(err.Error(), "signed out") {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		slow, err := client(nil, api.Options{Token: failing{}})
		if err != nil {
			return err
		}
		began := time.Now()
		if _, _, err = get(ctx, slow, "GET", "/x", ""); !errors.Is(err, api.ErrDeadline) || time.Since(began) != time.Second {
			return fmt.Errorf("a source that hangs: after %v, %w", time.Since(began), err)
		}
		time.AfterFunc(time.Second, func() { _ = slow.Close() })
		if _, _, err = get(context.Background(), slow, "GET", "/x", ""); !errors.Is(err, api.ErrClosed) {
			return fmt.Errorf("closed while the source hangs: %w", err)
		}
		return c.Close()
	}).run(t)
}

// failing is a source with an error, or one that hangs.
type failing struct{ err error }

func (f failing) Token(ctx context.Context) (string, error) {
	if f.err == nil {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "", f.err
}

func (f failing) Renew(ctx context.Context, _ string) (string, error) { return f.Token(ctx) }

// soon is the error of a source that knows when to ask again.
type soon struct{ at time.Time }

func (e soon) Error() string      { return "the authorization server has a moment's trouble" }
func (e soon) RetryAt() time.Time { return e.at }

// troubled is a source without a token until a time, which says that it is later still.
type troubled struct{ until, says time.Time }

func (s troubled) Token(context.Context) (string, error) {
	if time.Now().Before(s.until) {
		return "", fmt.Errorf("wrapped: %w", soon{s.says})
	}
	return "token", nil
}

func (s troubled) Renew(ctx context.Context, _ string) (string, error) { return s.Token(ctx) }

func TestTokenIsWaitedFor(t *testing.T) { check(checkTokenLater).run(t) }

// checkTokenLater makes calls while the source has no token: they wait for as long as they may, and no longer.
func checkTokenLater() error {
	for _, row := range []struct {
		name       string
		trouble    time.Duration
		says       time.Duration
		call       api.Call
		took, most time.Duration
		ok         bool
	}{
		{"a moment", 3 * time.Second, 3 * time.Second, api.Call{}, 3 * time.Second, 5 * time.Second, true},
		{"over sooner than it said", 3 * time.Second, 20 * time.Second, api.Call{}, 3 * time.Second, 5 * time.Second, true},
		{"longer than the call has", time.Hour, time.Minute, api.Call{}, 0, 0, false},
		{"says the past", time.Hour, -time.Hour, api.Call{Deadline: 10 * time.Second}, 9 * time.Second, 10 * time.Second, false},
		{"in a hurry", 3 * time.Second, 3 * time.Second, api.Call{FailFast: true}, 0, 0, false},
	} {
		began := time.Now()
		asked := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			asked++
			return answer(req, 200, ""), nil
		}, api.Options{Token: troubled{began.Add(row.trouble), began.Add(row.says)}})
		if err != nil {
			return err
		}
		status, _, err := get(api.With(context.Background(), row.call), c, "GET", "/x", "")
		took := time.Since(began)
		var e *api.Error
		switch {
		case took < row.took || took > row.most, row.ok != (status == 200):
			return fmt.Errorf("%s: %d, %w after %v", row.name, status, err, took)
		case !row.ok && (!errors.As(err, &e) || !e.Retryable() || asked > 0):
			return fmt.Errorf("%s: %w", row.name, err)
		case !row.ok && errors.Is(err, api.ErrToken) && !e.RetryAt.Equal(began.Add(row.says)):
			return fmt.Errorf("%s: come back at %v", row.name, e.RetryAt)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}
