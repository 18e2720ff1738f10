// Package token owns a session: the access token that requests carry, and its renewal.
//
// A Source hands out an access token with time left, refreshes it ahead of its end, one refresh at a time whatever the
// number of callers and processes, and tells a refresh that failed (try again) from a session that the server ended
// (sign in again). It logs nobody out by mistake: a refresh is written down before it is sent, so that a lost reply or a
// crash is answered by the same request again, and what a portal, a proxy or a server in trouble says counts for nothing.
//
// It knows no protocol: the refresh itself is a RefreshFunc. JSON and OAuth2 make one over HTTP. Subpackage oauth2token
// makes a golang.org/x/oauth2 TokenSource of a Source, Transport an http.RoundTripper.
package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"
)

var (
	// ErrNotSignedIn is returned where there is no session yet.
	ErrNotSignedIn = errors.New("token: not signed in")

	// ErrSignedOut says that the server ended the session for good. A RefreshFunc returns an error that matches it
	// when, and only when, the server itself judged the grant and refused it.
	ErrSignedOut = errors.New("token: the session has ended; sign in again")

	// ErrDamaged says that the stored session can't be read, so that nobody knows whether the server would still take it. A
	// *DamagedError matches it, and says where what was found lies. The person has to sign in again.
	ErrDamaged = errors.New("token: the stored session is damaged")

	// ErrChanged says that somebody else signed in or out meanwhile, so that this outcome no longer counts.
	ErrChanged = errors.New("token: the session changed meanwhile")

	// ErrRejected says that the server refuses tokens that it has just made, so that making more of them makes no
	// sense for a while: its clock, its keys or the audience are wrong.
	ErrRejected = errors.New("token: the server refuses the tokens that it has just made")

	// ErrOffline says that there is no network, by Options.Online, so that no refresh was sent.
	ErrOffline = errors.New("token: no network")

	// ErrClosed is returned by calls on a closed source. It matches net.ErrClosed too.
	ErrClosed = fmt.Errorf("token: closed: %w", net.ErrClosed)
)

// Tokens are a signed-in device's. Their secrets don't print.
type Tokens struct {
	Server, User, Device string // whose they are, as far as the application cares; kept over refreshes

	Access  Secret
	Refresh Secret // empty if Access can't be refreshed by one
	Type    string // as the server calls it; "" means Bearer
	Scope   string // as the server calls it; "" means what was asked for

	// Lifetime is how long Access lives, counted from when the request for it was sent; 0 means that the server didn't
	// say. It is preferred to Expiry, since it doesn't depend on anybody's clock.
	Lifetime time.Duration
	// Expiry is when Access ends, by this machine's clock. A Source works it out from Lifetime. If both are 0 the token
	// is refreshed after five minutes and handed out until a refresh succeeds.
	Expiry time.Time

	// RefreshLifetime and RefreshExpiry say the same of Refresh. Nothing ends at that time but by the server's word;
	// it is only told ahead, see Change.SessionEnds.
	RefreshLifetime time.Duration
	RefreshExpiry   time.Time
}

// String names the session without its secrets.
func (t Tokens) String() string { return fmt.Sprintf("session of %s on device %s", t.User, t.Device) }

// Format prints String whatever the verb.
func (t Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is String.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }

// grant names what a refresh uses up, without holding it.
func (t Tokens) grant() string {
	if t.Refresh.IsZero() {
		return hashOf(t.Access.Reveal())
	}
	return hashOf(t.Refresh.Reveal())
}

// RefreshFunc asks the server for new tokens. Fields that it leaves empty keep their value. key is the same for each
// attempt to use up one refresh token, also after a restart of the process: a server that knows idempotency keys answers
// the same again. A RefreshFunc sends at most one request. An error that matches ErrSignedOut ends the session; a
// *RefreshError is judged by what it holds; any other means that it may work later, and that the server may have done it.
type RefreshFunc func(ctx context.Context, old Tokens, key string) (Tokens, error)

// RetryError is returned while a refresh is held back after others failed.
type RetryError struct {
	At  time.Time // when the next one may be sent
	Err error     // of the last one
}

// Error says what was wrong and when it is tried again.
func (e *RetryError) Error() string {
	return fmt.Sprintf("token: no refresh before %s: %v", e.At.UTC().Format(time.RFC3339), e.Err)
}

func (e *RetryError) Unwrap() error { return e.Err }

// Temporary says that waiting may help.
func (e *RetryError) Temporary() bool { return true }

// RetryAt is At, for those who know this error by its methods alone.
func (e *RetryError) RetryAt() time.Time { return e.At }
