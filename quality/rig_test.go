package quality_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/quality"
)

// rig is a monitor, a server and the network between them, in virtual time.
type rig struct {
	*faultnet.Link
	net    *faultnet.Network
	m      *quality.Monitor
	answer atomic.Pointer[http.HandlerFunc] // instead of the server's own
	srv    *http.Server
	bare   bool // pings have no query but the challenge

	mu    sync.Mutex // guards below
	pings []time.Time
}

// world makes a rig and starts its monitor. The server takes pings at once. stop ends all of it.
func world(rtt time.Duration, o quality.Options, before ...func(*rig)) (r *rig, stop func() error, err error) {
	n := faultnet.NewNetwork(1)
	r = &rig{net: n, Link: n.Link("phone", "server")}
	r.Set(faultnet.Symmetric(rtt))
	ln, err := n.Listen("server:80")
	if err != nil {
		return nil, nil, err
	}
	r.srv = &http.Server{Handler: http.HandlerFunc(r.serve)}
	served := make(chan error, 1)
	go func() { served <- r.srv.Serve(ln) }()
	if o.Prober == nil {
		o.PingURL, o.DialContext = "http://server/ping?v=1", n.Dialer("phone")
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	if r.m, err = quality.New(o); err == nil {
		for _, f := range before {
			f(r)
		}
		err = r.m.Start()
	}
	return r, func() error {
		err := r.m.Close()
		_ = r.srv.Close()
		<-served
		return err
	}, err
}

// run makes a world in a bubble of its own, for a check that returns what is wrong.
func run(rtt time.Duration, o quality.Options, check func(*rig) error, before ...func(*rig)) func(t *testing.T) error {
	return func(t *testing.T) error {
		return bubbled(t, func() error { return inBubble(rtt, o, check, before...) })
	}
}

// bubbled runs a check in a bubble.
func bubbled(t *testing.T, check func() error) (err error) {
	bubble.Run(t, func(*testing.T) { err = check() })
	return err
}

// inBubble makes a world and ends it after the check.
func inBubble(rtt time.Duration, o quality.Options, check func(*rig) error, before ...func(*rig)) error {
	r, stop, err := world(rtt, o, before...)
	if err == nil {
		err = check(r)
	}
	if closed := stop(); err == nil {
		err = closed
	}
	return err
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet || req.URL.Path != "/ping" || !r.asks(req.URL.Query()) {
		http.Error(w, "not a ping", http.StatusTeapot)
		return
	}
	r.mu.Lock()
	r.pings = append(r.pings, time.Now())
	r.mu.Unlock()
	if f := r.answer.Load(); f != nil {
		(*f)(w, req)
		return
	}
	w.Header().Set("Chatsdk-Challenge", req.URL.Query().Get("c"))
	w.WriteHeader(http.StatusNoContent)
}

// asks says whether a ping has the query that it should.
func (r *rig) asks(q url.Values) bool {
	if r.bare {
		return len(q) == 1 && q.Get("c") != ""
	}
	return q.Get("v") == "1"
}

// answers replaces the server's answer; nil is its own again.
func (r *rig) answers(f http.HandlerFunc) {
	if f == nil {
		r.answer.Store(nil)
		return
	}
	r.answer.Store(&f)
}

// says is a page with a status.
func says(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = io.WriteString(w, "<html>hello</html>")
		}
	}
}

// arrived is when pings reached the server since a time.
func (r *rig) arrived(since time.Time) (times []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.pings {
		if !at.Before(since) {
			times = append(times, at)
		}
	}
	return times
}

// until waits for a reach, and says after what time it was told.
func (r *rig) until(reach quality.Reach, limit time.Duration) (took time.Duration, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	last := quality.ReachUnknown
	for c := range r.m.Watch(ctx) {
		if last = c.Reach; last == reach {
			return time.Since(began), nil
		}
	}
	return limit, fmt.Errorf("%s after %v, want %s", last, limit, reach)
}

// never watches for a time that a reach isn't told.
func (r *rig) never(reach quality.Reach, d time.Duration) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for c := range r.m.Watch(ctx) {
		if c.Reach == reach {
			return fmt.Errorf("%s after %v (%s)", reach, time.Since(began), c.Reason)
		}
	}
	return nil
}

// stays watches for a time that nothing but a reach is told.
func (r *rig) stays(reach quality.Reach, d time.Duration) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for c := range r.m.Watch(ctx) {
		if c.Reach != reach {
			return fmt.Errorf("%s after %v (%s), want %s", c.Reach, time.Since(began), c.Reason, reach)
		}
	}
	return nil
}

// is compares the state.
func (r *rig) is(level quality.Level, reach quality.Reach) error {
	synctest.Wait()
	if s := r.m.State(); s.Level != level || s.Reach != reach {
		return fmt.Errorf("%s and %s (%s, RTT %v), want %s and %s", s.Level, s.Reach, s.Reason, s.RTT.Median, level, reach)
	}
	return nil
}

// holdUp gives a monitor its counters, and holds its goroutine up for a time when it asks for them next.
func holdUp() (sockets func(func(uint64, quality.Counters)), hold func(time.Duration)) {
	var next atomic.Int64
	return func(func(uint64, quality.Counters)) { time.Sleep(time.Duration(next.Swap(0))) },
		func(d time.Duration) { next.Store(int64(d)) }
}

// call is an exchange of the application's, told as it happens.
func (r *rig) call(rtt, server time.Duration) {
	id := r.m.NextID()
	r.m.Observe(quality.Sample{Kind: quality.KindBegin, ID: id, Source: quality.SourceCall})
	time.Sleep(rtt)
	r.m.Observe(quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: quality.SourceCall, RTT: rtt, Server: server})
}
