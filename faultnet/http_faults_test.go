package faultnet_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// patience is how long a client waits for an answer that never comes.
const patience = 100 * time.Millisecond

func TestHTTPStatusAnswersInTheServersPlace(t *testing.T) {
	for _, row := range []struct {
		name   string
		fault  faultnet.HTTPFault
		status int
		header map[string]string
		body   string
	}{
		{"plain", faultnet.HTTPFault{}, 503, nil, ""},
		{"500 with a body", faultnet.HTTPFault{Status: 500, Body: "oh"}, 500, nil, "oh"},
		{
			"401 with a challenge",
			faultnet.HTTPFault{Status: 401, Header: http.Header{"Www-Authenticate": {"Bearer"}}},
			401,
			map[string]string{"Www-Authenticate": "Bearer"},
			"",
		},
		{"429 with seconds", faultnet.HTTPFault{Status: 429, RetryAfter: 7 * time.Second}, 429, map[string]string{"Retry-After": "7"}, ""},
		{"429 without", faultnet.HTTPFault{Status: 429}, 429, map[string]string{"Retry-After": ""}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.fault.Kind, row.fault.Limit = faultnet.HTTPStatus, 1
			onEachCarrier(t, []faultnet.HTTPFault{row.fault}, func(t *testing.T, s *site) {
				resp, body, err := s.do(t.Context(), "POST", "/a", "text")
				must(t, err)
				if resp.StatusCode != row.status || body != row.body || resp.ContentLength != int64(len(body)) {
					t.Errorf("%d %q, want %d %q", resp.StatusCode, body, row.status, row.body)
				}
				for name, want := range row.header {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if at, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Since(at).Abs() > guard {
					t.Errorf("Date %v, %v; want now", at, err)
				}
				if got := s.log(); len(got) != 0 {
					t.Errorf("the server was asked %q", got)
				}
				s.fine("/a", "again")
				s.injected(faultnet.HTTPStatus, 1)
			})
		})
	}
}

func TestHTTPStatusGivesRetryAfterAsDate(t *testing.T) {
	fault := faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: 429, RetryAfter: 5 * time.Second, RetryAfterDate: true}
	onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
		before := time.Now()
		resp, _, err := s.do(t.Context(), "GET", "/", "")
		must(t, err)
		at, err := http.ParseTime(resp.Header.Get("Retry-After"))
		must(t, err)
		if early := before.Add(5 * time.Second); at.Before(early) || at.After(time.Now().Add(6*time.Second)) {
			t.Errorf("retry after %v, want from %v up to a second later", at, early)
		}
	})
}

func TestHTTPRequestLost(t *testing.T) {
	for _, hang := range []bool{false, true} {
		t.Run("hang "+strconv.FormatBool(hang), func(t *testing.T) {
			fault := faultnet.HTTPFault{Kind: faultnet.HTTPRequestLost, Hang: hang, Limit: 1}
			onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) { testLost(t, s, hang, 0) })
		})
	}
}

func TestHTTPReplyLost(t *testing.T) {
	for _, hang := range []bool{false, true} {
		t.Run("hang "+strconv.FormatBool(hang), func(t *testing.T) {
			fault := faultnet.HTTPFault{Kind: faultnet.HTTPReplyLost, Hang: hang, Limit: 1}
			onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) { testLost(t, s, hang, 1) })
		})
	}
}

// testLost makes a request that gets no answer and is carried out so many times, and one that is fine.
func testLost(t *testing.T, s *site, hang bool, effects int) {
	kind := faultnet.HTTPRequestLost
	if effects == 1 {
		kind = faultnet.HTTPReplyLost
	}
	if hang {
		wantSilence(t, s, func() bool { return s.faults.Stats().Injected[kind] == 1 && len(s.log()) == effects })
	} else {
		_, _, err := s.do(t.Context(), "POST", "/a", "text")
		wantCut(t, err)
	}
	if got := s.log(); len(got) != effects || effects == 1 && got[0] != "POST /a text" {
		t.Errorf("the server was asked %q, want %d requests", got, effects)
	}
	s.fine("/a", "again")
	s.injected(kind, 1)
}

// wantSilence makes a request that is given up when it has met the fault and waited for an answer.
func wantSilence(t *testing.T, s *site, met func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, _, err := s.do(ctx, "POST", "/a", "text")
		done <- err
	}()
	until(t, "the request meets the fault", met)
	select {
	case err := <-done:
		t.Fatalf("ended with %v, want silence", err)
	case <-time.After(patience):
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("given up: %v", err)
	}
}

func TestHTTPSlowBody(t *testing.T) {
	fault := faultnet.HTTPFault{Kind: faultnet.HTTPSlowBody, Rate: 1000}
	onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
		for _, as := range []string{"", "chunks"} {
			start := time.Now()
			s.fine("/a?as="+as, strings.Repeat("x", 294))
			if took := time.Since(start); took < 300*time.Millisecond {
				t.Errorf("300 bytes took %v at 1000 a second", took)
			}
		}
		_, _, err := s.do(t.Context(), "GET", "/a?as=empty", "")
		must(t, err)
		s.injected(faultnet.HTTPSlowBody, 2)
	})
}

func TestHTTPCutBody(t *testing.T) {
	fault := faultnet.HTTPFault{Kind: faultnet.HTTPCutBody, Bytes: 8, Path: "/cut"}
	onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
		for _, as := range []string{"", "chunks"} {
			resp, body, err := s.do(t.Context(), "POST", "/cut?as="+as, "text")
			wantCut(t, err)
			if body != "said: te" {
				t.Errorf("%q came before the cut", body)
			}
			if as == "" && resp.ContentLength != 10 {
				t.Errorf("announced %d bytes, want 10", resp.ContentLength)
			}
			s.fine("/cut?as="+as, "te") // as long as the cut
			s.fine("/cut?as="+as, "t")
			s.fine("/a?as="+as, "text")
		}
		_, _, err := s.do(t.Context(), "HEAD", "/cut", "")
		must(t, err)
		s.injected(faultnet.HTTPCutBody, 2)
	})
}

func TestHTTPCaptivePortal(t *testing.T) {
	for _, status := range []int{200, 302, 511} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			fault := faultnet.HTTPFault{Kind: faultnet.HTTPCaptive, Status: status, Location: "https://portal.example/in"}
			onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
				resp, body, err := s.do(t.Context(), "GET", "/api/health/ping", "")
				must(t, err)
				if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<p>") {
					t.Errorf("%d %v %q, want HTML", resp.StatusCode, resp.Header, body)
				}
				want := ""
				if status == 302 {
					want = "https://portal.example/in"
				}
				if got := resp.Header.Get("Location"); got != want {
					t.Errorf("location %q, want %q", got, want)
				}
				if got := s.log(); len(got) != 0 {
					t.Errorf("the server was asked %q", got)
				}
			})
		})
	}
}

func TestHTTPTokenExpiredMeetsThoseWithAToken(t *testing.T) {
	fault := faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Limit: 1}
	onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
		s.fine("/a", "no token")
		resp, body, err := s.do(t.Context(), "POST", "/a", "x", "Authorization", "Bearer t")
		must(t, err)
		if resp.StatusCode != 401 || !strings.Contains(body, `"code":"token_expired"`) ||
			!strings.HasPrefix(resp.Header.Get("Www-Authenticate"), `Bearer error="invalid_token"`) ||
			resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
		}
		for token, want := range map[string]int{"t": 401, "new": 200} { // the limit is one token
			resp, _, err := s.do(t.Context(), "POST", "/a", token, "Authorization", "Bearer "+token)
			must(t, err)
			if resp.StatusCode != want {
				t.Errorf("token %q: %d, want %d", token, resp.StatusCode, want)
			}
		}
		if got := s.log(); !slices.Equal(got, []string{"POST /a no token", "POST /a new"}) {
			t.Errorf("the server was asked %q", got)
		}
		s.injected(faultnet.HTTPTokenExpired, 2)
	})
}

func TestHTTPDateIsWrong(t *testing.T) {
	for _, skew := range []time.Duration{-90 * time.Minute, 24 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			fault := faultnet.HTTPFault{Kind: faultnet.HTTPDate, Skew: skew}
			onEachCarrier(t, []faultnet.HTTPFault{fault}, func(t *testing.T, s *site) {
				resp, _, err := s.do(t.Context(), "POST", "/a", "x")
				must(t, err)
				at, err := http.ParseTime(resp.Header.Get("Date"))
				must(t, err)
				if off := time.Until(at) - skew; off.Abs() > guard || len(resp.Header["Date"]) != 1 {
					t.Errorf("Date %v, off by %v from the skew", resp.Header["Date"], off)
				}
				s.injected(faultnet.HTTPDate, 1)
			})
		})
	}
}

func TestHTTPFaultsAddUp(t *testing.T) {
	faults := []faultnet.HTTPFault{
		{Kind: faultnet.HTTPDate, Skew: time.Hour},
		{Name: "first", Kind: faultnet.HTTPStatus, Status: 500, Body: "12345678", Limit: 1},
		{Name: "second", Kind: faultnet.HTTPStatus, Status: 503, Body: "12345678"},
		{Kind: faultnet.HTTPCutBody, Bytes: 4},
	}
	onEachCarrier(t, faults, func(t *testing.T, s *site) {
		for i, want := range []int{500, 503, 503} {
			resp, body, err := s.do(t.Context(), "GET", "/", "")
			wantCut(t, err)
			at, _ := http.ParseTime(resp.Header.Get("Date"))
			if resp.StatusCode != want || body != "1234" || resp.ContentLength != 8 || time.Until(at) < 30*time.Minute {
				t.Errorf("request %d: %d %q of %d at %v", i, resp.StatusCode, body, resp.ContentLength, at)
			}
		}
		stats := s.faults.Stats()
		if stats.Faults["first"] != 1 || stats.Faults["second"] != 2 || stats.Injected[faultnet.HTTPStatus] != 3 ||
			stats.Injected[faultnet.HTTPDate] != 3 || stats.Requests != 3 {
			t.Errorf("%+v", stats)
		}
	})
}
