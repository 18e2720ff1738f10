package backoff

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait bounds what a server may ask for: a broken answer mustn't lock a client out for years.
const MaxWait = 24 * time.Hour

// RetryAfter reads how long an answer asks to wait, counted from when it came. now is our wall clock, used only where
// the answer doesn't say the server's. Whole and fractional seconds, and all three HTTP date forms (RFC 9110, 10.2.3 and
// 5.6.7), are understood; a time that has passed is 0.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if d, ok := millis(h.Get("Retry-After-Ms")); ok { // vendors' form, more exact
		return d, true
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if d, ok := Seconds(v); ok {
		return d, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxWait), true
}

// Seconds reads a count of seconds, whole or with a fraction, and not negative.
func Seconds(s string) (time.Duration, bool) { return scaled(s, time.Second) }

func millis(s string) (time.Duration, bool) { return scaled(strings.TrimSpace(s), time.Millisecond) }

func scaled(s string, unit time.Duration) (time.Duration, bool) {
	if s == "" || len(s) > 32 || strings.Trim(s, "0123456789.") != "" {
		return 0, false // no sign, exponent, hex, Inf or NaN
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	if f >= float64(MaxWait)/float64(unit) {
		return MaxWait, true
	}
	return time.Duration(f * float64(unit)), true
}
