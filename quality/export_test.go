package quality

// Bug is a planted mistake.
type Bug = bug

// The planted mistakes.
const (
	BugNone          = bugNone
	BugKeepCounters  = bugKeepCounters
	BugTimeoutsLost  = bugTimeoutsLost
	BugHandshakeRTT  = bugHandshakeRTT
	BugNoHysteresis  = bugNoHysteresis
	BugSleepSilence  = bugSleepSilence
	BugNoChangePoint = bugNoChangePoint
	BugErrorOffline  = bugErrorOffline
	BugPortalOnline  = bugPortalOnline
	BugBelievePeer   = bugBelievePeer
	BugNoAge         = bugNoAge
	BugOutageRTT     = bugOutageRTT
	BugBackwards     = bugBackwards
)

// Plant puts a mistake in force.
func Plant(b Bug) { planted = b }

// Outstanding is how many exchanges may be.
const Outstanding = maxOpen
