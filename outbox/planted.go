package outbox

// bug is a mistake that somebody would really make. Tests switch one on and demand that a named test finds it.
type bug int

// Bugs that can be planted.
const (
	bugNone             bug = iota
	bugForgetAck            // a reply is told, and not written
	bugNewID                // what is sent again gets a new id
	bugOtherAccount         // whoever is signed in sends whatever is queued
	bugSameNumber           // numbers that were given are forgotten with the process
	bugEditRaces            // an entry can be changed and cancelled while it is being sent
	bugIgnoreDependency     // an entry doesn't wait for what it depends on
	bugExpireOnJump         // entries expire by the clock that people set
	bugSettleAsSent         // what the server counts as taken is shown as sent, though it may have been refused
	bugRetryAnew            // a retried entry is a second one
	bugHandedLost           // what was handed over is done with, whatever came of it
	bugHandedOvertakes      // what fits is taken before what waits for room
	bugStoreUntried         // that the disk has space again is noticed when somebody sends something
	bugQuickReady           // a connection that follows at once on another isn't noticed
	bugLast                 // none: one more than the last
)

// planted is test-only: nothing but export_test.go sets it.
var planted = bugNone
