package agent_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// pipes is a listener whose connections hold nothing: what isn't read isn't written.
type pipes struct {
	conns chan net.Conn
	ctx   context.Context
	end   context.CancelFunc
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn)}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.end(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rig is an agent on a client of a world in virtual time.
type rig struct {
	t     *testing.T
	world *scenario.World
	ada   *scenario.Client
	agent *agent.Agent
	http  *http.Client
	ln    *pipes
	done  chan error // of Serve
}

// within runs f with a rig. What is left over fails the test: the bubble waits for every goroutine.
func within(t *testing.T, o agent.Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	files := t.TempDir()
	bubble.Run(t, func(t *testing.T) {
		w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: 1, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		r := &rig{t: t, world: w, ln: newPipes(), done: make(chan error, 1)}
		if r.ada, err = w.AddClient(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		o.Client = r.ada.Chat
		if o.Channels == nil {
			o.Channels = []string{scenario.Channel}
		}
		if r.agent, err = agent.New(o); err != nil {
			t.Fatal(err)
		}
		go func() { r.done <- r.agent.Serve(r.ln) }()
		synctest.Wait() // it serves
		transport := &http.Transport{DialContext: r.ln.dial}
		r.http = &http.Client{Transport: transport}
		defer func() {
			transport.CloseIdleConnections()
			r.close()
		}()
		f(t, r)
	})
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.agent.Close(); err != nil {
		r.t.Error(err)
	}
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Error(err)
		}
		r.done <- nil
	case <-r.t.Context().Done():
	}
}

// ask makes a request with the token; change may change it. The body is read whole.
func (r *rig) ask(method, path, body string, change ...func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	res := r.begin(method, path, body, change...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(b)
}

func (r *rig) begin(method, path, body string, change ...func(*http.Request)) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.agent.Token())
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(req)
	}
	res, err := r.http.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

// call is ask that wants a status, and reads the answer into v unless that is nil.
func (r *rig) call(method, path, body string, want int, v any) {
	r.t.Helper()
	res, text := r.ask(method, path, body)
	if res.StatusCode != want {
		r.t.Fatalf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

func (r *rig) state() (s agent.Snapshot) {
	r.t.Helper()
	r.call(http.MethodGet, "/v1/state", "", http.StatusOK, &s)
	return s
}

// sse is one event of a stream.
type sse struct {
	kind string // "" is a comment
	id   uint64 // 0: none
	data string
}

// stream reads events.
type stream struct {
	t    *testing.T
	body io.ReadCloser
	r    *bufio.Reader
}

// open begins a stream, and reads its hello.
func (r *rig) open(query string, change ...func(*http.Request)) *stream {
	r.t.Helper()
	res := r.begin(http.MethodGet, "/v1/events"+query, "", change...)
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		r.t.Fatalf("stream: %s, %s", res.Status, got)
	}
	s := &stream{t: r.t, body: res.Body, r: bufio.NewReader(res.Body)}
	hello, err := s.next()
	var h struct {
		Schema       int
		Run, Version string
		Seq          *uint64
	}
	if err == nil {
		err = json.Unmarshal([]byte(hello.data), &h)
	}
	if err != nil || hello.kind != "hello" || hello.id != 0 || h.Schema != 1 || h.Run == "" || h.Version == "" || h.Seq == nil {
		r.t.Fatalf("first event %+v, %v", hello, err)
	}
	return s
}

// next reads one event, or the error that the stream ended with.
func (s *stream) next() (e sse, err error) {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return e, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			e.kind = value
		case "id":
			if e.id, err = strconv.ParseUint(value, 10, 64); err != nil {
				return e, err
			}
		case "data":
			e.data = value
		case "":
			if value == "beat" {
				e.data = value
				continue
			}
			return e, nil
		default:
			return e, fmt.Errorf("line %q", line)
		}
	}
}

// patience bounds, in virtual time, how long a test waits for an event.
const patience = 5 * time.Minute

// want reads on to the first event that fits.
func (s *stream) want(what string, fits func(sse) bool) (e sse) {
	s.t.Helper()
	for late := time.Now().Add(patience); ; {
		e, err := s.next()
		if err == nil && time.Now().After(late) {
			err = errors.New("too late")
		}
		if err != nil {
			s.t.Fatalf("stream ended before %s: %v", what, err)
		}
		if fits(e) {
			return e
		}
	}
}

func (s *stream) close() { _ = s.body.Close() }
