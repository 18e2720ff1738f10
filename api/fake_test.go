package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// transport is a server and its network in one function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// errLost is a connection that broke, nobody knows when.
var errLost = errors.New("connection reset by peer")

// slowly lets d go by on the way, or returns the context's error.
func slowly(req *http.Request, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-req.Context().Done():
		return req.Context().Err()
	}
}

// silence is a request that nobody answers.
func silence(req *http.Request) error {
	<-req.Context().Done()
	return req.Context().Err()
}

// readBody takes the request's body as a server does, and closes it as a transport has to.
func readBody(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	b, _ := io.ReadAll(req.Body)
	_ = req.Body.Close()
	return string(b)
}

// answer makes a response; fields are pairs of a name and a value.
func answer(req *http.Request, status int, body string, fields ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

// body is a response's body that knows what became of it.
type body struct {
	io.Reader
	end, closed atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.end.Store(true)
	}
	return n, err
}

func (b *body) Close() error { b.closed.Store(true); return nil }

const base = "http://server.test"

// client makes a Client on f with a seed, in the bubble of its caller.
func client(f transport, o api.Options) (*api.Client, error) {
	o.Transport = f
	if o.BaseURL == "" {
		o.BaseURL = base
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	return api.New(o)
}

// get makes a call through the RoundTripper and reads its answer.
func get(ctx context.Context, c *api.Client, method, path, body string) (int, string, error) {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	url := path
	if strings.HasPrefix(path, "/") {
		url = base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return 0, "", err
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// check is what a test shows, as a function that can be run with a mistake planted. It runs in virtual time.
type check func() error

// run is the usual way to make a test of a check.
func (c check) run(t *testing.T) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		if err := c(); err != nil {
			t.Error(err)
		}
	})
}

// tokens is a source that hands out "token-1", "token-2", …
type tokens struct {
	mu      sync.Mutex // guards what follows
	n       int
	renewed int
	asked   int
}

func (s *tokens) name() string { return fmt.Sprintf("token-%d", s.n) }

func (s *tokens) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewed
}

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.name(), nil
}

func (s *tokens) Renew(_ context.Context, stale string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stale == s.name() {
		s.n++
		s.renewed++
	}
	return s.name(), nil
}

// network is one that tests switch.
type network struct {
	mu      sync.Mutex // guards what follows
	up      bool
	changed chan struct{}
}

func newNetwork(up bool) *network { return &network{up: up, changed: make(chan struct{})} }

func (n *network) set(up bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up = up
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *network) Online() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.up
}

func (n *network) WaitOnline(ctx context.Context) error {
	for {
		n.mu.Lock()
		up, changed := n.up, n.changed
		n.mu.Unlock()
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
