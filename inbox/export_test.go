package inbox

// Bug names a planted mistake.
type Bug = bug

// Planted mistakes, for tests.
const (
	ProcessedWhenReceived = bugProcessedWhenReceived
	ProcessedWhenShown    = bugProcessedWhenShown
	GapSkipped            = bugGapSkipped
	ReplayUnmarked        = bugReplayUnmarked
	ReserveLate           = bugReserveLate
	ReserveMore           = bugReserveMore
	MarksLostAtClose      = bugMarksLostAtClose
	PageOffByOne          = bugPageOffByOne
	ShortPage             = bugShortPage
	HistoryBoundary       = bugHistoryBoundary
	KeptIgnored           = bugKeptIgnored
	ForgetMarkOnly        = bugForgetMarkOnly
)

// Plant turns a mistake on until the returned function is called.
func Plant(b Bug) (undo func()) {
	planted = b
	return func() { planted = bugNone }
}
