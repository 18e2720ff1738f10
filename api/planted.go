package api

// bug is a mistake that somebody could make here, planted to see that a test finds it.
type bug int

// planted is the mistake in force; none outside of this package's own tests, which alone can set it.
var planted bug

// Mistakes.
const (
	bugNone           bug = iota
	bugNoGeneration       // the circuit takes results of an earlier generation and of lost probes
	bugRetrySent          // a POST is sent again though it may have been processed
	bugJitterBelow        // jitter may end a wait before Retry-After
	bugCancelCounts       // a call that its caller cancelled counts as a fault of the server
	bugNoDrain            // the body of an answer that is tried again isn't read and closed
	bugFreshKey           // each attempt gets an Idempotency-Key of its own
	bugTokenOnce          // the token is fetched once for all attempts
	bugRetryOffline       // attempts are made and waits slept through without a network
	bugBudgetPath         // lost requests are charged to the retry budget
	bugHungProbe          // a probe that never ends keeps the circuit half-open
	bugPanicKeeps         // a panic in a probe keeps its permit
	bugDateAbsolute       // an HTTP date is compared with our clock, not with the server's
	bugTokenAnywhere      // the token goes to every host
	bugKeyTrusted         // an Idempotency-Key makes a call idempotent, whatever the server does with it
	bugRenewAlways        // every 401 asks for another token, as often as it comes
	bugTokenImpatient     // a moment without a token fails the call
	bugNoRewind           // a body is sent again from where the last attempt stopped
	bugOldSuccess         // a Guard counts every success by the time of the first look at the clock
	bugAlarmForgets       // an alarm that rings before its owner's time isn't set anew
	bugOversleep          // a call sleeps on after the circuit that held everybody back
	bugPacedForEver       // calls are spaced on after the quota that was scarce is full again
	bugPortalCounts       // a captive portal's answer counts as the server's
	bugChangeUnheard      // a changed network wakes nobody
	bugBudgetByTime       // a token of the retry budget each second, whatever the server answers
	bugAlarmEarly         // an alarm that rings ends its owner's attempt, though it was set by an earlier one
	bugTimeoutUntold      // what somebody else knows of the path isn't asked for
	bugBackForgets        // the end of an outage forgets what was measured of the path
	bugLateLook           // who looks at the context of an attempt that is over finds it going on
)
