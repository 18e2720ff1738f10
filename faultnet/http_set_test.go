package faultnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// answering is a server without a network.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fine is a server to which everything is fine.
var fine = answering(func(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
})

func newFaults(t *testing.T, seed uint64, faults ...faultnet.HTTPFault) *faultnet.HTTPFaults {
	t.Helper()
	h, err := faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: seed, Faults: faults})
	must(t, err)
	return h
}

// statuses makes requests one after the other and returns their statuses.
func statuses(t *testing.T, rt http.RoundTripper, n int) []int {
	t.Helper()
	var got []int
	for range n {
		resp, err := rt.RoundTrip(httptest.NewRequest("GET", "http://server/", nil))
		must(t, err)
		got = append(got, resp.StatusCode)
	}
	return got
}

func TestHTTPShareFollowsTheSeedAlone(t *testing.T) {
	const n = 2000
	half := faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Share: 0.5}
	alone := statuses(t, newFaults(t, 7, half).RoundTripper(fine), n)
	h := newFaults(t, 7,
		faultnet.HTTPFault{Kind: faultnet.HTTPDate, Share: 0.3},
		faultnet.HTTPFault{Kind: faultnet.HTTPCaptive, Path: "/elsewhere", Share: 0.3}, half)
	first, second := h.RoundTripper(fine), h.RoundTripper(fine)
	var got, other []int
	for range n {
		got = append(got, statuses(t, first, 1)...)
		other = append(other, statuses(t, second, 1)...)
	}
	if !slices.Equal(got, alone) {
		t.Error("other faults and another stream changed which requests are hit")
	}
	for name, differs := range map[string][]int{
		"another stream": other, "another seed": statuses(t, newFaults(t, 8, half).RoundTripper(fine), n),
	} {
		same, hits := 0, 0
		for i := range n {
			if differs[i] == got[i] {
				same++
			}
			if differs[i] == 503 {
				hits++
			}
		}
		if min(same, hits) < n*45/100 || max(same, hits) > n*55/100 { // 4.5 sigma
			t.Errorf("%s: %d of %d are hit, %d as before; want half of them", name, hits, n, same)
		}
	}
}

func TestHTTPFaultChoosesByMethodAndPath(t *testing.T) {
	for _, row := range []struct {
		pattern, path string
		want          bool
	}{
		{"", "/", true},
		{"", "/a", true},
		{"/", "/", true},
		{"/", "/a/b", true},
		{"/a", "/a", true},
		{"/a", "/", false},
		{"/a", "/ab", false},
		{"/a", "/a/", false},
		{"/a", "/a/b", false},
		{"/a/", "/a/", true},
		{"/a/", "/a/b/c", true},
		{"/a/", "/a", false},
		{"/a/", "/ab/", false},
		{"/a/*/c", "/a/b/c", true},
		{"/a/*/c", "/a//c", false},
		{"/a/*/c", "/a/b/d", false},
		{"/a/*/c", "/a/b/c/d", false},
		{"/*", "/a", true},
		{"/*", "/", false},
		{"/*/", "/a/b", true},
		{"/a*", "/ab", false},
		{"/a/*", "/a/b", true},
		{"/a/*", "/a", false},
	} {
		h := newFaults(t, 1, faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: row.pattern, Method: "PUT"})
		rt := h.RoundTripper(fine)
		for _, method := range []string{"PUT", "GET"} {
			resp, err := rt.RoundTrip(httptest.NewRequest(method, "http://server"+row.path, nil))
			must(t, err)
			if met := resp.StatusCode == 503; met != (row.want && method == "PUT") {
				t.Errorf("pattern %q meets %s %q: %t", row.pattern, method, row.path, met)
			}
		}
	}
}

func TestHTTPFaultsLeaveUpgradesAlone(t *testing.T) {
	h := newFaults(t, 1, faultnet.HTTPFault{Kind: faultnet.HTTPStatus})
	r := httptest.NewRequest("GET", "http://server/ws", nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "websocket")
	resp, err := h.RoundTripper(fine).RoundTrip(r)
	must(t, err)
	if stats := h.Stats(); resp.StatusCode != 200 || stats.Requests != 0 {
		t.Errorf("%d, %+v", resp.StatusCode, stats)
	}
}

func TestHTTPFaultsRefuseWhatCantBe(t *testing.T) {
	status := func(f faultnet.HTTPFault) faultnet.HTTPFault {
		f.Kind = faultnet.HTTPStatus
		return f
	}
	many := http.Header{}
	for i := range 33 {
		many.Add("X", fmt.Sprint(i))
	}
	h := newFaults(t, 1, faultnet.HTTPFault{Kind: faultnet.HTTPDate})
	for name, fault := range map[string]faultnet.HTTPFault{
		"no kind":          {},
		"unknown kind":     {Kind: "nuke"},
		"share":            status(faultnet.HTTPFault{Share: 1.5}),
		"negative share":   status(faultnet.HTTPFault{Share: -0.1}),
		"limit":            status(faultnet.HTTPFault{Limit: -1}),
		"status":           status(faultnet.HTTPFault{Status: 99}),
		"interim status":   status(faultnet.HTTPFault{Status: 101}),
		"portal status":    {Kind: faultnet.HTTPCaptive, Status: 404},
		"method":           status(faultnet.HTTPFault{Method: "A B"}),
		"path":             status(faultnet.HTTPFault{Path: "a"}),
		"header name":      status(faultnet.HTTPFault{Header: http.Header{"A B": {"x"}}}),
		"header value":     status(faultnet.HTTPFault{Header: http.Header{"A": {"x\r\nB: y"}}}),
		"framing header":   status(faultnet.HTTPFault{Header: http.Header{"Content-Length": {"9"}}}),
		"too many headers": status(faultnet.HTTPFault{Header: many}),
		"body":             status(faultnet.HTTPFault{Body: strings.Repeat("x", 65<<10)}),
		"retry after":      status(faultnet.HTTPFault{RetryAfter: -1}),
		"location":         {Kind: faultnet.HTTPCaptive, Location: "a\nb"},
		"skew":             {Kind: faultnet.HTTPDate, Skew: 1 << 62},
		"rate":             {Kind: faultnet.HTTPSlowBody, Rate: -1},
		"bytes":            {Kind: faultnet.HTTPCutBody, Bytes: -1},
	} {
		_, newErr := faultnet.NewHTTPFaults(faultnet.HTTPOptions{Faults: []faultnet.HTTPFault{fault}})
		for _, err := range []error{newErr, h.Add(fault), h.Set(fault)} {
			if err == nil || !strings.HasPrefix(err.Error(), "faultnet: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := h.Set(status(faultnet.HTTPFault{}), status(faultnet.HTTPFault{})); err == nil {
		t.Error("two faults of one name")
	}
	if err := h.Set(make([]faultnet.HTTPFault, 129)...); err == nil {
		t.Error("129 faults")
	}
	if got := h.Stats().Faults; len(got) != 1 {
		t.Errorf("faults %v after refused ones, want the one from before", got)
	}
}

func TestHTTPFaultsKeepCountsByName(t *testing.T) {
	h := newFaults(t, 1)
	rt := h.RoundTripper(fine)
	must(t, h.Add(faultnet.HTTPFault{Name: "a", Kind: faultnet.HTTPStatus, Limit: 2}))
	must(t, h.Add(faultnet.HTTPFault{Name: "b", Kind: faultnet.HTTPStatus, Status: 500, Limit: 1}))
	if got := statuses(t, rt, 4); !slices.Equal(got, []int{503, 503, 500, 200}) {
		t.Errorf("statuses %v", got)
	}
	must(t, h.Add(faultnet.HTTPFault{Name: "a", Kind: faultnet.HTTPStatus, Status: 502, Limit: 3}))
	if got := statuses(t, rt, 2); !slices.Equal(got, []int{502, 200}) {
		t.Errorf("statuses %v after the limit went from 2 to 3", got)
	}
	h.Remove("a")
	h.Remove("nobody")
	if stats := h.Stats(); len(stats.Faults) != 1 || stats.Faults["b"] != 1 || stats.Injected[faultnet.HTTPStatus] != 4 || stats.Requests != 6 {
		t.Errorf("%+v", stats)
	}
	h.Heal()
	if stats := h.Stats(); len(stats.Faults) != 0 || stats.Injected[faultnet.HTTPStatus] != 4 {
		t.Errorf("%+v after healing", stats)
	}
}

func TestHTTPFaultsPlayASchedule(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := newFaults(t, 1)
		rt := h.RoundTripper(fine)
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- h.Play(t.Context(), faultnet.HTTPSchedule{
				{At: 3 * time.Second, Name: "heal", Do: func(h *faultnet.HTTPFaults) error { h.Heal(); return nil }},
				{At: time.Second, Name: "503", Do: func(h *faultnet.HTTPFaults) error { return h.Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus}) }},
				{At: 4 * time.Second, Name: "nothing"},
			})
		}()
		var got []int
		for range 4 {
			time.Sleep(900 * time.Millisecond)
			got = append(got, statuses(t, rt, 1)...)
		}
		if !slices.Equal(got, []int{200, 503, 503, 200}) {
			t.Errorf("statuses %v", got)
		}
		must(t, <-done)
		took(t, start, 4*time.Second)

		broken := errors.New("broken")
		if err := h.Play(t.Context(), faultnet.HTTPSchedule{{Name: "x", Do: func(*faultnet.HTTPFaults) error { return broken }}}); !errors.Is(err, broken) {
			t.Errorf("error %v of a step", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Play(ctx, faultnet.HTTPSchedule{{At: time.Minute}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v of a schedule that was left", err)
		}
	})
}

// TestHTTPLostLooksTheSame compares what the client can see of a lost request and a lost reply: nothing that tells them
// apart, or that tells when the reply came.
func TestHTTPLostLooksTheSame(t *testing.T) {
	for _, kind := range []faultnet.HTTPKind{faultnet.HTTPRequestLost, faultnet.HTTPReplyLost} {
		t.Run(string(kind), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				s := newVirtualSite(t, []faultnet.HTTPFault{{Kind: kind}}, false)
				var seen []string
				trace := &httptrace.ClientTrace{
					WroteHeaders:         func() { seen = append(seen, "headers") },
					WroteRequest:         func(i httptrace.WroteRequestInfo) { seen = append(seen, fmt.Sprint("request ", i.Err)) },
					GotFirstResponseByte: func() { seen = append(seen, "reply") },
				}
				_, _, err := s.do(httptrace.WithClientTrace(t.Context(), trace), "POST", "/a", "x")
				wantCut(t, err)
				if want := []string{"headers", "request <nil>"}; !slices.Equal(seen, want) {
					t.Errorf("the trace says %q, want %q", seen, want)
				}
			})
		})
	}
}

// TestHTTPHangEnds waits longer than any client: the silence ends when TCP would have given up.
func TestHTTPHangEnds(t *testing.T) {
	for _, atServer := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			s := newVirtualSite(t, []faultnet.HTTPFault{{Kind: faultnet.HTTPRequestLost, Hang: true}}, atServer)
			start := time.Now()
			_, _, err := s.do(t.Context(), "POST", "/a", "x")
			wantCut(t, err)
			took(t, start, 924600*time.Millisecond)
		})
	}
}

// TestHTTPSlowBodyCanBeLeft closes a body while somebody reads it.
func TestHTTPSlowBodyCanBeLeft(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := newVirtualSite(t, []faultnet.HTTPFault{{Kind: faultnet.HTTPSlowBody, Rate: 1}}, false)
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.base+"/a", strings.NewReader("text"))
		must(t, err)
		resp, err := s.client.Do(r)
		must(t, err)
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(resp.Body)
			read <- err
		}()
		time.Sleep(1500 * time.Millisecond)
		start := time.Now()
		must(t, resp.Body.Close())
		if err := <-read; err == nil {
			t.Error("read to the end")
		}
		took(t, start, 0)
	})
}

// TestHTTPHandlerCutsLongBodies cuts replies that are too long to be held back and ones that are flushed.
func TestHTTPHandlerCutsLongBodies(t *testing.T) {
	for name, flush := range map[string]bool{"long": false, "flushed": true} {
		t.Run(name, func(t *testing.T) {
			h := newFaults(t, 1, faultnet.HTTPFault{Kind: faultnet.HTTPCutBody, Bytes: 100_000})
			server := httptest.NewServer(h.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for range 200 {
					_, _ = w.Write(make([]byte, 1000))
					if flush {
						w.(http.Flusher).Flush()
					}
				}
			})))
			defer server.Close()
			resp, err := server.Client().Get(server.URL)
			must(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			wantCut(t, err)
			if len(body) != 100_000 || h.Stats().Injected[faultnet.HTTPCutBody] != 1 {
				t.Errorf("%d bytes came, %+v", len(body), h.Stats())
			}
		})
	}
}
