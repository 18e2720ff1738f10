package inbox

// bug is a mistake that tests put in, to see that they would find it.
type bug int

const (
	bugNone bug = iota
	// bugProcessedWhenReceived marks a message as processed when it is kept, as if nobody could crash before showing it.
	bugProcessedWhenReceived
	// bugProcessedWhenShown marks it before the loop body has run.
	bugProcessedWhenShown
	// bugGapSkipped moves what waits above a gap into the store.
	bugGapSkipped
	// bugReplayUnmarked shows a message again without saying so.
	bugReplayUnmarked
	// bugReserveLate notes what was shown only after it was.
	bugReserveLate
	// bugReserveMore lets twice as many messages be shown between two notes.
	bugReserveMore
	// bugMarksLostAtClose doesn't keep the marks that wait when the inbox is closed.
	bugMarksLostAtClose
	// bugPageOffByOne begins every page of a round one message late.
	bugPageOffByOne
	// bugShortPage believes that a page has as many messages as were asked for.
	bugShortPage
	// bugHistoryBoundary repeats, at the end of a page backwards, the first message of the page before.
	bugHistoryBoundary
	// bugKeptIgnored fetches again what the store has.
	bugKeptIgnored
	// bugForgetMarkOnly keeps messages that the server lost.
	bugForgetMarkOnly
)

// planted is set by tests only.
var planted bug
