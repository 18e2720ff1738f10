package demo

// bug is a mistake that tests put in, to see that they would find it.
type bug int

const (
	bugNone bug = iota
	// bugPortalStays heals a link and leaves its portal.
	bugPortalStays
	// bugDialsCut lets dials through a cut.
	bugDialsCut
	// bugTagStays tells another state under the same tag.
	bugTagStays
)

// planted is the mistake that is in, set by tests alone.
var planted = bugNone
