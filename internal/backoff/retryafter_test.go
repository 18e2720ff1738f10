package backoff_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// noon is a moment for dates.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRetryAfterForms(t *testing.T) {
	for name, c := range map[string]struct {
		value, date, millis string
		want                time.Duration
		ok                  bool
	}{
		"none":                     {"", "", "", 0, false},
		"seconds":                  {"120", "", "", 2 * time.Minute, true},
		"spaces":                   {" 7 ", "", "", 7 * time.Second, true},
		"zero":                     {"0", "", "", 0, true},
		"fraction":                 {"1.5", "", "", 1500 * time.Millisecond, true},
		"milliseconds":             {"9", "", "250", 250 * time.Millisecond, true},
		"negative":                 {"-1", "", "", 0, false},
		"word":                     {"soon", "", "", 0, false},
		"infinite":                 {"Inf", "", "", 0, false},
		"hex":                      {"0x10", "", "", 0, false},
		"for ever":                 {"99999999999999999999", "", "", backoff.MaxWait, true},
		"date":                     {"Sun, 01 Mar 2026 12:00:30 GMT", "", "", 30 * time.Second, true},
		"date by a wrong clock":    {"Sun, 01 Mar 2026 14:00:30 GMT", "Sun, 01 Mar 2026 14:00:00 GMT", "", 30 * time.Second, true},
		"RFC 850":                  {"Sunday, 01-Mar-26 12:00:30 GMT", "", "", 30 * time.Second, true},
		"asctime":                  {"Sun Mar  1 12:00:30 2026", "", "", 30 * time.Second, true},
		"date that has gone":       {"Sun, 01 Mar 2026 11:00:00 GMT", "", "", 0, true},
		"date in the far future":   {"Sun, 01 Mar 2093 11:00:00 GMT", "", "", backoff.MaxWait, true},
		"date and unreadable Date": {"Sun, 01 Mar 2026 12:00:30 GMT", "noon", "", 30 * time.Second, true},
	} {
		h := http.Header{}
		for k, v := range map[string]string{"Retry-After": c.value, "Date": c.date, "Retry-After-Ms": c.millis} {
			if v != "" {
				h.Set(k, v)
			}
		}
		if got, ok := backoff.RetryAfter(h, noon); got != c.want || ok != c.ok {
			t.Errorf("%s: %v %v, want %v %v", name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "1.5", "-1", "1e9", "Sun, 01 Mar 2026 12:00:30 GMT", "99999999999999999999999", "."} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, after, date, millis string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}, "Retry-After-Ms": {millis}}
		if d, ok := backoff.RetryAfter(h, noon); d < 0 || d > backoff.MaxWait || !ok && d != 0 {
			t.Errorf("%q %q %q: %v %v", after, date, millis, d, ok)
		}
	})
}
