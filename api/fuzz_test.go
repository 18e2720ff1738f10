package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// noon is a moment for dates.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRateLimitForms(t *testing.T) {
	for name, c := range map[string]struct {
		fields           string
		limit, remaining int64
		reset            time.Duration
		ok               bool
	}{
		"none":                {"", 0, 0, 0, false},
		"draft 11":            {`RateLimit-Policy: "a";q=100;w=60|RateLimit: "a";r=7;t=30`, 100, 7, 30 * time.Second, true},
		"the worst wins":      {`RateLimit: "a";r=50;t=30, "b";r=2;t=9`, 0, 2, 9 * time.Second, true},
		"comma in a name":     {`RateLimit: "a,b";r=3;t=1`, 0, 3, time.Second, true},
		"without t":           {`RateLimit: "a";r=3`, 0, 0, 0, false},
		"negative":            {`RateLimit: "a";r=-3;t=1`, 0, 0, 0, false},
		"draft 6":             {`RateLimit-Limit: 10, 10;w=1|RateLimit-Remaining: 4|RateLimit-Reset: 2`, 10, 4, 2 * time.Second, true},
		"delta":               {`X-RateLimit-Limit: 60|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 55`, 60, 0, 55 * time.Second, true},
		"epoch":               {`X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1772366430`, 0, 0, 30 * time.Second, true},
		"epoch that has gone": {`X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1772366000`, 0, 0, 0, true},
		"epoch by a wrong clock": {
			`X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1772373630|Date: Sun, 01 Mar 2026 14:00:00 GMT`, 0, 0, 30 * time.Second, true,
		},
		"far future": {`X-RateLimit-Remaining: 0|X-RateLimit-Reset: 9223372036854775807`, 0, 0, api.MaxWait, true},
	} {
		limit, remaining, reset, ok := api.RateLimit(header(c.fields), noon)
		if limit != c.limit || remaining != c.remaining || reset != c.reset || ok != c.ok {
			t.Errorf("%s: %d %d %v %v", name, limit, remaining, reset, ok)
		}
	}
}

// header makes one of "Name: value|Name: value".
func header(fields string) http.Header {
	h := http.Header{}
	for f := range strings.SplitSeq(fields, "|") {
		if k, v, ok := strings.Cut(f, ": "); ok {
			h.Add(k, v)
		}
	}
	return h
}

func TestChallengeForms(t *testing.T) {
	for value, want := range map[string]bool{
		``:                 true,
		`Bearer`:           true,
		`bearer realm="x"`: true,
		`Bearer realm="x", error="invalid_token", error_description="a, b"`: true,
		`Bearer error=invalid_token`:                                        true,
		`Bearer error="insufficient_scope", scope="a b"`:                    false,
		`Basic realm="x"`:                               false,
		`Basic realm="Bearer"`:                          false,
		`Negotiate dG9rZW4=`:                            false,
		`Basic realm="x", Bearer error="invalid_token"`: true,
		`Basic realm="a \"Bearer\" b", charset="UTF-8"`: false,
		`DPoP error="invalid_token"`:                    true,
	} {
		var values []string
		if value != "" {
			values = []string{value}
		}
		if got := api.Renewable(values); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	schemes, params := api.Challenges([]string{`Basic realm="a, \"b\"", charset=UTF-8`, `Bearer error="invalid_token"`})
	if len(schemes) != 2 || params[0]["realm"] != `a, "b"` || params[0]["charset"] != "UTF-8" || params[1]["error"] != "invalid_token" {
		t.Errorf("%v %v", schemes, params)
	}
}

func FuzzRateLimit(f *testing.F) {
	f.Add(`"a";r=1;t=2`, `"a";q=1;w=2`, "1", "2")
	f.Add(`a;r=1;t="2", ;;`, `"`, "-1", "1772366430")
	f.Add(`"\"`, `"a\`, "", "1e3")
	f.Fuzz(func(t *testing.T, limit, policy, remaining, reset string) {
		h := http.Header{
			"Ratelimit": {limit}, "Ratelimit-Policy": {policy}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset},
		}
		l, r, d, ok := api.RateLimit(h, noon)
		if l < 0 || r < 0 || d < 0 || d > api.MaxWait || !ok && l+r+int64(d) != 0 {
			t.Errorf("%q %q %q %q: %d %d %v %v", limit, policy, remaining, reset, l, r, d, ok)
		}
	})
}

func FuzzWWWAuthenticate(f *testing.F) {
	for _, s := range []string{"", "Bearer", `Bearer error="invalid_token"`, `a="b", c`, `"`, `Basic a="\`, "=,=", "Bearer =", ", ,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		schemes, params := api.Challenges([]string{s})
		if len(schemes) != len(params) || len(schemes) > 16 {
			t.Errorf("%q: %d schemes, %d parameters", s, len(schemes), len(params))
		}
		for i, scheme := range schemes {
			if scheme != strings.ToLower(scheme) || strings.ContainsAny(scheme, " ,") || params[i] == nil {
				t.Errorf("%q: scheme %q", s, scheme)
			}
		}
		// A scheme that isn't named in the field can't come out of it.
		if api.Renewable([]string{s}) && !strings.Contains(strings.ToLower(s), "bearer") && !strings.Contains(strings.ToLower(s), "dpop") {
			t.Errorf("%q asks for no bearer token", s)
		}
	})
}
