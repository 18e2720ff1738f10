package agent

import (
	"encoding/json"
	"fmt"
)

// Bug is one that can be planted.
type Bug = bug

const (
	BugMergeHalf = bugMergeHalf
	BugNoGap     = bugNoGap
	BugAnyHost   = bugAnyHost
	BugAnyOrigin = bugAnyOrigin
)

// Plant puts a mistake in, until the function that it returns is called.
func Plant(b Bug) (undo func()) {
	planted = b
	return func() { planted = bugNone }
}

// RingEvents and RingBytes are what is kept.
const (
	RingEvents = ringEvents
	RingBytes  = ringBytes
)

// Tell makes the agent tell a level, as if the client had.
func (a *Agent) Tell(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, _ := json.Marshal(Session{Reason: reason})
	a.ring.change(values{partSession: b})
}

// TellMessage makes the agent tell a message, as if the client had.
func (a *Agent) TellMessage(seq int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring.message(fmt.Appendf(nil, `{"channel":"x","seq":%d}`, seq))
}

// Kept is how many events the ring keeps, and of how many bytes.
func (a *Agent) Kept() (events, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ring.kept), a.ring.bytes
}

// Streams is how many are open.
func (a *Agent) Streams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.streams
}
