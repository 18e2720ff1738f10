package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// peer is somebody else's tus server, which can be restarted on what it has, behind a handler that looks on and meddles.
type peer struct {
	dir   string
	start func(t *testing.T) (h http.Handler, stop func())

	arriving chan struct{} // closed once bytes of the second PATCH arrive

	mu      sync.Mutex // guards below
	handler http.Handler
	stop    func()
	seen    []string                     // method and status of each reply
	meddle  func(r *http.Request, n int) // or nil; called before the PATCH number n (1, 2, …)
	patches int
}

// file returns the path of the only upload that the server has; both keep its bytes under its id, beside a description.
func (p *peer) file() (string, error) {
	names, err := filepath.Glob(filepath.Join(p.dir, "*"))
	names = slices.DeleteFunc(names, func(name string) bool { return filepath.Ext(name) != "" })
	if err != nil || len(names) != 1 {
		return "", fmt.Errorf("the server has %d uploads, %w", len(names), err)
	}
	return names[0], nil
}

// restart stops the server, if it runs, and starts it on what it has.
func (p *peer) restart(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	stop := p.stop
	p.handler, p.stop = nil, nil
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
	h, stop := p.start(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler, p.stop = h, stop
}

// noted is a reply whose status is noted.
type noted struct {
	http.ResponseWriter
	note func(status int)
}

func (n noted) WriteHeader(status int) {
	n.note(status)
	n.ResponseWriter.WriteHeader(status)
}

func (n noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	h, meddle := p.handler, p.meddle
	if r.Method == http.MethodPatch {
		p.patches++
	} else {
		meddle = nil
	}
	n := p.patches
	p.mu.Unlock()
	if h == nil {
		http.Error(w, "it is being restarted", http.StatusServiceUnavailable)
		return
	}
	if meddle != nil {
		meddle(r, n)
	}
	if r.Method == http.MethodPatch && n == 2 {
		r.Body = &watched{r.Body, sync.OnceFunc(func() { close(p.arriving) })}
	}
	h.ServeHTTP(noted{w, func(status int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = append(p.seen, fmt.Sprint(r.Method, " ", status))
	}}, r)
}

// watched is a body whose first bytes are told.
type watched struct {
	io.ReadCloser
	begun func()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	if n > 0 {
		w.begun()
	}
	return n, err
}

func (p *peer) saw(reply string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.seen, reply)
}

// peers are stock tusd and @tus/server, of the version that js/package-lock.json pins.
func peers(t *testing.T) map[string]func(t *testing.T) *peer {
	t.Helper()
	installJS(t)
	return map[string]func(t *testing.T) *peer{
		"tusd": func(t *testing.T) *peer {
			p := &peer{dir: t.TempDir(), arriving: make(chan struct{})}
			p.start = func(t *testing.T) (http.Handler, func()) { return stockTusd(t, p.dir), func() {} }
			return p
		},
		"@tus/server": func(t *testing.T) *peer {
			p := &peer{dir: t.TempDir(), arriving: make(chan struct{})}
			p.start = func(t *testing.T) (http.Handler, func()) { return startTusServer(t, p.dir) }
			return p
		},
	}
}

// startTusServer starts @tus/server in a process of its own. stop kills it.
func startTusServer(t *testing.T, dir string) (http.Handler, func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "server.mjs", dir, fmt.Sprint(time.Hour.Milliseconds()))
	cmd.Dir, cmd.Stderr = "js", os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("@tus/server says no port: %q, %v, %v", line, err, cmd.Wait())
	}
	h := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:" + strings.TrimSpace(line)})
	h.Transport = &http.Transport{DisableKeepAlives: true}
	h.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return h, func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() }
}

// begin starts a peer, and uploads data to it over a link of 4 MiB/s.
func begin(t *testing.T, p *peer, data []byte) *sending {
	t.Helper()
	p.restart(t)
	srv := httptest.NewServer(p)
	s := &sending{peer: p, data: data, store: upload.NewMemory()}
	t.Cleanup(func() { srv.Close(); p.stop() })
	s.queue, s.proxy = toTusd(t, srv, s.store)
	path := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s.ctx, s.cancel = context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(s.cancel)
	s.slow(4 << 20)
	s.changes = s.queue.Watch(s.ctx)
	var err error
	if s.id, err = add(s.ctx, s.queue, path); err != nil {
		t.Fatal(err)
	}
	return s
}

func add(ctx context.Context, q *upload.Queue, path string) (string, error) {
	u, err := q.Add(ctx, upload.Request{Path: path})
	return u.ID, err
}

// until waits for a change.
func (s *sending) until(t *testing.T, what string, ok func(c upload.Change) bool) upload.Change {
	t.Helper()
	for c := range s.changes {
		if ok(c) {
			return c
		}
	}
	t.Fatalf("%s: no such change; replies %v", what, s.peer.seen)
	return upload.Change{}
}

// done waits for the end, and compares what the server has.
func (s *sending) done(t *testing.T) upload.Upload {
	t.Helper()
	u, err := s.queue.Wait(s.ctx, s.id)
	if err != nil {
		t.Fatalf("%s: %v; replies %v", u.State, err, s.peer.seen)
	}
	name, err := s.peer.file()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, s.data) {
		t.Errorf("the server has %d bytes, which aren't the file's %d: %v", len(got), len(s.data), err)
	}
	return u
}
