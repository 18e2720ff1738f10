package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxServerTime bounds what a server may say that it needed; more is nonsense.
const maxServerTime = 10 * time.Minute

// serverTime is what a server says that it needed for its answer: the duration of "app" or "total" in Server-Timing, in
// milliseconds (W3C Server Timing, section 3). 0 if it doesn't say, or nonsense. A description with a comma in it may hide
// what stands behind it.
func serverTime(h http.Header) time.Duration {
	for _, line := range h["Server-Timing"] {
		for metric := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(metric, ";")
			if name = strings.TrimSpace(name); name != "app" && name != "total" {
				continue
			}
			for param := range strings.SplitSeq(params, ";") {
				key, value, _ := strings.Cut(param, "=")
				if !strings.EqualFold(strings.TrimSpace(key), "dur") {
					continue
				}
				ms, err := strconv.ParseFloat(strings.Trim(strings.TrimSpace(value), `"`), 64)
				if limit := float64(maxServerTime / time.Millisecond); err == nil && ms > 0 && ms <= limit {
					return time.Duration(ms * float64(time.Millisecond))
				}
			}
		}
	}
	return 0
}
