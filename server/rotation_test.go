package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/token"
)

// TestExpiredTokenCausesOneRefresh: a server that takes a token for run out is asked for another once, on a client
// whatever whose clock says.
func TestExpiredTokenCausesOneRefresh(t *testing.T) {
	for _, skew := range []time.Duration{0, -2 * time.Hour, 2 * time.Hour, -10 * 365 * 24 * time.Hour} {
		bubble.Run(t, func(t *testing.T) {
			r := newRig(t, nil)
			r.skew = skew
			r.open()
			defer r.close()
			r.signIn()
			time.Sleep(time.Minute)
			if err := r.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Path: general, Limit: 1}); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := r.read(); err != nil {
					t.Fatalf("clock off by %v: %v", skew, err)
				}
			}
			if n := r.sent(); n != 1 {
				t.Errorf("clock off by %v: %d refreshes for one token that ran out", skew, n)
			}
			for range 3 * 24 * 12 { // three days
				time.Sleep(5 * time.Minute)
				if err := r.read(); err != nil {
					t.Fatalf("clock off by %v: %v, %+v", skew, err, r.sessions.State())
				}
			}
			if n := r.sent(); n > 3*24*7 || n < 3*24*4 { // lives 15 minutes, of which 3 to 3.75 are the margin
				t.Errorf("clock off by %v: %d refreshes in three days", skew, n)
			}
			r.quiet()
		})
	}
}

// TestLostRefreshAtEachPoint loses one refresh at each point of its way, with the client going on or killed right after
// it and started again later. With the server's own rotation no session ends; with strict rotation only those do whose
// tokens were made and lost, and once.
func TestLostRefreshAtEachPoint(t *testing.T) {
	points := map[string]faultnet.HTTPFault{
		"request lost": {Kind: faultnet.HTTPRequestLost}, "request hangs": {Kind: faultnet.HTTPRequestLost, Hang: true},
		"reply lost": {Kind: faultnet.HTTPReplyLost}, "reply hangs": {Kind: faultnet.HTTPReplyLost, Hang: true},
		"reply cut": {Kind: faultnet.HTTPCutBody, Bytes: 40},
	}
	for name, fault := range points {
		for _, strict := range []bool{false, true} {
			for _, away := range []time.Duration{0, time.Minute, time.Hour, 9 * 24 * time.Hour, 29 * 24 * time.Hour} {
				t.Run(name+", away for "+away.String()+map[bool]string{true: ", strict"}[strict], func(t *testing.T) {
					bubble.Run(t, func(t *testing.T) {
						r := newRig(t, func(c *server.Config) { c.StrictRotation = strict })
						r.strict = strict
						fault.Path, fault.Limit = "/api/auth/refresh", 1
						checkLost(r, fault, away, strict && !strings.HasPrefix(name, "request"))
						r.quiet()
					})
				})
			}
		}
	}
}

func checkLost(r *rig, fault faultnet.HTTPFault, away time.Duration, ends bool) {
	r.t.Helper()
	r.open()
	r.signIn()
	if err := r.faults.Set(fault); err != nil {
		r.t.Fatal(err)
	}
	for r.faults.Stats().Injected[fault.Kind] == 0 {
		time.Sleep(100 * time.Millisecond)
	}
	if away > 0 {
		r.close()
		time.Sleep(away)
		r.open()
	}
	defer r.close()
	time.Sleep(20 * time.Minute)
	err, sent := r.read(), r.sent()
	switch state := r.sessions.State().State; {
	case !ends && (err != nil || state == token.ReauthRequired):
		r.t.Fatalf("a good session: %v, %+v", err, r.sessions.State())
	case ends && (!errors.Is(err, token.ErrSignedOut) || state != token.ReauthRequired):
		r.t.Fatalf("a session that the server ended: %v, %+v", err, r.sessions.State())
	}
	time.Sleep(time.Hour)
	if err = r.read(); (err == nil) == ends {
		r.t.Errorf("an hour later: %v", err)
	}
	if n := r.sent() - sent; ends && n > 0 || n > 8 {
		r.t.Errorf("%d refreshes in the hour afterwards", n)
	}
}

// TestRefresherReadsEveryAnswer brings about each answer that the server has for a refresh, and looks at what it does to a
// session: only the server's word about the grant ends it.
func TestRefresherReadsEveryAnswer(t *testing.T) {
	for _, row := range []struct {
		name, key string
		grant     func(good string) string
		busy, ill bool // too many refreshes; the store can't write
		status    int
		code      string
		state     token.State // after three of them
		told      bool        // when to come back
	}{
		{name: "no token", grant: func(string) string { return "" }, status: 401, code: "invalid_grant", state: token.ReauthRequired},
		{name: "nobody's", grant: func(good string) string { return good[:20] + "xxxx" + good[24:] }, status: 401, code: "invalid_grant", state: token.ReauthRequired},
		{name: "too long a key", key: strings.Repeat("k", 300), status: 400, code: "bad_request", state: token.ConfigError},
		{name: "too long", grant: func(string) string { return strings.Repeat("x", 1<<20) }, status: 413, code: "too_large", state: token.ConfigError},
		{name: "too many", busy: true, status: 429, code: "rate_limited", state: token.Degraded, told: true},
		{name: "the store is full", ill: true, status: 503, code: "unavailable", state: token.Degraded, told: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				full := false
				r := newRig(t, func(c *server.Config) { c.Store = stuckSessions{c.Store, &full} })
				first := r.login("alice", "phone")
				for n := 0; row.busy && n < 20; n++ {
					r.refresh(first.RefreshToken)
				}
				full = row.ill
				old := token.Tokens{Refresh: token.NewSecret(first.RefreshToken)}
				if row.grant != nil {
					old.Refresh = token.NewSecret(row.grant(first.RefreshToken))
				}
				refresh := r.refresher()
				_, err := refresh(t.Context(), old, row.key)
				var answer *token.RefreshError
				if !errors.As(err, &answer) || answer.Status != row.status || answer.Code != row.code || !answer.JSON || answer.RetryAfter > 0 != row.told {
					t.Fatalf("%v, %+v", err, answer)
				}
				s, err := token.New(token.Options{Store: token.NewMemory(), Refresh: func(ctx context.Context, _ token.Tokens, _ string) (token.Tokens, error) {
					return refresh(ctx, old, row.key)
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Set(t.Context(), token.Tokens{Access: token.NewSecret("s3cret-access"), Refresh: old.Refresh, Lifetime: time.Hour}); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					_, err = s.Renew(t.Context(), "s3cret-access")
					if row.busy || row.ill {
						break // it is over when it said
					}
					time.Sleep(s.State().RetryIn)
				}
				if state := s.State(); state.State != row.state || err == nil || row.told != (state.RetryIn >= time.Second) && row.told {
					t.Errorf("%v, %+v", err, state)
				}
			})
		})
	}
}
