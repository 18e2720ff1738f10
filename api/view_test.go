package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

var (
	errCaller  = errors.New("the caller's reason")
	errLatched = errors.New("looked too late")
)

// TestContextOfAnAttempt: a transport finds the attempt's end and its cause in the request's context, whenever it looks.
func TestContextOfAnAttempt(t *testing.T) { check(checkContext).run(t) }

type callerKey struct{}

// contextRow is a way for an attempt to end.
type contextRow struct {
	name     string
	silent   time.Duration // before the transport looks at its context for the first time
	cancel   time.Duration // when the caller cancels, 0 for never
	closed   time.Duration // when the client is closed, 0 for never
	deadline time.Duration // of the call
	want     error
	at       time.Duration // when a transport that waits for the end sees it
}

func checkContext() error {
	const half = time.Second / 2
	for _, row := range []contextRow{
		{"times out", 0, 0, 0, -1, api.ErrTimeout, 4 * half},
		{"timed out before the first look", 6 * half, 0, 0, -1, api.ErrTimeout, 6 * half},
		{"call's deadline", 0, 0, 0, 2 * half, api.ErrDeadline, 2 * half},
		{"caller", 0, 2 * half, 0, -1, errCaller, 2 * half},
		{"caller before the first look", 3 * half, 2 * half, 0, -1, errCaller, 3 * half},
		{"caller after the timeout, before the first look", 8 * half, 6 * half, 0, -1, api.ErrTimeout, 8 * half},
		{"caller, then the timeout, before the first look", 8 * half, 2 * half, 0, -1, errCaller, 8 * half},
		{"client closed", 0, 0, 2 * half, -1, api.ErrClosed, 2 * half},
		{"client closed before the first look", 3 * half, 0, 2 * half, -1, api.ErrClosed, 3 * half},
	} {
		if err := row.check(); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return nil
}

func (row contextRow) check() error {
	var seen error
	var at time.Duration
	c, err := client(func(req *http.Request) (*http.Response, error) {
		began := time.Now()
		time.Sleep(row.silent)
		seen = watchEnd(req.Context(), row.silent == 0)
		at = time.Since(began)
		return nil, seen
	}, api.Options{Deadline: row.deadline, MaxAttempts: 1, AttemptMin: 2 * time.Second, AttemptMax: 2 * time.Second})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), callerKey{}, "ada"))
	defer cancel(nil)
	if row.cancel > 0 {
		time.AfterFunc(row.cancel, func() { cancel(errCaller) })
	}
	if row.closed > 0 {
		time.AfterFunc(row.closed, func() { _ = c.Close() })
	}
	_, _, err = get(ctx, c, "GET", "/x", "")
	// The deadline's cause is the package's own: the call's error tells.
	if !errors.Is(seen, row.want) && (!errors.Is(row.want, api.ErrDeadline) || !errors.Is(err, row.want)) || at != row.at {
		return fmt.Errorf("the transport saw %w after %v, the caller %w; want %w after %v", seen, at, err, row.want, row.at)
	}
	return c.Close()
}

// watchEnd waits for the end of ctx, as seen by a context derived from it, and returns the cause. going says that it
// hasn't ended yet.
func watchEnd(ctx context.Context, going bool) error {
	if going && (ctx.Err() != nil || context.Cause(ctx) != nil) {
		return fmt.Errorf("ended already: %w", ctx.Err())
	}
	before := runtime.NumGoroutine()
	child, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if n := runtime.NumGoroutine(); n != before {
		return fmt.Errorf("a derived context needed %d goroutines", n-before)
	}
	if ctx.Value(callerKey{}) != "ada" {
		return errors.New("the caller's values are gone")
	}
	select {
	case <-child.Done():
	case <-time.After(time.Minute):
		return errLatched
	}
	<-ctx.Done()
	if ctx.Err() != context.Canceled || child.Err() != context.Canceled { // what others compare with
		return fmt.Errorf("ends with %w, derived %w", ctx.Err(), child.Err())
	}
	if !errors.Is(context.Cause(child), context.Cause(ctx)) {
		return fmt.Errorf("cause %w, derived %w", context.Cause(ctx), context.Cause(child))
	}
	return context.Cause(ctx)
}

// TestContextEndsWithTheAnswer: whoever kept the context of an attempt sees that it is over, also if nobody looked before,
// and the caller's context holds nothing of it.
func TestContextEndsWithTheAnswer(t *testing.T) { check(checkContextOver).run(t) }

func checkContextOver() error {
	for _, early := range []bool{true, false} {
		var kept context.Context
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if kept = req.Context(); early && kept.Err() != nil {
				return nil, kept.Err()
			}
			return answer(req, 200, "{}"), nil
		}, api.Options{})
		if err != nil {
			return err
		}
		caller := &counting{Context: context.Background(), done: make(chan struct{})}
		if status, _, err := get(caller, c, "GET", "/x", ""); err != nil || status != 200 {
			return fmt.Errorf("%d, %w", status, err)
		}
		select {
		case <-kept.Done():
		default:
			return fmt.Errorf("looked at early %v: goes on after the answer", early)
		}
		if !errors.Is(kept.Err(), context.Canceled) || !errors.Is(context.Cause(kept), context.Canceled) {
			return fmt.Errorf("ends with %w, cause %w", kept.Err(), context.Cause(kept))
		}
		if caller.held != 0 {
			return fmt.Errorf("looked at early %v: the caller's context holds %d", early, caller.held)
		}
		if shown := fmt.Sprintf("%v %+v %#v", kept, kept, kept); shown != "api.attempt api.attempt api.attempt" {
			return fmt.Errorf("shown as %s", shown)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// counting is a caller's context of another kind, which counts what waits for its end.
type counting struct {
	context.Context
	done chan struct{}
	held int
}

func (c *counting) Done() <-chan struct{} { return c.done }

func (c *counting) AfterFunc(func()) func() bool {
	c.held++
	return func() bool { c.held--; return true }
}

// TestLooksAgree: all that look at an attempt's context at once see the same one, and the attempt's end, whichever comes
// first.
func TestLooksAgree(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var wg sync.WaitGroup
		c, err := client(func(req *http.Request) (*http.Response, error) {
			dones := make([]<-chan struct{}, 8)
			var all sync.WaitGroup
			for i := range dones {
				all.Go(func() { dones[i] = req.Context().Done() })
			}
			wg.Go(func() {
				all.Wait()
				for _, d := range dones {
					if d != dones[0] {
						t.Error("two contexts")
					}
					<-d
				}
			})
			return answer(req, 200, "{}"), nil
		}, api.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			if status, _, err := get(t.Context(), c, "GET", "/x", ""); err != nil || status != 200 {
				t.Fatal(status, err)
			}
		}
		wg.Wait() // the bubble finds whoever waits for ever
		c.Close()
	})
}

// TestHooksOfTheCallerRun: those that the caller put in the context run as well as the attempt's own, whether or not
// somebody hears of attempts.
func TestHooksOfTheCallerRun(t *testing.T) {
	check(func() error { return errors.Join(checkHooks(true), checkHooks(false)) }).run(t)
}

func checkHooks(told bool) error {
	var last api.Attempt
	o := api.Options{}
	if told {
		o.OnAttempt = func(a api.Attempt) { last = a }
	}
	c, err := client(func(req *http.Request) (*http.Response, error) {
		hooks := httptrace.ContextClientTrace(req.Context())
		time.Sleep(time.Second)
		hooks.GotConn(httptrace.GotConnInfo{Reused: true})
		hooks.WroteHeaders()
		time.Sleep(3 * time.Second)
		if hooks.GotFirstResponseByte != nil {
			hooks.GotFirstResponseByte()
		}
		return answer(req, 200, "{}"), nil
	}, o)
	if err != nil {
		return err
	}
	var ran []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { ran = append(ran, "connection") },
		GotFirstResponseByte: func() { ran = append(ran, "byte") },
	})
	if status, _, err := get(ctx, c, "GET", "/x", ""); err != nil || status != 200 {
		return fmt.Errorf("%d, %w", status, err)
	}
	// What was measured of the path comes from our own hooks.
	if rtt := c.Hosts()[0].RTT; rtt != 3*time.Second || told && (!last.Reused || last.Timings.FirstByte != rtt) {
		return fmt.Errorf("round trip %v, attempt %+v", rtt, last)
	}
	if strings.Join(ran, " ") != "connection byte" {
		return fmt.Errorf("told %v: the caller's ran: %v", told, ran)
	}
	return c.Close()
}

// TestAnswersBodyShowsNoToken: the body of an answer is ours, and what it holds is on its way with the request.
func TestAnswersBodyShowsNoToken(t *testing.T) {
	check(func() error {
		c, err := client(func(req *http.Request) (*http.Response, error) { return answer(req, 200, "{}"), nil },
			api.Options{Token: secretTokens{}})
		if err != nil {
			return err
		}
		req, err := http.NewRequest("GET", base+"/x", nil)
		if err != nil {
			return err
		}
		res, err := c.RoundTrip(req)
		if err != nil {
			return err
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if s := fmt.Sprintf(verb, res.Body) + fmt.Sprintf(verb, res.Request.Context()); strings.Contains(s, "s3cret") {
				return errors.New(s)
			}
		}
		if err := res.Body.Close(); err != nil {
			return err
		}
		return c.Close()
	}).run(t)
}
