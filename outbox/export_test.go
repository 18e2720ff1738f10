package outbox

import (
	"testing"
	"time"
)

// Event is event for tests of Next.
type Event = event

// Next is next.
var Next = next

// Events are all events in order.
var Events = []Event{
	evTransmit, evAck, evDelivered, evRefuse, evRetry, evCancel, evExpire, evPark, evEdit, evResume, evDiscard,
}

// WithWall gives options a clock that the test can set.
func WithWall(o Options, wall func() time.Time) Options {
	o.wall = wall
	return o
}

// Bug is bug.
type Bug = bug

// The bugs that can be planted.
const (
	BugForgetAck        = bugForgetAck
	BugNewID            = bugNewID
	BugOtherAccount     = bugOtherAccount
	BugSameNumber       = bugSameNumber
	BugEditRaces        = bugEditRaces
	BugIgnoreDependency = bugIgnoreDependency
	BugExpireOnJump     = bugExpireOnJump
	BugSettleAsSent     = bugSettleAsSent
	BugRetryAnew        = bugRetryAnew
	BugHandedLost       = bugHandedLost
	BugHandedOvertakes  = bugHandedOvertakes
	BugStoreUntried     = bugStoreUntried
	BugQuickReady       = bugQuickReady
	LastBug             = bugLast
)

// Plant switches a bug on until the test ends.
func Plant(t *testing.T, b Bug) {
	planted = b
	t.Cleanup(func() { planted = bugNone })
}

// JSONLen is jsonLen.
var JSONLen = jsonLen

// GatherYields is how often the owner looks for callers in vain.
const GatherYields = gatherYields

// Gather is gather.
var Gather = gather
