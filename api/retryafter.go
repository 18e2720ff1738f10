package api

import (
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// maxWait bounds what a server may ask for.
const maxWait = backoff.MaxWait

// retryAfter is backoff.RetryAfter.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if planted == bugDateAbsolute {
		h = h.Clone()
		h.Del("Date")
	}
	return backoff.RetryAfter(h, now)
}
