package realtime

import "time"

// State of the connection. Whether the subscriptions are caught up is told by their events.
type State int

const (
	// Disconnected: nobody asked for a connection.
	Disconnected State = iota
	// Connecting: no connection since it was asked for.
	Connecting
	// Connected: the server took the connection.
	Connected
	// Reconnecting: the connection was lost and will be replaced.
	Reconnecting
	// Suspended: no success for Options.SuspendAfter. Attempts go on.
	Suspended
	// Failed: trying again makes no sense until the application does something. Connect starts anew.
	Failed
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Disconnected:
		return "disconnected"
	case Connecting:
		return "connecting"
	case Connected:
		return "connected"
	case Reconnecting:
		return "reconnecting"
	case Suspended:
		return "suspended"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// Reason says in a word or two why the state changed.
type Reason string

// Reasons of changes.
const (
	ReasonStart          Reason = "start"           // nothing happened so far
	ReasonAsked          Reason = "asked"           // Connect or Disconnect was called
	ReasonConnected      Reason = "connected"       // the server took the connection
	ReasonLinkLost       Reason = "link lost"       // reset or end of stream without a close frame
	ReasonLinkDead       Reason = "link dead"       // silent beyond the deadline
	ReasonServerClosed   Reason = "server closed"   // close frame or disconnect push
	ReasonServerDelay    Reason = "server delay"    // the server told when to come back
	ReasonUnreachable    Reason = "unreachable"     // dial failed, or nobody answered in time
	ReasonRefused        Reason = "refused"         // the server refused the upgrade or the connect command
	ReasonProtocol       Reason = "protocol"        // the other side speaks something else
	ReasonToken          Reason = "token"           // no token, or the server didn't take it
	ReasonTimeout        Reason = "timeout"         // a command was left unanswered on a working link
	ReasonResync         Reason = "resync"          // subscriptions have to be set up anew
	ReasonNetworkChanged Reason = "network changed" // NetworkChanged was called
	ReasonSuspended      Reason = "no success"      // Options.SuspendAfter went by
	ReasonAttempts       Reason = "attempt limit"   // Options.AttemptLimit was reached
	ReasonClosed         Reason = "closed"          // Close was called
)

// Change is one step of the state machine. From equals To when an attempt failed and the next one is scheduled.
type Change struct {
	From, To State
	Reason   Reason
	Err      error         // what was wrong, or nil
	Attempt  int           // failed attempts in a row, 0 once connected
	RetryIn  time.Duration // until the next attempt, 0 if it is under way or none will follow
	At       time.Time
}

func mergeChanges(older, newer Change) Change {
	newer.From = older.From
	return newer
}

// inputKind is what can happen to the connection, as far as its state is concerned.
type inputKind int

const (
	inConnect inputKind = iota
	inDisconnect
	inUp             // connect was answered
	inLost           // the established connection is gone
	inAttemptFailed  // no attempt is left
	inTerminal       // the server, or the token source, said never
	inRetryDue       // the pause is over
	inSuspendDue     // too long without success
	inNetworkChanged // the application says so
	inStable         // the connection has lasted
	inPathBack       // something else got through
	inPathLost       // nothing else gets through
)

var inputNames = [...]string{
	"connect", "disconnect", "up", "lost", "attempt failed", "terminal", "retry due", "suspend due", "network changed", "stable",
	"path back", "path lost",
}

func (k inputKind) String() string { return inputNames[k] }

// action is what the owner has to do about it, in order.
type action int

const (
	actDial          action = iota // start an attempt now, unless one is under way
	actRedial                      // start an attempt now, whatever is under way
	actRetry                       // schedule an attempt, as the cause asks
	actLeave                       // close the connection politely
	actDrop                        // close what is left of the connection
	actStopAttempts                // stop attempts and pauses
	actSettle                      // fail what waits for an answer
	actArmSuspend                  // start counting time without success
	actDisarmSuspend               // stop counting
	actArmStable                   // start counting uptime
	actForget                      // start pauses from the shortest again
	actProbe                       // probe the live connection with a short deadline
	actRejoin                      // start an attempt now, unless one gets on
	actAsk                         // probe the live connection, unless it is being probed
	actDoubt                       // the same, and don't take silence for lost segments
)

var actionNames = [...]string{
	"dial", "redial", "retry", "leave", "drop", "stop attempts", "settle", "arm suspend", "disarm suspend", "arm stable", "forget", "probe",
	"rejoin", "ask", "doubt",
}

func (a action) String() string { return actionNames[a] }

// next is the state machine: pure, and total. An input that means nothing in a state leaves it with no action.
func next(s State, in inputKind) (State, []action) {
	switch s {
	case Disconnected:
		return fromDisconnected(in)
	case Connecting:
		return fromTrying(Connecting, in)
	case Connected:
		return fromConnected(in)
	case Reconnecting:
		return fromTrying(Reconnecting, in)
	case Suspended:
		return fromSuspended(in)
	case Failed:
		return fromFailed(in)
	}
	return s, nil
}

// fromDisconnected refuses everything but connect: late news of a connection that nobody wants any more.
func fromDisconnected(in inputKind) (State, []action) {
	if in == inConnect {
		return Connecting, []action{actForget, actArmSuspend, actDial}
	}
	return Disconnected, nil
}

// fromTrying is Connecting and Reconnecting, which differ in name only.
func fromTrying(s State, in inputKind) (State, []action) {
	switch in {
	case inConnect:
		return s, []action{actDial} // asked again: don't wait for the pause to end
	case inDisconnect:
		return Disconnected, []action{actStopAttempts, actDisarmSuspend, actDrop, actSettle}
	case inUp:
		return Connected, []action{actDisarmSuspend, actStopAttempts, actArmStable}
	case inAttemptFailed:
		return s, []action{actRetry}
	case inTerminal:
		return Failed, []action{actStopAttempts, actDisarmSuspend, actDrop, actSettle}
	case inRetryDue:
		return s, []action{actDial}
	case inSuspendDue:
		return Suspended, nil
	case inNetworkChanged:
		return s, []action{actForget, actRedial}
	case inPathBack:
		return s, []action{actRejoin}
	case inLost, inStable, inPathLost:
		return s, nil // refused: there is no connection to lose
	}
	return s, nil
}

func fromConnected(in inputKind) (State, []action) {
	switch in {
	case inDisconnect:
		return Disconnected, []action{actSettle, actLeave, actStopAttempts}
	case inLost:
		return Reconnecting, []action{actDrop, actSettle, actArmSuspend, actRetry}
	case inTerminal:
		return Failed, []action{actDrop, actSettle, actStopAttempts}
	case inNetworkChanged:
		return Connected, []action{actProbe}
	case inStable:
		return Connected, []action{actForget}
	case inPathBack:
		return Connected, []action{actAsk}
	case inPathLost:
		return Connected, []action{actDoubt}
	case inConnect, inUp, inAttemptFailed, inRetryDue, inSuspendDue:
		return Connected, nil // refused: already there
	}
	return Connected, nil
}

// fromSuspended goes on trying: the name is for people, who want to know.
func fromSuspended(in inputKind) (State, []action) {
	if in == inSuspendDue {
		return Suspended, nil
	}
	return fromTrying(Suspended, in)
}

// fromFailed waits for the application.
func fromFailed(in inputKind) (State, []action) {
	switch in {
	case inConnect:
		return Connecting, []action{actForget, actArmSuspend, actDial}
	case inDisconnect:
		return Disconnected, nil
	case inUp, inLost, inAttemptFailed, inTerminal, inRetryDue, inSuspendDue, inNetworkChanged, inStable, inPathBack, inPathLost:
		return Failed, nil // refused: final
	}
	return Failed, nil
}
