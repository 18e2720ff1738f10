package upload

import "slices"

// State is where an upload is. The zero value is Queued.
type State int

// States of an upload. Done, Failed and Cancelled are settled; Paused waits for the caller; the others go on by
// themselves. Only Queued, Paused and the settled ones are kept by a Store: the rest is Queued in a new process.
const (
	Queued         State = iota // waits for its turn
	Uploading                   // requests are under way
	Verifying                   // file or server's copy is being checked
	WaitingNetwork              // no network, or the last attempt met none
	WaitingServer               // the server is busy, limits us or fails; or the store can't write
	WaitingLock                 // another request holds the server's copy
	WaitingAuth                 // no token that the server takes, or another account is signed in
	Paused                      // Pause, until Resume
	Done                        // the server has all of it
	Failed                      // for good, as far as the queue knows; Queue.Retry tries again
	Cancelled                   // taken back
)

// states are the words of all states, in order.
var states = [...]string{
	"queued", "uploading", "verifying", "waiting_network", "waiting_server", "waiting_lock", "waiting_auth", "paused",
	"done", "failed", "cancelled",
}

// String returns the state's word in lower case.
func (s State) String() string {
	if s < 0 || int(s) >= len(states) {
		return "unknown"
	}
	return states[s]
}

// ParseState returns the state of a word that String gives.
func ParseState(word string) (State, bool) {
	i := slices.Index(states[:], word)
	return State(max(i, 0)), i >= 0
}

// Settled says whether the upload is no longer on its way.
func (s State) Settled() bool { return s == Done || s == Failed || s == Cancelled }

// kept is the state that a store keeps for s.
func (s State) kept() State {
	if s.Settled() || s == Paused {
		return s
	}
	return Queued
}

// event is what can happen to one upload.
type event int

const (
	evQueue   event = iota // its turn is over, or it has none
	evSend                 // requests are made
	evVerify               // something is checked
	evNetwork              // no network
	evServer               // the server wants time
	evLock                 // the server's copy is held
	evAuth                 // no good token
	evPause                // the application stops it
	evResume               // the application lets it go on
	evDone                 // the server has all
	evFail                 // for good
	evCancel               // the application takes it back
	evRetry                // the application wants it tried again
)

// next says where an upload in state s goes when ev happens; ok is false where the event is refused and changes nothing.
func next(s State, ev event) (to State, ok bool) {
	switch s {
	case Queued, Uploading, Verifying, WaitingNetwork, WaitingServer, WaitingLock, WaitingAuth:
		return nextOpen(s, ev)
	case Paused:
		return nextPaused(ev)
	case Failed:
		return nextFailed(ev)
	case Done, Cancelled:
		return s, false // final: what comes late is no news
	}
	return s, false
}

func nextOpen(s State, ev event) (State, bool) {
	switch ev {
	case evQueue:
		return Queued, true
	case evSend:
		return Uploading, true
	case evVerify:
		return Verifying, true
	case evNetwork:
		return WaitingNetwork, true
	case evServer:
		return WaitingServer, true
	case evLock:
		return WaitingLock, true
	case evAuth:
		return WaitingAuth, true
	case evPause:
		return Paused, true
	case evDone:
		return Done, true
	case evFail:
		return Failed, true
	case evCancel:
		return Cancelled, true
	case evResume, evRetry:
		return s, false // it goes on anyway
	}
	return s, false
}

func nextPaused(ev event) (State, bool) {
	switch ev {
	case evResume:
		return Queued, true
	case evCancel:
		return Cancelled, true
	case evDone:
		return Done, true // its last bytes were on their way
	case evQueue, evSend, evVerify, evNetwork, evServer, evLock, evAuth, evPause, evFail, evRetry:
		return Paused, false // news of an attempt that was stopped
	}
	return Paused, false
}

func nextFailed(ev event) (State, bool) {
	switch ev {
	case evRetry:
		return Queued, true
	case evCancel:
		return Cancelled, true
	case evQueue, evSend, evVerify, evNetwork, evServer, evLock, evAuth, evPause, evResume, evDone, evFail:
		return Failed, false
	}
	return Failed, false
}
