package chatsdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/token"
)

var (
	// ErrClosed is returned by calls on a closed Client. It matches net.ErrClosed too.
	ErrClosed = fmt.Errorf("chatsdk: client closed: %w", net.ErrClosed)

	// ErrNotSignedIn is returned where a session is needed and there is none: call SignIn.
	ErrNotSignedIn = token.ErrNotSignedIn

	// ErrSignedOut says that the server ended the session for good: the person has to sign in again. Queued
	// messages stay queued.
	ErrSignedOut = token.ErrSignedOut

	// ErrSessionDamaged says that the session which the store kept can't be read: the person has to sign in again.
	ErrSessionDamaged = token.ErrDamaged
)

// needsSignIn says that nothing helps but to sign in.
func needsSignIn(err error) bool {
	return errors.Is(err, ErrNotSignedIn) || errors.Is(err, ErrSignedOut) || errors.Is(err, ErrSessionDamaged)
}

// ServerError is an answer of the server that refuses a request.
type ServerError struct {
	Status     int           // HTTP status
	Code       string        // stable code, listed in the README, or "" where the answer wasn't from a chatsdk server
	Detail     string        // for people
	RetryAfter time.Duration // how long the server asks to wait, 0 if it doesn't say
	Err        error         // the *api.Error with the attempts of the call, or nil

	expected uint64 // wire.CodeSeqGap: the deviceSeq that the server waits for
}

// refused says of the kind of a call's failure that the server's last answer is what matters.
func refused(kind error) bool {
	switch kind {
	case api.ErrDeadline, api.ErrCancelled, api.ErrClosed, api.ErrOffline: //nolint:errorlint // one of api's, never wrapped
		return false
	}
	return true
}

// serverError tells a call's failure in the server's words.
func serverError(e *api.Error) *ServerError {
	s := &ServerError{Status: e.Status, Err: e}
	if p := e.Problem; p != nil && p.Code != "" {
		s.Code, s.Detail = p.Code, p.Detail
		s.RetryAfter = time.Duration(p.RetryAfterMS) * time.Millisecond
		var more wire.Problem
		if json.Unmarshal(p.Raw, &more) == nil {
			s.expected = more.Expected
		}
	}
	if s.RetryAfter == 0 && !e.RetryAt.IsZero() {
		s.RetryAfter = min(max(time.Until(e.RetryAt), 0), maxRetryAfter)
	}
	return s
}

// maxRetryAfter bounds what a server is believed.
const maxRetryAfter = 24 * time.Hour

// Unwrap gives the call's own error, with the history of its attempts.
func (e *ServerError) Unwrap() error { return e.Err }

// Error names the code, the status and what to do where that is known.
func (e *ServerError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("chatsdk: status %d, and not from a chatsdk server; check the server's address", e.Status)
	}
	s := fmt.Sprintf("chatsdk: %s (%d)", e.Code, e.Status)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.RetryAfter > 0 {
		s += fmt.Sprintf("; try again in %v", e.RetryAfter)
	}
	return s
}

// Retryable says whether the same request may succeed later without anybody changing anything.
func (e *ServerError) Retryable() bool {
	switch e.Code {
	case wire.CodeRateLimited, wire.CodeTooManyConns, wire.CodeUnavailable, wire.CodeInternal:
		return true
	case "":
		// A portal, proxy or half-started server in the way: its answer says nothing about the request.
		return true
	}
	return e.Status >= 500
}
