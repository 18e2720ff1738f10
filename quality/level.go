package quality

import "fmt"

// Level says how well data flows. The zero value is Unknown.
type Level int

const (
	// Unknown: nothing was measured, or too long ago, or no data flows though the network is there (see Reach).
	Unknown Level = iota
	// Excellent: RTT under 50 ms, no loss.
	Excellent
	// Good: RTT under 150 ms, loss under 1%.
	Good
	// Fair: RTT under 300 ms, loss under 5%.
	Fair
	// Poor: anything worse, while data still flows.
	Poor
	// Offline: nothing arrives. Only with ReachOffline.
	Offline
)

var levelNames = [...]string{"unknown", "excellent", "good", "fair", "poor", "offline"}

// String returns the level's name in lower case.
func (l Level) String() string { return word(levelNames[:], int(l)) }

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name. Any other text is an error.
func (l *Level) UnmarshalText(text []byte) error {
	n, err := unword(levelNames[:], text, "level")
	*l = Level(n)
	return err
}

// Reach says whether the server is reached, and if not, what is in the way. The zero value is ReachUnknown.
type Reach int

const (
	// ReachUnknown: no evidence, or only old one.
	ReachUnknown Reach = iota
	// ReachOnline: the server answers.
	ReachOnline
	// ReachCaptive: somebody else answers in the server's place: a portal that wants a login, or a proxy.
	ReachCaptive
	// ReachServerDown: the network is fine, and the server refuses, fails or doesn't answer.
	ReachServerDown
	// ReachOffline: there is no way out, or nothing comes back.
	ReachOffline
)

var reachNames = [...]string{"unknown", "online", "captive", "server-down", "offline"}

// String returns the name in lower case.
func (r Reach) String() string { return word(reachNames[:], int(r)) }

// MarshalText writes the name.
func (r Reach) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a name. Any other text is an error.
func (r *Reach) UnmarshalText(text []byte) error {
	n, err := unword(reachNames[:], text, "reach")
	*r = Reach(n)
	return err
}

// Reason says in a word or two why Level and Reach are what they are.
type Reason string

// Reasons.
const (
	ReasonStart       Reason = "start"            // nothing was measured yet
	ReasonRTT         Reason = "rtt"              // the round-trip time decides the level
	ReasonLoss        Reason = "loss"             // loss decides the level
	ReasonLoad        Reason = "load"             // the round-trip time decides, and is known only beside a transfer
	ReasonMeasuring   Reason = "measuring"        // the server is reached, and no round trip is known yet
	ReasonChanged     Reason = "network changed"  // the level is that of the network before
	ReasonSilence     Reason = "silence"          // something is outstanding, and nothing arrives
	ReasonUnreachable Reason = "unreachable"      // there is no route
	ReasonLinkDown    Reason = "link down"        // the operating system says so
	ReasonPortal      Reason = "portal"           // somebody else answers
	ReasonRefused     Reason = "refused"          // connections are refused or reset at once
	ReasonServerError Reason = "server error"     // the server answers with errors of its own
	ReasonNoAnswer    Reason = "no answer"        // connections are taken, requests aren't answered
	ReasonOldEvidence Reason = "evidence too old" // nothing was heard for Effort.StaleAfter
)

func word(names []string, n int) string {
	if n < 0 || n >= len(names) {
		return names[0]
	}
	return names[n]
}

func unword(names []string, text []byte, what string) (int, error) {
	for n, name := range names {
		if name == string(text) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("quality: no %s %q", what, text)
}
