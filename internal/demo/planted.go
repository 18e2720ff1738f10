package demo

import "sync/atomic"

// bug is a mistake that tests put in, to see that they would find it.
type bug int32

const (
	bugNone bug = iota
	// bugPortalStays heals a link and leaves its portal.
	bugPortalStays
	// bugDialsCut lets dials through a cut.
	bugDialsCut
	// bugTagStays tells another state under the same tag.
	bugTagStays
)

// mistake is the one that is in, set by tests alone, while a demo runs.
var mistake atomic.Int32

// planted says whether a mistake is in.
func planted(b bug) bool { return bug(mistake.Load()) == b }
