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
	WaitingServer               // the server is busy, limits us or fails
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
