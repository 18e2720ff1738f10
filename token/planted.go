package token

// bug is a mistake that somebody would really make, planted by a test to see that another test finds it.
type bug int

// Bugs. Only tests plant them.
const (
	bugNone                bug = iota
	bugLateReplyCounts         // a reply isn't compared with the session that it was asked for
	bugRefreshPerCaller        // each caller sends its own refresh
	bugMarginOfFixedLength     // the margin doesn't shrink with the lifetime
	bugNotWrittenAhead         // the refresh isn't kept before it is sent
	bugPublishedBeforeSave     // new tokens are handed out before they are kept
	bugGrantDeadUnread         // invalid_grant counts without a look at what another process has kept
	bugTroubleSignsOut         // a 5xx or 429 counts as the server's judgement of the grant
	bugNewKeyOnRetry           // the idempotency key is made anew for each attempt
	bugNoLoopGuard             // refused new tokens are replaced without end
	bugEndIsRefusal            // a token refused after its end counts as a new one that was refused
	bugEndedIsNew              // a token that was accepted before it was refused counts as a new one that was refused
	bugStaleFailsCaller        // a failed early refresh fails a caller whose token is still good
	bugPortalBelieved          // a reply isn't looked at before it is taken for tokens
	bugNoNegativeCache         // a failure isn't shared with whoever asks next
	bugRefreshOffline          // refreshes are sent without a network
	bugCopyOutlivesSession     // the copy before is kept over a sign-out or the next sign-in
	bugDamageIsSignOut         // a store that can't be read counts as a session that the server ended
	bugNoPeek                  // the store is looked at every 30 s only
	bugSentTwice               // net/http may send a refresh again by itself
	bugClockLookedAtOnce       // one look at the wall clock is good until the token is due
)

// planted is set by tests alone, before the source is made.
var planted bug
