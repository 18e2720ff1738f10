package realtime

// bug is a mistake that somebody could make here, planted to see that a test finds it.
type bug int

// planted is the mistake in force; none outside of this package's own tests, which alone can set it.
var planted bug

// Mistakes.
const (
	bugNone         bug = iota
	bugForgetEnds       // what a connection that is gone left unanswered is never told to have ended
	bugRejoinAnyway     // the end of an outage ends pauses that were the server's
)
