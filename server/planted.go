package server

// bug is a mistake that tests plant, to see that they find it.
type bug int

// planted is set by tests only.
var planted bug

const (
	_                 bug = iota
	bugChildNotAsked      // the parent is judged as a copy although its child was never used: its reply may be lost
	bugParentForEver      // the parent is good after its child was used
	bugCounterIgnored     // any older token counts as the present one
	bugReuseForgiven      // a copy in other hands is refused, and the session goes on
	bugConfirmedKept      // the next pair counts as used from the start
	bugLateCopyEnds       // a copy of a request that the network kept ends the session
)
