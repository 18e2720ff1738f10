package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// TestGuard is the circuit without HTTP: it opens, lets probes through one after the other, and closes; a panic in a
// probe gives its permit back.
func TestGuard(t *testing.T) {
	check(func() error {
		g := api.NewGuard(api.BreakerOptions{}, 0)
		ok := func() api.Fault { return api.FaultNone }
		for _, f := range []api.Fault{api.FaultPath, api.FaultCaller, api.FaultAuth} {
			for range 20 {
				if err := g.Do(func() api.Fault { return f }); err != nil {
					return err
				}
			}
		}
		for range 5 {
			if err := g.Do(func() api.Fault { return api.FaultServer }); err != nil {
				return err
			}
		}
		if err := g.Do(ok); !errors.Is(err, api.ErrCircuitOpen) || g.State() != api.Open {
			return fmt.Errorf("after 5 faults: %v, %w", g.State(), err)
		}
		time.Sleep(time.Second)
		func() {
			defer func() { _ = recover() }()
			_ = g.Do(func() api.Fault { panic("probe") })
		}()
		inner := errors.New("not called")
		err := g.Do(func() api.Fault { inner = g.Do(ok); return api.FaultNone })
		if err != nil || !errors.Is(inner, api.ErrCircuitOpen) {
			return fmt.Errorf("a probe: %w; another beside it: %w", err, inner)
		}
		for range 14 {
			if err := g.Do(ok); err != nil {
				return err
			}
		}
		if g.State() != api.Closed {
			return fmt.Errorf("%v after 15 good probes", g.State())
		}
		return nil
	}).run(t)
}

// TestGuardCountsSuccessesInTheirTime: those of the last seconds stand beside the faults, those before the window don't.
func TestGuardCountsSuccessesInTheirTime(t *testing.T) { check(checkGuardWindow).run(t) }

func checkGuardWindow() error {
	ok := func() api.Fault { return api.FaultNone }
	bad := func() api.Fault { return api.FaultServer }
	faults := func(g *api.Guard) error { // 5 of 10, never 5 in a row
		for range 5 {
			if err := errors.Join(g.Do(ok), g.Do(bad)); err != nil {
				return err
			}
		}
		return nil
	}
	g := api.NewGuard(api.BreakerOptions{}, 0)
	if err := g.Do(ok); err != nil {
		return err
	}
	time.Sleep(8 * time.Second)
	for range 20 {
		if err := g.Do(ok); err != nil {
			return err
		}
	}
	time.Sleep(3 * time.Second)
	if err := faults(g); err != nil || g.State() != api.Closed {
		return fmt.Errorf("5 faults of 30 within the window: %v, %w", g.State(), err)
	}
	time.Sleep(20 * time.Second)
	if err := faults(g); err != nil || g.State() != api.Open {
		return fmt.Errorf("5 faults of 10 within the window: %v, %w", g.State(), err)
	}
	return nil
}

// TestErrorTellsTheStory: the answer's problem, the attempts and whose fault each was.
func TestErrorTellsTheStory(t *testing.T) {
	check(func() error {
		n := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			switch n++; n {
			case 1:
				return nil, refusedDial()
			case 2:
				return answer(req, 502, "<html>", "Content-Type", "text/html"), nil
			}
			return answer(req, 422, `{"title":"Unprocessable","code":"bad_text","detail":"too long","x":1}`), nil
		}, api.Options{})
		if err != nil {
			return err
		}
		_, err = api.Do[struct{}](context.Background(), c, api.Request{Method: "PUT", Path: "/x", Body: 1})
		var e *api.Error
		if !errors.As(err, &e) || !errors.Is(err, api.ErrStatus) || e.Status != 422 || e.Problem == nil ||
			e.Problem.Code != "bad_text" || len(e.Problem.Raw) == 0 || e.Retryable() || e.SafeToRetry() || e.Count != 3 {
			return fmt.Errorf("not as it should be: %w", err)
		}
		var faults []api.Fault
		for _, a := range e.Attempts {
			faults = append(faults, a.Fault)
		}
		if got := fmt.Sprint(faults, err); got != "[server server caller] api: refused: PUT /x: status 422: bad_text: too long (3 attempts)" {
			return errors.New(got)
		}
		return c.Close()
	}).run(t)
}

// TestCloseEndsEverything closes a client whose calls hang, wait and read: all return at once with ErrClosed.
func TestCloseEndsEverything(t *testing.T) {
	check(func() error {
		c, err := client(func(req *http.Request) (*http.Response, error) {
			switch req.URL.Path {
			case "/held":
				return answer(req, 429, "", "Retry-After", "20"), nil
			case "/body":
				res := answer(req, 200, "")
				res.Body = &body{Reader: hanging{req.Context()}}
				return res, nil
			}
			return nil, silence(req)
		}, api.Options{Deadline: -1})
		if err != nil {
			return err
		}
		errs := make(chan error, 5)
		for _, path := range []string{"/hangs", "/body", "/held", "/held", "/held"} {
			go func() { _, _, err := get(context.Background(), c, "GET", path, ""); errs <- err }()
			time.Sleep(time.Second)
		}
		began := time.Now()
		if err := errors.Join(c.Close(), c.Close()); err != nil || time.Since(began) > 0 {
			return fmt.Errorf("Close took %v: %w", time.Since(began), err)
		}
		for range 5 {
			if err := <-errs; !errors.Is(err, api.ErrClosed) {
				return err
			}
		}
		return nil
	}).run(t)
}

// hanging is a body of which nothing comes.
type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

// TestPortalIsNoServer: a page in place of JSON is neither success nor the server's fault, and what may have been
// processed isn't sent again for it.
func TestPortalIsNoServer(t *testing.T) {
	check(func() error {
		n := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if n++; n%3 != 0 {
				res := answer(req, 200, "<html>sign in here</html>")
				res.Header.Set("Content-Type", "text/html; charset=utf-8")
				return res, nil
			}
			return answer(req, 200, `{"a":1}`), nil
		}, api.Options{})
		if err != nil {
			return err
		}
		got, err := api.Do[map[string]int](context.Background(), c, api.Request{Path: "/x"})
		if err != nil || got["a"] != 1 || n != 3 {
			return fmt.Errorf("%v after %d attempts: %w", got, n, err)
		}
		_, err = api.Do[map[string]int](context.Background(), c, api.Request{Method: "POST", Path: "/x"})
		var e *api.Error
		if !errors.Is(err, api.ErrCaptive) || !errors.As(err, &e) || e.Fault != api.FaultPath || n != 4 {
			return fmt.Errorf("a POST, after %d attempts: %w", n-3, err)
		}
		if h := c.Hosts()[0]; h.Circuit != api.Closed || h.Budget < api.BudgetAtRest {
			return fmt.Errorf("%+v", h)
		}
		return c.Close()
	}).run(t)
}

// TestPortalIsNoNewsOfTheServer: what a captive portal answers, fast and with fields of its own, is no round trip, no
// quota, no first success, and no sign that the server's name exists.
func TestPortalIsNoNewsOfTheServer(t *testing.T) { check(checkPortalNews).run(t) }

func checkPortalNews() error {
	portal := true
	var told []string
	c, err := client(func(req *http.Request) (*http.Response, error) {
		switch {
		case req.URL.Path == "/fails":
			return answer(req, 500, ""), nil
		case portal:
			return answer(req, 511, "", "RateLimit-Remaining", "1", "RateLimit-Reset", "1000"), slowly(req, time.Millisecond)
		}
		return answer(req, 200, ""), slowly(req, 300*time.Millisecond)
	}, api.Options{MaxAttempts: 2, Deadline: -1, OnRoundTrip: func(rtt time.Duration, err error) {
		told = append(told, fmt.Sprint(rtt, err))
	}})
	if err != nil {
		return err
	}
	_, _, _ = get(context.Background(), c, "GET", "/fails", "") // so that there is something to give back
	told = nil
	before := c.Hosts()[0]
	call := api.With(context.Background(), api.Call{MaxAttempts: 1})
	for range 3 {
		if _, _, err := get(call, c, "POST", "/x", "hi"); !errors.Is(err, api.ErrCaptive) {
			return fmt.Errorf("a portal's answer: %w", err)
		}
	}
	if h := c.Hosts()[0]; h.Budget > before.Budget+0.1 || h.RTT != before.RTT {
		return fmt.Errorf("the portal changed %+v to %+v", before, h)
	}
	portal = false
	began := time.Now()
	if _, _, err := get(call, c, "GET", "/x", ""); err != nil || time.Since(began) != 300*time.Millisecond {
		return fmt.Errorf("the first call after the portal took %v: %w", time.Since(began), err)
	}
	captive := fmt.Sprint(time.Duration(0), api.ErrCaptive)
	if got, want := fmt.Sprint(told), fmt.Sprint([]string{captive, captive, captive, "300ms <nil>"}); got != want {
		return fmt.Errorf("told %s, want %s", got, want)
	}
	return c.Close()
}

// TestSilentBodyEnds: a body of which nothing comes doesn't hold its reader for ever; a slow one has all the time.
func TestSilentBodyEnds(t *testing.T) {
	check(func() error {
		c, err := client(func(req *http.Request) (*http.Response, error) {
			res := answer(req, 200, "")
			res.Body = &body{Reader: hanging{req.Context()}}
			if req.URL.Path == "/slow" {
				res.Body = &body{Reader: &dripping{left: 100}}
			}
			return res, nil
		}, api.Options{})
		if err != nil {
			return err
		}
		if _, _, err = get(context.Background(), c, "GET", "/silent", ""); !errors.Is(err, api.ErrTimeout) {
			return fmt.Errorf("a silent body: %w", err)
		}
		if _, text, err := get(context.Background(), c, "GET", "/slow", ""); err != nil || len(text) != 100 {
			return fmt.Errorf("a slow body: %d bytes, %w", len(text), err)
		}
		return c.Close()
	}).run(t)
}

// dripping is a body of a byte a second.
type dripping struct{ left int }

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	d.left--
	p[0] = 'x'
	return 1, nil
}
