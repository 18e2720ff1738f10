package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// quota is what a server says of a rate limit.
type quota struct {
	limit     int64         // requests in a window, 0 if it doesn't say
	remaining int64         // requests left
	reset     time.Duration // until there are more
}

// epochFrom tells X-RateLimit-Reset as a date (seconds since 1970) from a count of seconds: nobody means 30 years.
const epochFrom = 1_000_000_000

// rateLimit reads the quota that leaves least. now is our wall clock. It knows RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers-11, structured fields), the -Limit, -Remaining and -Reset fields of its earlier
// drafts, and the X-RateLimit ones of many servers.
func rateLimit(h http.Header, now time.Time) (q quota, ok bool) {
	if !limited(h) { // as most answers: without a look at each field
		return quota{}, false
	}
	policies := map[string]int64{}
	for _, item := range items(h.Values("RateLimit-Policy")) {
		if n, ok := integer(item.params["q"]); ok {
			policies[item.name] = n
		}
	}
	for _, item := range items(h.Values("RateLimit")) {
		r, okR := integer(item.params["r"])
		t, okT := backoff.Seconds(item.params["t"])
		if !okR || !okT {
			continue
		}
		if n := (quota{policies[item.name], r, t}); !ok || n.worse(q) {
			q, ok = n, true
		}
	}
	if ok {
		return q, true
	}
	for _, prefix := range []string{"RateLimit", "X-RateLimit", "X-Rate-Limit"} {
		r, okR := integer(h.Get(prefix + "-Remaining"))
		t, okT := resetTime(h.Get(prefix+"-Reset"), h.Get("Date"), now)
		if okR && okT {
			limit, _ := integer(first(h.Get(prefix + "-Limit")))
			return quota{limit, r, t}, true
		}
	}
	return quota{}, false
}

// limited says that an answer has a field of these; names are as http.Header has them.
func limited(h http.Header) bool {
	return h["Ratelimit"] != nil || h["Ratelimit-Remaining"] != nil || h["X-Ratelimit-Remaining"] != nil ||
		h["X-Rate-Limit-Remaining"] != nil
}

// worse orders quotas by what is left, then by how long that has to last.
func (q quota) worse(than quota) bool {
	if q.remaining != than.remaining {
		return q.remaining < than.remaining
	}
	return q.reset > than.reset
}

// spacing is how far apart requests may be so that the quota lasts; 0 while there is plenty.
func (q quota) spacing() time.Duration {
	scarce := int64(5)
	if q.limit > 0 {
		scarce = max(q.limit/10, 1)
	}
	if q.remaining <= 0 || q.remaining > scarce {
		return 0
	}
	return q.reset / time.Duration(q.remaining+1)
}

// resetTime reads seconds until a reset, or its time as a date in seconds since 1970, by the server's clock.
func resetTime(s, date string, now time.Time) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	n, ok := integer(s)
	if !ok || n < epochFrom {
		return backoff.Seconds(s)
	}
	if d, err := http.ParseTime(date); err == nil {
		now = d
	}
	return min(max(time.Duration(min(n-now.Unix(), int64(maxWait/time.Second)))*time.Second, 0), maxWait), true
}

// first is the part of a field before a comma: earlier drafts put policies behind the limit.
func first(s string) string {
	s, _, _ = strings.Cut(s, ",")
	return strings.TrimSpace(s)
}

// integer reads a number that isn't negative.
func integer(s string) (int64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63)
	return int64(n), err == nil
}

// item is a member of a structured-field list (RFC 9651, 3.1): a token or string and its parameters.
type item struct {
	name   string
	params map[string]string
}

// maxItems bounds the members that are read.
const maxItems = 16

// items reads a list field. What isn't well formed is left out: a limit that can't be read limits nothing.
func items(values []string) []item {
	var out []item
	for _, member := range split(strings.Join(values, ","), ',') {
		parts := split(member, ';')
		if len(out) == maxItems || len(parts) == 0 {
			break
		}
		it := item{name: strings.Trim(parts[0], `"`), params: map[string]string{}}
		for _, p := range parts[1:] {
			k, v, _ := strings.Cut(p, "=")
			it.params[strings.TrimSpace(k)] = strings.Trim(strings.TrimSpace(v), `"`)
		}
		if it.name != "" {
			out = append(out, it)
		}
	}
	return out
}

// split cuts s at sep outside of quoted strings and trims the parts; empty ones stay.
func split(s string, sep byte) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	return append(out, strings.TrimSpace(s[min(start, len(s)):]))
}
