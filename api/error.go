package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Why a call ended without success; an Error matches one of them.
var (
	ErrStatus        = errors.New("api: refused")                     // Error.Status and Problem say why
	ErrOffline       = errors.New("api: no network")                  // only with FailFast
	ErrCircuitOpen   = errors.New("api: circuit open")                // the server keeps failing
	ErrRateLimited   = errors.New("api: rate limited")                // the server asked to wait, longer than allowed
	ErrBudget        = errors.New("api: retry budget used up")        // too many of the host's calls were retried
	ErrAttempts      = errors.New("api: out of attempts")             //
	ErrDeadline      = errors.New("api: out of time")                 // also where the next attempt would be too late
	ErrUnsafe        = errors.New("api: can't be sent again")         // it may have been processed, and isn't idempotent
	ErrNotReplayable = errors.New("api: body can't be sent again")    // set Request.GetBody
	ErrCaptive       = errors.New("api: somebody else answered")      // a captive portal, most likely
	ErrUnauthorized  = errors.New("api: token refused")               // and another one didn't help
	ErrReply         = errors.New("api: reply can't be understood")   // it was answered: the request isn't sent again
	ErrRedirect      = errors.New("api: redirect from https to http") // refused: it would show the request to all
	ErrFailed        = errors.New("api: failed for good")             // what trying again can't mend, as an untrusted certificate
	ErrClock         = errors.New("api: certificate not valid now")   // by this machine's clock: is that right?
	ErrToken         = errors.New("api: no access token")             // the TokenSource has none
	ErrCancelled     = errors.New("api: cancelled")                   // by the caller's context
	ErrTimeout       = errors.New("api: attempt timed out")           // cause of an attempt's failure
	ErrClosed        = fmt.Errorf("api: client closed: %w", net.ErrClosed)
)

// Problem is an error answer as RFC 9457 has it, with the members that the reference server adds.
type Problem struct {
	Type         string `json:"type,omitempty"`
	Title        string `json:"title,omitempty"`
	Status       int    `json:"status,omitempty"`
	Detail       string `json:"detail,omitempty"`
	Instance     string `json:"instance,omitempty"`
	Code         string `json:"code,omitempty"`
	RetryAfterMS int64  `json:"retryAfterMs,omitempty"`
	// Raw is the whole document, for members that aren't here.
	Raw json.RawMessage `json:"-"`
}

// Attempt is one sending of a request.
type Attempt struct {
	Method, Path string // without the query, which may hold secrets
	N            int    // 1, 2, …
	Start        time.Time
	Duration     time.Duration // until the response's header, or the failure
	Status       int           // 0 without an answer
	Err          error         // nil with one
	Fault        Fault
	Sent         Sent
	Reused       bool          // the connection had been used before
	Foreign      bool          // somebody else answered, such as a captive portal
	Replays      int           // how often the transport itself sent it again, on another connection
	Wait         time.Duration // before the next attempt, 0 for the last
	Timings      Timings
}

// Timings are the parts of an attempt; 0 is a part that there wasn't. DNS, Connect, TLS and Server are known if
// Options.OnAttempt is set.
type Timings struct {
	DNS, Connect, TLS time.Duration
	FirstByte         time.Duration // from the request's last byte to the answer's first
	Server            time.Duration // of FirstByte, what the server says in Server-Timing (app or total) that it needed
}

// maxHistory bounds the attempts that an Error keeps: the last ones.
const maxHistory = 32

// maxErrorBody bounds the refusing answer that an Error keeps.
const maxErrorBody = 16 << 10

// Error is the failure of a call. It never holds a token, an API key or a query; of what a server says that repeats its
// request, the credentials of its header are taken out.
type Error struct {
	Op       string // method and path
	Kind     error  // one of the Err… variables
	Fault    Fault
	Status   int       // of the last answer, or 0
	Problem  *Problem  // of the last answer, or nil
	Body     []byte    // the last answer's first 16 KiB
	Attempts []Attempt // the last 32
	Count    int       // of attempts
	RetryAt  time.Time // not before, or zero
	Err      error     // the cause, or nil
}

// Error names the call, why it ended, after how many attempts, and when to try again.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s", e.Kind, e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if p := e.Problem; p != nil {
		for _, s := range []string{p.Code, p.Detail} {
			if s != "" {
				b.WriteString(": " + s)
			}
		}
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Count > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Count)
	}
	if !e.RetryAt.IsZero() {
		fmt.Fprintf(&b, "; try again at %s", e.RetryAt.Format(time.RFC3339))
	}
	return b.String()
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Is makes a call that ran out of time match context.DeadlineExceeded.
func (e *Error) Is(target error) bool { return target == context.DeadlineExceeded && e.Timeout() }

// Timeout serves net.Error.
func (e *Error) Timeout() bool { return errors.Is(e.Kind, ErrDeadline) || errors.Is(e.Err, ErrTimeout) }

// Temporary serves net.Error; see Retryable.
func (e *Error) Temporary() bool { return e.Retryable() }

// Retryable says whether the same call may succeed later without anybody changing anything. It doesn't say that trying
// again is safe: see SafeToRetry.
func (e *Error) Retryable() bool {
	switch e.Kind {
	case ErrOffline, ErrCircuitOpen, ErrRateLimited, ErrBudget, ErrAttempts, ErrDeadline, ErrUnsafe, ErrCaptive, ErrClock: //nolint:errorlint // one of ours, never wrapped
		return true
	case ErrToken:
		var t temporary
		return errors.As(e.Err, &t)
	case ErrStatus, ErrNotReplayable:
		return e.Fault != FaultCaller && e.Fault != FaultAuth
	}
	return false
}

// SafeToRetry says that nothing of the call was processed: no attempt may have been.
func (e *Error) SafeToRetry() bool {
	for _, a := range e.Attempts {
		if a.Sent != SentNothing {
			return false
		}
	}
	return e.Count == len(e.Attempts)
}
