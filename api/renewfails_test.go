package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// unrenewed is a source whose token is refused, and that has no other.
type unrenewed struct{ err error }

func (unrenewed) Token(context.Context) (string, error) { return "acc-1", nil }

func (s unrenewed) Renew(ctx context.Context, _ string) (string, error) {
	return failing(s).Token(ctx)
}

// TestFailedRenewalKeepsTheRefusal: where no other token can be had the answer is still there, whole, and the error says
// why there is none.
func TestFailedRenewalKeepsTheRefusal(t *testing.T) { check(checkRenewFails).run(t) }

func checkRenewFails() error {
	const problem = `{"code":"token_expired","detail":"run out"}`
	gone := errors.New("signed out")
	in := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name      string
		err       error
		retryable bool
	}{{"for good", gone, false}, {"for an hour", fmt.Errorf("%w: %w", gone, soon{in}), true}} {
		var bodies []*body
		c, err := client(func(req *http.Request) (*http.Response, error) {
			res := answer(req, 401, problem)
			b := &body{Reader: res.Body}
			res.Body = b
			bodies = append(bodies, b)
			return res, nil
		}, api.Options{Token: unrenewed{row.err}})
		if err != nil {
			return err
		}
		if status, text, err := get(context.Background(), c, "GET", "/x", ""); status != 401 || text != problem || err != nil {
			return fmt.Errorf("%s, RoundTrip: %d %q, %w", row.name, status, text, err)
		}
		_, err = api.Do[struct{}](context.Background(), c, api.Request{Path: "/x"})
		var e *api.Error
		switch {
		case !errors.As(err, &e), !errors.Is(err, api.ErrToken), !errors.Is(err, gone), e.Status != 401:
			return fmt.Errorf("%s, Do: %w", row.name, err)
		case e.Problem == nil || e.Problem.Code != "token_expired" || string(e.Body) != problem:
			return fmt.Errorf("%s, Do lost the answer: %q, %w", row.name, e.Body, err)
		case e.Retryable() != row.retryable, e.RetryAt.IsZero() == row.retryable, row.retryable && !e.RetryAt.Equal(in):
			return fmt.Errorf("%s, Do: retryable %v at %v", row.name, e.Retryable(), e.RetryAt)
		}
		for _, b := range bodies {
			if !b.closed.Load() {
				return fmt.Errorf("%s: an answer was left open", row.name)
			}
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestCallThatEndsInARenewalFails: whose context, deadline or client ends while another token is asked for gets that as
// an error, not the refusal.
func TestCallThatEndsInARenewalFails(t *testing.T) {
	check(func() error {
		for want, o := range map[error]api.Options{
			api.ErrCancelled: {}, api.ErrDeadline: {Deadline: time.Second}, api.ErrClosed: {Deadline: time.Minute},
		} {
			var last *body
			o.Token = unrenewed{}
			c, err := client(func(req *http.Request) (*http.Response, error) {
				res := answer(req, 401, "no")
				last = &body{Reader: res.Body}
				res.Body = last
				return res, nil
			}, o)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if errors.Is(want, api.ErrCancelled) {
				time.AfterFunc(time.Second, cancel)
			} else if errors.Is(want, api.ErrClosed) {
				time.AfterFunc(time.Second, func() { _ = c.Close() })
			}
			began := time.Now()
			status, _, err := get(ctx, c, "GET", "/x", "")
			if !errors.Is(err, want) || status != 0 || time.Since(began) != time.Second || !last.closed.Load() {
				return fmt.Errorf("want %w: %d, %w after %v", want, status, err, time.Since(began))
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}).run(t)
}
