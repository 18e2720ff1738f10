package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/oauth2"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/token"
)

// policyRounds is how often each cost is measured, one after the other in turns; the least counts, since what else the
// machine does only adds.
const policyRounds = 15

// policy is what one thing costs in one library.
type policy struct {
	What    string  `json:"what"`
	Library string  `json:"library"`
	Nanos   float64 `json:"cpuNanoseconds"` // a happy call's are those above the bare transport
	Allocs  int64   `json:"allocs"`
	Bytes   int64   `json:"bytes"`
	Goal    string  `json:"goal,omitempty"` // of ours: at most half of the nearest peer
	Met     bool    `json:"goalMet,omitempty"`
}

// subject of the measurement: what and whose.
type policySubject struct {
	what, library string
	run           func() error
	best          cost
	over          *policySubject // the bare transport, whose cost is taken off; nil if there is none
}

// cost is what one run of something takes.
type cost struct {
	nanos         float64 // of the processor, so that what else it does counts little
	allocs, bytes int64
}

// costRuns is how often something runs for one measure.
const costRuns = 100_000

// measureCost runs f many times.
func measureCost(f func() error) (cost, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := usedCPU()
	for range costRuns {
		if err := f(); err != nil {
			return cost{}, err
		}
	}
	cpu = usedCPU() - cpu
	runtime.ReadMemStats(&after)
	return cost{
		nanos:  float64(cpu.Nanoseconds()) / costRuns,
		allocs: int64(after.Mallocs-before.Mallocs) / costRuns, bytes: int64(after.TotalAlloc-before.TotalAlloc) / costRuns,
	}, nil
}

const (
	whatBare    = "bare transport"
	whatWatcher = "bare transport that watches its context"
	whatRetry   = "happy call: retry alone" // less than what ours does: shown, not compared
	whatCall    = "happy call: retry, circuit, timeout"
	whatWatched = "the same, over a transport that watches its context"
	whatBreaker = "circuit decision"
	whatToken   = "token, hot path"
	whatAtOnce  = "token, hot path: AccessToken" // no peer has one: shown, not compared
	ours        = "chatsdk"
)

// measurePolicy measures the costs of ours and of its peers in turns.
func measurePolicy(ctx context.Context, _ config, _ string, r *report) error {
	subjects, stop, err := policySubjects()
	if err != nil {
		return err
	}
	defer stop()
	for range policyRounds {
		for _, s := range subjects {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			got, err := measureCost(s.run)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", s.what, s.library, err)
			}
			if s.best.nanos == 0 || got.nanos < s.best.nanos {
				s.best = got
			}
		}
	}
	r.addPolicies(subjects)
	return nil
}

// addPolicies takes the bare transports off the calls and compares ours with the nearest peer.
func (r *report) addPolicies(subjects []*policySubject) {
	nearest := map[string]policy{}
	for _, s := range subjects {
		p := policy{What: s.what, Library: s.library, Nanos: s.best.nanos, Allocs: s.best.allocs, Bytes: s.best.bytes}
		if s.over != nil {
			p.Nanos -= s.over.best.nanos
			p.Allocs -= s.over.best.allocs
			p.Bytes -= s.over.best.bytes
		}
		if near, ok := nearest[s.what]; s.library != ours && (!ok || p.Nanos < near.Nanos) {
			nearest[s.what] = p
		}
		r.Policies = append(r.Policies, p)
	}
	for i := range r.Policies {
		p := &r.Policies[i]
		if near, ok := nearest[p.What]; ok && p.Library == ours {
			p.Goal = fmt.Sprintf("half of %s: %.0f ns, %d allocs", near.Library, near.Nanos/2, near.Allocs/2)
			p.Met = p.Nanos <= near.Nanos/2 && p.Allocs <= near.Allocs/2
		}
	}
}

func (r *report) writePolicy(out io.Writer) {
	if len(r.Policies) == 0 {
		return
	}
	fmt.Fprintf(out, "| cost | library | ns of processor | allocs | bytes | goal |\n|------|---------|----|--------|-------|------|\n")
	for _, p := range r.Policies {
		goal := p.Goal
		if goal != "" {
			goal += ", " + met(goal, p.Met)
		}
		fmt.Fprintf(out, "| %s | %s | %.0f | %d | %d | %s |\n", p.What, p.Library, p.Nanos, p.Allocs, p.Bytes, goal)
	}
}

// still is a transport that answers at once, without a network: what remains is what stands around it.
type still struct{}

func (still) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: &stillBody{}, Request: req,
	}, nil
}

// watcher is still, but looks at its request's context as net/http's does: for hooks, which it calls, and for its end.
type watcher struct{}

func (watcher) RoundTrip(req *http.Request) (*http.Response, error) {
	hooks := httptrace.ContextClientTrace(req.Context())
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	if hooks != nil && hooks.GetConn != nil {
		hooks.GetConn(req.URL.Host)
	}
	if hooks != nil && hooks.GotConn != nil {
		hooks.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	if hooks != nil && hooks.WroteHeaders != nil {
		hooks.WroteHeaders()
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	default:
	}
	return still{}.RoundTrip(req)
}

// stillBody is an empty body that isn't http.NoBody, so that all that hangs on its end takes place.
type stillBody struct{}

func (*stillBody) Read([]byte) (int, error) { return 0, io.EOF }
func (*stillBody) Close() error             { return nil }

// callSubjects makes happy calls of ours and of its peers, with their bare transports before them.
func callSubjects() (_ []*policySubject, stop func(), err error) {
	var subjects []*policySubject
	var clients []*api.Client
	for _, t := range []struct {
		rt         http.RoundTripper
		bare, what string
	}{{still{}, whatBare, whatCall}, {watcher{}, whatWatcher, whatWatched}} {
		client, err := api.New(api.Options{Transport: t.rt})
		if err != nil {
			return nil, nil, err
		}
		clients = append(clients, client)
		failsafe := failsafehttp.NewRoundTripper(t.rt, failsafehttp.NewRetryPolicyBuilder().Build(),
			circuitbreaker.NewWithDefaults[*http.Response](), timeout.New[*http.Response](30*time.Second))
		bare := &policySubject{what: t.bare, library: "net/http", run: calls(t.rt)}
		subjects = append(subjects, bare,
			&policySubject{what: t.what, library: ours, run: calls(client), over: bare},
			&policySubject{what: t.what, library: "failsafe-go", run: calls(failsafe), over: bare})
	}
	retries := retryablehttp.NewClient()
	retries.Logger = nil
	retries.HTTPClient = &http.Client{Transport: still{}}
	subjects = append(subjects, &policySubject{
		what: whatRetry, library: "go-retryablehttp", run: calls(&retryablehttp.RoundTripper{Client: retries}), over: subjects[0],
	})
	return subjects, func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}, nil
}

// policySubjects makes ours and its peers.
func policySubjects() (_ []*policySubject, stop func(), err error) {
	subjects, end, err := callSubjects()
	if err != nil {
		return nil, nil, err
	}
	source, err := signedIn()
	if err != nil {
		return nil, nil, err
	}
	theirs := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 10, 10*time.Second).Build()
	sony := gobreaker.NewCircuitBreaker[api.Fault](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second})
	guard := api.NewGuard(api.BreakerOptions{}, 0)
	ctx := context.Background()
	reuse := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "t", Expiry: time.Now().Add(time.Hour)}, nil)
	ok := func() api.Fault { return api.FaultNone }
	subjects = append(subjects, []*policySubject{
		{what: whatBreaker, library: ours, run: func() error { return guard.Do(ok) }},
		{what: whatBreaker, library: "failsafe-go", run: func() error {
			if !theirs.TryAcquirePermit() {
				return circuitbreaker.ErrOpen
			}
			theirs.RecordSuccess()
			return nil
		}},
		{what: whatBreaker, library: "gobreaker", run: func() error {
			_, err := sony.Execute(func() (api.Fault, error) { return api.FaultNone, nil })
			return err
		}},
		{what: whatToken, library: ours, run: func() error { _, err := source.Token(ctx); return err }},
		{what: whatAtOnce, library: ours, run: func() error {
			if _, ok := source.AccessToken(); !ok {
				return errors.New("no token")
			}
			return nil
		}},
		{what: whatToken, library: "x/oauth2", run: func() error { _, err := reuse.Token(); return err }},
	}...)
	return subjects, func() { end(); _ = source.Close() }, nil
}

// signedIn makes a token source with a session that lasts.
func signedIn() (*token.Source, error) {
	source, err := token.New(token.Options{
		Store: token.NewMemory(),
		Refresh: func(context.Context, token.Tokens, string) (token.Tokens, error) {
			return token.Tokens{}, errors.New("nothing to refresh")
		},
	})
	if err != nil {
		return nil, err
	}
	return source, source.Set(context.Background(), token.Tokens{
		User: "ada", Access: token.NewSecret("t"), Refresh: token.NewSecret("r"), Lifetime: time.Hour,
	})
}

// calls makes a happy call and reads its answer.
func calls(rt http.RoundTripper) func() error {
	req, err := http.NewRequest(http.MethodGet, "http://example.test/api/x", nil)
	return func() error {
		if err != nil {
			return err
		}
		res, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Body.Close()
	}
}
