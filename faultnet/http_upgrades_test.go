package faultnet_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// TestHTTPFaultsAnswerUpgrades asks for a WebSocket where a fault answers for all, as a real portal does.
func TestHTTPFaultsAnswerUpgrades(t *testing.T) {
	for _, row := range []struct {
		fault faultnet.HTTPFault
		check func(*http.Response, string) bool
	}{
		{faultnet.HTTPFault{Kind: faultnet.HTTPCaptive, Upgrades: true}, func(r *http.Response, body string) bool {
			return r.StatusCode == 200 && strings.Contains(body, "Sign in to use this network")
		}},
		{faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: 429, RetryAfter: 5 * time.Second, Upgrades: true}, func(r *http.Response, _ string) bool {
			return r.StatusCode == 429 && r.Header.Get("Retry-After") == "5"
		}},
		{faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Upgrades: true}, func(r *http.Response, body string) bool {
			return r.StatusCode == 401 && strings.Contains(body, "token_expired")
		}},
	} {
		onEachCarrier(t, []faultnet.HTTPFault{row.fault}, func(t *testing.T, s *site) {
			resp, body, err := s.do(t.Context(), "GET", "/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Authorization", "Bearer x")
			must(t, err)
			if !row.check(resp, body) {
				t.Errorf("%s answers an upgrade with %s %q", row.fault.Kind, resp.Status, body)
			}
			s.injected(row.fault.Kind, 1)
			if got := s.log(); len(got) != 0 {
				t.Errorf("the server was asked %q", got)
			}
			if got := s.faults.Stats().Requests; got != 1 {
				t.Errorf("%d requests are counted", got)
			}
		})
	}
}

// TestUpgradesCountByThemselves holds that what meets a fault by chance stays the same, however many upgrades come between.
func TestUpgradesCountByThemselves(t *testing.T) {
	met := func(upgrades bool) (which string) {
		h := newFaults(t, 1, faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Share: 0.5, Upgrades: upgrades})
		rt := h.RoundTripper(fine)
		for range 64 {
			resp, err := rt.RoundTrip(httptest.NewRequest("GET", "http://server/", nil))
			must(t, err)
			which += string("01"[resp.StatusCode/503])
			r := httptest.NewRequest("GET", "http://server/ws", nil)
			r.Header.Set("Connection", "upgrade")
			r.Header.Set("Upgrade", "websocket")
			if upgrades {
				_, err = rt.RoundTrip(r)
				must(t, err)
			}
		}
		return which
	}
	if without, with := met(false), met(true); without != with || !strings.Contains(with, "1") || !strings.Contains(with, "0") {
		t.Errorf("met without upgrades\n%s, with them\n%s", without, with)
	}
}

// TestOnlyAnswersMeetUpgrades: what is lost or changed stays what it was for them.
func TestOnlyAnswersMeetUpgrades(t *testing.T) {
	for _, kind := range []faultnet.HTTPKind{
		faultnet.HTTPRequestLost, faultnet.HTTPReplyLost, faultnet.HTTPSlowBody, faultnet.HTTPCutBody, faultnet.HTTPDate,
	} {
		h := newFaults(t, 1, faultnet.HTTPFault{Kind: kind, Upgrades: true})
		r := httptest.NewRequest("GET", "http://server/ws", nil)
		r.Header.Set("Connection", "upgrade")
		r.Header.Set("Upgrade", "websocket")
		resp, err := h.RoundTripper(fine).RoundTrip(r)
		must(t, err)
		if stats := h.Stats(); resp.StatusCode != 200 || stats.Requests != 0 || stats.Injected[kind] != 0 {
			t.Errorf("%s: %d, %+v", kind, resp.StatusCode, stats)
		}
	}
}
