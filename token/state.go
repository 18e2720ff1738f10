package token

import (
	"fmt"
	"time"
)

// State is what the session is good for at the moment.
type State int

// States. The zero value is that of a source that nobody signed in.
const (
	None           State = iota // nobody signed in
	Fresh                       // good
	Stale                       // good, and being refreshed
	Degraded                    // good, but refreshing fails
	Expired                     // no longer good; refreshing goes on
	ReauthRequired              // the person has to sign in again: the server ended the session, or the kept one is damaged (ReasonDamaged)
	ConfigError                 // the server refuses this client, not the session: somebody has to mend the settings
)

var stateNames = [...]string{"none", "fresh", "stale", "degraded", "expired", "reauth-required", "config-error"}

// String returns the state's word.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// Reasons of changes that don't come from a failed refresh, which says its own.
const (
	ReasonStart     = "start"              // nothing happened so far
	ReasonKept      = "kept session"       // the store had one
	ReasonRestored  = "restored copy"      // the store had a damaged one, and the copy before it
	ReasonDamaged   = "damaged store"      // the store had one that can't be read
	ReasonSignedIn  = "signed in"          // Set
	ReasonSignedOut = "signed out"         // Logout
	ReasonElsewhere = "changed elsewhere"  // another process signed in or out
	ReasonDue       = "due"                // the end is near
	ReasonRenewed   = "renewed"            // refreshed by this source
	ReasonAdopted   = "renewed elsewhere"  // refreshed by another process
	ReasonUnsaved   = "renewed, not saved" // refreshed, but the store failed: a restart may lose it
	ReasonRunOut    = "run out"            // the access token's end
	ReasonRejected  = "rejected"           // the server refuses new tokens
	ReasonEnding    = "session ends"       // the refresh token's end is near: see SessionEnds
)

// Change is a step of the session.
type Change struct {
	From, State State
	Reason      string
	Err         error         // what was wrong, or nil
	Attempt     int           // failed refreshes in a row
	RetryIn     time.Duration // until the next refresh may be sent, 0 if nothing holds it back
	At          time.Time
	// SessionEnds is when the refresh token ends, by the server's word; zero if it isn't known. Unless the server
	// prolongs it with a refresh, the person has to sign in again then.
	SessionEnds time.Time
}

// mergeChanges makes one of two that a slow watcher hasn't taken.
func mergeChanges(older, newer Change) Change {
	newer.From = older.From
	return newer
}

// input is what can happen to the session, as far as its state is concerned.
type input int

const (
	inSet           input = iota // signed in, here or elsewhere
	inLogout                     // signed out, here or elsewhere
	inDue                        // a refresh would be good now
	inRenewed                    // new tokens of the same session
	inFailed                     // a refresh failed, and may work later
	inRunOut                     // the access token is over
	inDead                       // the server refused the grant
	inMisconfigured              // the server refused the client
)

var inputNames = [...]string{"set", "logout", "due", "renewed", "failed", "run out", "dead", "misconfigured"}

func (i input) String() string { return inputNames[i] }

// action is what has to be done about it, in order.
type action int

const (
	actPublish  action = iota // hand out the tokens that came with the input
	actWithdraw               // hand out nothing
	actRefresh                // begin a refresh, unless one is under way or held back
	actHoldBack               // hold the next refresh back, as the failure asks
	actForgive                // begin to count failures from 0
)

var actionNames = [...]string{"publish", "withdraw", "refresh", "hold back", "forgive"}

func (a action) String() string { return actionNames[a] }

// next is the state machine: pure, and total. An input that means nothing in a state leaves it with no action.
func next(s State, in input) (State, []action) {
	switch in {
	case inSet:
		return Fresh, []action{actPublish, actForgive}
	case inLogout:
		return fromAnyLogout(s)
	case inDead:
		return fromAnyDead(s)
	case inDue, inRenewed, inFailed, inRunOut, inMisconfigured:
	}
	switch s {
	case Fresh, Stale, Degraded:
		return fromGood(s, in)
	case Expired:
		return fromExpired(in)
	case ConfigError:
		return fromConfigError(in)
	case ReauthRequired:
		return fromReauthRequired(in)
	case None: // refused: late news of a session that nobody has any more
	}
	return s, nil
}

func fromAnyLogout(s State) (State, []action) {
	if s == None {
		return None, nil
	}
	return None, []action{actWithdraw, actForgive}
}

// fromAnyDead tells once: a grant dies only once.
func fromAnyDead(s State) (State, []action) {
	if s == ReauthRequired {
		return ReauthRequired, nil
	}
	return ReauthRequired, []action{actWithdraw, actForgive}
}

// fromGood is Fresh, Stale and Degraded, which differ in what is known of the next token.
func fromGood(s State, in input) (State, []action) {
	switch in {
	case inDue:
		if s == Fresh {
			s = Stale
		}
		return s, []action{actRefresh}
	case inRenewed:
		return Fresh, []action{actPublish, actForgive}
	case inFailed:
		return Degraded, []action{actHoldBack}
	case inRunOut:
		return Expired, []action{actRefresh}
	case inMisconfigured:
		return ConfigError, []action{actHoldBack}
	case inSet, inLogout, inDead: // answered by next
	}
	return s, nil
}

func fromExpired(in input) (State, []action) {
	switch in {
	case inDue, inRunOut:
		return Expired, []action{actRefresh}
	case inRenewed:
		return Fresh, []action{actPublish, actForgive}
	case inFailed:
		return Expired, []action{actHoldBack}
	case inMisconfigured:
		return ConfigError, []action{actHoldBack}
	case inSet, inLogout, inDead: // answered by next
	}
	return Expired, nil
}

// fromConfigError stays until a refresh works: a network that fails meanwhile changes nothing about the settings.
func fromConfigError(in input) (State, []action) {
	switch in {
	case inDue, inRunOut:
		return ConfigError, []action{actRefresh}
	case inRenewed:
		return Fresh, []action{actPublish, actForgive}
	case inFailed, inMisconfigured:
		return ConfigError, []action{actHoldBack}
	case inSet, inLogout, inDead: // answered by next
	}
	return ConfigError, nil
}

// fromReauthRequired takes back a verdict only for tokens that another process got after it.
func fromReauthRequired(in input) (State, []action) {
	if in == inRenewed {
		return Fresh, []action{actPublish, actForgive}
	}
	return ReauthRequired, nil
}
