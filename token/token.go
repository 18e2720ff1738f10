// Package token owns the session: the access token that requests carry, and its renewal.
//
// A Source hands out an access token with time left, renews it ahead of its end, one renewal at a time whatever the
// number of callers, and tells a renewal that failed (try again) from a session that the server ended (sign in
// again). It knows no protocol: the renewal itself is a RefreshFunc.
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

	// ErrChanged says that somebody else signed in or out meanwhile, so that this outcome no longer counts.
	ErrChanged = errors.New("token: the session changed meanwhile")

	// ErrClosed is returned by Renew on a closed source. It matches net.ErrClosed too.
	ErrClosed = fmt.Errorf("token: closed: %w", net.ErrClosed)
)

// Tokens are a signed-in device's. They hold secrets: they print as their user and device only.
type Tokens struct {
	Server, User, Device string // whose they are
	Access               string
	Refresh              string
	Expiry               time.Time     // of Access; zero means that it has none
	Lifetime             time.Duration // of Access when it was made; 0 means unknown
}

// String names the session without its secrets.
func (t Tokens) String() string { return fmt.Sprintf("session of %s on device %s", t.User, t.Device) }

// Format prints String whatever the verb, so that neither %#v nor a wrong %d shows a secret.
func (t Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is String, so that slog shows no secret either.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }

// RefreshFunc asks the server for new tokens. Fields it leaves empty keep their value. An error that matches
// ErrSignedOut ends the session; any other means that it may work later.
type RefreshFunc func(ctx context.Context, old Tokens) (Tokens, error)

// State is what the session is good for at the moment.
type State int

// States. The zero value is that of a source that nobody signed in.
const (
	None           State = iota // nobody signed in
	Fresh                       // good
	Degraded                    // still good, but renewing it fails
	Expired                     // no longer good, and renewing it fails; it is tried again
	ReauthRequired              // ended by the server: the person has to sign in again
)

var stateNames = [...]string{"none", "fresh", "degraded", "expired", "reauth-required"}

// String returns the state's word.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// Change is a step of the session.
type Change struct {
	State  State
	Reason string
}
