package faultnet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// site is a server behind one of the carriers, and a client of it.
type site struct {
	t       *testing.T
	client  *http.Client
	base    string
	faults  *faultnet.HTTPFaults
	control *faultnet.Control // of the carrier "toxics"
	proxy   *faultnet.Proxy   // of the carriers on real sockets

	mu     sync.Mutex // guards served
	served []string   // method, path and body of what the server was asked
}

// ServeHTTP is the server: it says what it was sent, in the ways that the query asks for.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.served = append(s.served, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
	s.mu.Unlock()
	if err != nil {
		return
	}
	switch r.URL.Query().Get("as") {
	case "empty":
		w.WriteHeader(http.StatusNoContent)
	case "chunks":
		for _, part := range []string{"said: ", string(body)} {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len("said: ")+len(body)))
		_, _ = io.WriteString(w, "said: "+string(body))
	}
}

// log is what the server was asked so far.
func (s *site) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.served...)
}

// onEachCarrier runs a test of faults with each carrier: the first two in virtual time, the others on real sockets.
func onEachCarrier(t *testing.T, faults []faultnet.HTTPFault, test func(t *testing.T, s *site)) {
	t.Helper()
	for _, carrier := range []string{"round tripper", "handler"} {
		t.Run(carrier, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) { test(t, newVirtualSite(t, faults, carrier == "handler")) })
		})
	}
	t.Run("proxy", func(t *testing.T) {
		s := newRealSite(t)
		must(t, s.faults.Set(faults...))
		test(t, s)
	})
	t.Run("toxics", func(t *testing.T) {
		s := newRealSite(t)
		s.control = faultnet.NewControl(faultnet.ControlOptions{})
		must(t, s.control.Add(s.proxy))
		for _, fault := range faults {
			s.toxic(fault)
		}
		test(t, s)
	})
}

// newVirtualSite puts client and server on an in-memory network.
func newVirtualSite(t *testing.T, faults []faultnet.HTTPFault, atServer bool) *site {
	t.Helper()
	s := &site{t: t, base: "http://server:80"}
	var err error
	s.faults, err = faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: 1, Faults: faults})
	must(t, err)
	n := faultnet.NewNetwork(1)
	ln, err := n.Listen("server:80")
	must(t, err)
	transport := &http.Transport{DialContext: n.Dialer("client")}
	server := &http.Server{Handler: s}
	s.client = &http.Client{Transport: transport, CheckRedirect: stay}
	if atServer {
		server.Handler = s.faults.Handler(s)
	} else {
		s.client.Transport = s.faults.RoundTripper(transport)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		must(t, server.Close())
		<-served
	})
	return s
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// newRealSite puts a proxy between client and server.
func newRealSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.proxy = newProxy(t, server.Listener.Addr().String())
	s.faults, s.base = s.proxy.HTTP(), "http://"+s.proxy.Addr()
	transport := &http.Transport{}
	s.client = &http.Client{Transport: transport, CheckRedirect: stay, Timeout: guard}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

// toxic adds a fault through the control API.
func (s *site) toxic(f faultnet.HTTPFault) {
	s.t.Helper()
	attributes := map[string]any{"method": f.Method, "path": f.Path, "limit": f.Limit}
	fields := map[string]string{}
	for name := range f.Header {
		fields[name] = f.Header.Get(name)
	}
	switch f.Kind {
	case faultnet.HTTPStatus:
		attributes["status"], attributes["headers"], attributes["body"] = f.Status, fields, f.Body
		attributes["retry_after"] = f.RetryAfter / time.Second
		attributes["retry_after_date"] = f.RetryAfterDate
	case faultnet.HTTPCaptive:
		attributes["status"], attributes["location"] = f.Status, f.Location
	case faultnet.HTTPRequestLost, faultnet.HTTPReplyLost:
		attributes["hang"] = f.Hang
	case faultnet.HTTPSlowBody:
		attributes["bytes_per_second"] = f.Rate
	case faultnet.HTTPCutBody:
		attributes["bytes"] = f.Bytes
	case faultnet.HTTPDate:
		attributes["skew"] = f.Skew / time.Second
	}
	if f.Upgrades {
		attributes["upgrades"] = true
	}
	if f.Name == "" {
		f.Name = string(f.Kind)
	}
	toxic := map[string]any{"name": f.Name, "type": f.Kind, "attributes": attributes}
	if f.Share > 0 {
		toxic["toxicity"] = f.Share
	}
	body, err := json.Marshal(toxic)
	must(s.t, err)
	api{s.t, s.control}.call("POST", "/proxies/test/toxics", string(body), 200)
}

// do makes a request and returns its reply, with the body as far as it came.
func (s *site) do(ctx context.Context, method, path, body string, header ...string) (*http.Response, string, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	must(s.t, err)
	r.GetBody = nil // so that nothing but the test decides about a second try
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp, string(got), err
}

// fine makes a request that has to work.
func (s *site) fine(path, body string) {
	s.t.Helper()
	resp, got, err := s.do(s.t.Context(), "POST", path, body)
	if err != nil || resp.StatusCode != 200 || got != "said: "+body {
		s.t.Fatalf("POST %s: %v, %q, %v; want what was said", path, resp, got, err)
	}
}

// injected checks the counts of a fault, and those that the control API tells.
func (s *site) injected(kind faultnet.HTTPKind, want int64) {
	s.t.Helper()
	stats := s.faults.Stats()
	if stats.Injected[kind] != want || stats.Faults[string(kind)] != want {
		s.t.Errorf("injected %+v, want %d of %s", stats, want, kind)
	}
	if s.control != nil {
		got := fields(s.t, api{s.t, s.control}.call("GET", "/proxies/test/toxics/"+string(kind), "", 200))
		if got["injected"] != float64(want) {
			s.t.Errorf("the API tells %v, want %d injected", got, want)
		}
	}
}

// wantCut checks that a request ended without an answer, and not by the client's own deadline.
func wantCut(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v, want a cut connection", err)
	}
}
