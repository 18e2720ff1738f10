package realtime

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// class says how to come back after a failure.
type class int

const (
	classLocal    class = iota // this client's path: at once, then jitter
	classServer                // all clients are likely to be hit: spread
	classDirected              // the server named the delay: obey
	classToken                 // renew the token: at once the first time
	classRenew                 // renew once, then final (3500, HTTP 401 and 403)
	classLong                  // coming back soon makes it worse, or is pointless
	classTerminal              // never
)

// cause is why a connection or an attempt ended.
type cause struct {
	class  class
	reason Reason
	err    error
	delay  time.Duration // classDirected
	resync bool          // positions are void (3014)
}

// longPause is the shortest pause of classLong.
const longPause = 10 * time.Second

var retryAfterMS = regexp.MustCompile(`retry-after-ms=(\d{1,9})`)

// maxDirected bounds a delay that a server asks for: a typing error there must not lose clients for days.
const maxDirected = 15 * time.Minute

// closeCause classifies a close frame or a disconnect push.
// Codes below 3000 are WebSocket's; 3000 to 3499, 4000 to 4499 and from 5000 on ask the client to come back, the others
// are final, except that 3502 (didn't authenticate in time) is worth another try, 3500 (token) is worth a new token, and
// 3504 (too many connections) passes.
func closeCause(code uint32, reason string) cause {
	c := cause{class: classServer, reason: ReasonServerClosed, err: &CloseError{code, reason}}
	switch {
	case code >= 4000 && code < 4500:
		if m := retryAfterMS.FindStringSubmatch(reason); m != nil {
			ms, _ := strconv.Atoi(m[1]) // nine digits at most
			c.class, c.reason = classDirected, ReasonServerDelay
			c.delay = min(time.Duration(ms)*time.Millisecond, maxDirected)
		}
	case code == 3005: // expired
		c.class, c.reason = classToken, ReasonToken
	case code == 3006, code == 3008, code == 3009, code == 3010, code == 3012: // this client's own trouble
		c.class = classLocal
	case code == 3014: // state invalidated
		c.class, c.resync = classToken, true
	case code == 3500: // invalid token
		c.class, c.reason = classRenew, ReasonToken
	case code == 3502: // stale
		c.class = classServer
	case code == 3504: // connection limit
		c.class = classLong
	case code >= 3500 && code < 4000, code >= 4500 && code < 5000:
		c.class = classTerminal
	case code == 1002, code == 1003, code == 1007, code == 1008, code == 1009, code == 1010:
		c.class = classLong // something in what we send: repeating it at once won't help
	case code == 1006:
		c.class, c.reason = classLocal, ReasonLinkLost
	}
	return c
}

// connectCause classifies an error reply to the connect command.
func connectCause(code uint32, message string, temporary bool) cause {
	c := cause{class: classServer, reason: ReasonRefused, err: &ConnectError{code, message, temporary}}
	switch {
	case code == 109, code == 110: // token expired, expired
		c.class, c.reason = classToken, ReasonToken
	case temporaryCode(code, temporary):
	default:
		c.class = classTerminal
	}
	return c
}

// temporaryCode says whether the same command may succeed later. 100 is an internal error, 111 too many requests,
// 113 concurrent pagination; codes below 100 never come from a server.
func temporaryCode(code uint32, temporary bool) bool {
	return temporary || code < 100 || code == 100 || code == 111 || code == 113
}

// dialCause classifies the end of an attempt before connect.
func dialCause(err error) cause {
	var he *HTTPError
	var se *sendError
	switch {
	case errors.As(err, &he):
		return httpCause(he)
	case errors.As(err, &se):
		return cause{class: classLocal, reason: ReasonLinkLost, err: err}
	case errors.Is(err, ErrProtocol):
		return cause{class: classLong, reason: ReasonProtocol, err: err}
	}
	return cause{class: classLocal, reason: ReasonUnreachable, err: err}
}

func httpCause(e *HTTPError) cause {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return cause{class: classRenew, reason: ReasonRefused, err: e}
	case e.RetryAfter > 0 && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable):
		return cause{class: classDirected, reason: ReasonServerDelay, err: e, delay: min(e.RetryAfter, maxDirected)}
	case errors.Is(e, ErrProtocol):
		return cause{class: classLong, reason: ReasonProtocol, err: e}
	}
	return cause{class: classServer, reason: ReasonRefused, err: e}
}

// tokenCause classifies a failure of the token source.
func tokenCause(err error) cause {
	c := cause{class: classServer, reason: ReasonToken, err: err}
	if errors.Is(err, ErrUnauthorized) {
		c.class = classTerminal
	}
	return c
}

// sendError is a failure of a socket that had been working.
type sendError struct{ err error }

func (e *sendError) Error() string { return "realtime: link: " + e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// pause is the time before the next attempt. failures counts those in a row, the present one included; first says that
// the connection before had lasted; outage is the time since it was lost; random gives [0, n).
func pause(c cause, e Effort, failures int, outage time.Duration, random func(n int64) int64) time.Duration {
	limit := e.RetryCap
	if outage > e.PatientAfter {
		limit = e.PatientCap
	}
	full := func(n int) time.Duration { // full jitter
		d := limit
		if n < 20 {
			d = min(limit, e.RetryBase<<n)
		}
		return time.Duration(random(int64(d) + 1))
	}
	switch c.class {
	case classDirected:
		return c.delay
	case classLocal, classToken, classRenew:
		if failures == 0 {
			return 0
		}
		if c.class != classLocal {
			limit = e.PatientCap // a token that is refused again and again
		}
		return full(failures)
	case classLong:
		limit = max(e.PatientCap, longPause)
		if c.reason == ReasonProtocol {
			// A captive portal or a proxy that is coming up: quick at first, or its end would be noticed late.
			return full(failures)
		}
		return longPause + time.Duration(random(int64(longPause)))
	case classServer:
		if failures == 0 {
			return time.Duration(random(int64(e.Spread) + 1))
		}
		return full(failures)
	case classTerminal:
	}
	return 0
}
