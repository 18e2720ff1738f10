package token

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// RefreshError is an answer of the server that brought no tokens, or the lack of one. Its text holds nothing of the
// answer's body but a code that looks like one.
type RefreshError struct {
	Status     int           // HTTP status; 0 if there was no answer
	Code       string        // OAuth error code or problem code, "" if there was none
	JSON       bool          // the answer was JSON, as only the server itself would send it
	RetryAfter time.Duration // how long the server asks to wait; 0 if it doesn't say
	Unsent     bool          // the request surely didn't reach the server
	Err        error         // the cause, or nil
}

// Error says what came back.
func (e *RefreshError) Error() string {
	s := "token: no new tokens"
	switch {
	case e.Code != "":
		s += fmt.Sprintf(": %s (%d)", e.Code, e.Status)
	case e.Status != 0:
		s += fmt.Sprintf(": status %d", e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *RefreshError) Unwrap() error { return e.Err }

// class is what a failed refresh means for the session.
type class int

const (
	transient  class = iota // says nothing about the session; it may work later
	definitive              // the server judged the grant and refused it
	misconfig               // the server refuses this client
	unclear                 // either of the last two, or a race in the server
)

var classNames = [...]string{"transient", "definitive", "misconfigured", "unclear"}

func (c class) String() string { return classNames[c] }

// outcome is the judgement of one failed refresh.
type outcome struct {
	class    class
	maybe    bool          // the server may have used the refresh token up
	wait     time.Duration // the least wait before the next attempt
	asked    bool          // the server asked for the wait
	reason   string        // in a word or two, for people
	offTrack bool          // something else than the server answered
}

const (
	// wallWait is the least wait after a firewall's answer: it looks for clients that ask too often.
	wallWait = time.Minute
	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter = time.Hour
)

// Codes that end a session: RFC 6749 5.2, and what authorization servers are known to say beside it.
var endCodes = []string{
	"invalid_grant", "session_expired", "session_not_found", "refresh_token_already_used", "refresh_token_not_found",
	"user_banned",
}

// Codes by which a server refuses the client, not the grant (RFC 6749 5.2).
var configCodes = []string{"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// Codes that some servers send with a 400 for trouble of their own.
var troubleCodes = []string{"temporarily_unavailable", "slow_down", "server_error", "rate_limited", "unavailable", "internal"}

// classify judges a failed refresh. more are codes beside ours that end a session.
func classify(err error, more []string) outcome {
	if errors.Is(err, ErrSignedOut) {
		return outcome{class: definitive, reason: "refused by the server"}
	}
	if re, ok := errors.AsType[*RefreshError](err); ok {
		o := re.classify(more)
		if re.RetryAfter > 0 && o.class != definitive {
			o.wait, o.asked = max(o.wait, min(re.RetryAfter, maxRetryAfter)), true
		}
		return o
	}
	return classifyNetwork(err)
}

func (e *RefreshError) classify(more []string) outcome {
	if planted == bugTroubleSignsOut && (e.Status == 429 || e.Status >= 500) {
		return outcome{class: definitive, reason: "refused by the server"}
	}
	ended := slices.Contains(endCodes, e.Code) || slices.Contains(more, e.Code)
	switch {
	case e.Status == 0:
		o := classifyNetwork(e.Err)
		o.maybe = o.maybe && !e.Unsent
		return o
	case e.Status >= 500, e.Status == 408:
		return e.trouble()
	case e.Status == 429:
		return outcome{reason: "too many requests"}
	case e.Status/100 == 2:
		return outcome{maybe: e.JSON, reason: "an answer without tokens", offTrack: !e.JSON} // no server sends tokens as a page
	case e.Status/100 != 4, e.Status == 407, !e.JSON && e.Status != 403:
		return outcome{reason: "a portal or proxy answered", offTrack: true}
	case e.Status == 403 && !e.JSON:
		return outcome{wait: wallWait, reason: "a firewall answered", offTrack: true}
	case slices.Contains(troubleCodes, e.Code), e.Status == 425:
		return outcome{reason: "the server is in trouble"}
	case ended && (e.Status == 400 || e.Status == 401 || e.Status == 403), e.Status == 403 && e.Code == "access_denied":
		return outcome{class: definitive, reason: e.Code}
	case slices.Contains(configCodes, e.Code):
		return outcome{class: misconfig, reason: e.Code}
	case e.Status == 404, e.Status == 405, e.Status == 410:
		return outcome{reason: "no such endpoint"}
	case e.Code == "" && e.Status == 401:
		return outcome{reason: "refused without a reason"}
	}
	return outcome{class: unclear, reason: "refused: " + e.Code}
}

// trouble is a server or gateway that failed: it may have done the work before.
func (e *RefreshError) trouble() outcome {
	o := outcome{maybe: true, reason: "the server is in trouble"}
	if e.Status == 511 { // RFC 6585 6
		return outcome{reason: "a portal answered", offTrack: true}
	}
	return o
}

// classifyNetwork judges what isn't an answer.
func classifyNetwork(err error) outcome {
	o := outcome{maybe: true, reason: "no answer"}
	var invalid x509.CertificateInvalidError
	var dial *net.OpError
	switch {
	case err == nil:
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return outcome{reason: "the certificate's time: is this machine's clock right?", offTrack: true}
	case isCertificate(err):
		return outcome{reason: "not the server's certificate", offTrack: true}
	case isType[*net.DNSError](err), errors.As(err, &dial) && dial.Op == "dial":
		return outcome{reason: "unreachable"}
	case errors.Is(err, context.DeadlineExceeded):
		o.reason = "no answer in time"
	}
	return o
}

func isType[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

// isCertificate says that TLS ended at somebody else, such as a captive portal.
func isCertificate(err error) bool {
	return isType[x509.UnknownAuthorityError](err) || isType[x509.HostnameError](err) ||
		isType[x509.CertificateInvalidError](err)
}

// codeOf takes only what looks like an error code: the rest of an answer may hold anything, the refresh token too.
func codeOf(s string) string {
	const longest = 40
	if len(s) > longest || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return s
}
