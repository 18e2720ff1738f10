package chatsdk

// Bug names a planted mistake.
type Bug = bug

// Planted mistakes, for tests.
const (
	ResolveEarly       = bugResolveEarly
	SecondAccount      = bugSecondAccount
	MessageFirst       = bugMessageFirst
	OrphansStay        = bugOrphansStay
	RetryFailed        = bugRetryFailed
	CancelMessageAlone = bugCancelMessageAlone
	AppendBlindly      = bugAppendBlindly
	DeafUploads        = bugDeafUploads
	TrustDownload      = bugTrustDownload
	PromiseAnything    = bugPromiseAnything
	Unclaimed          = bugUnclaimed
	EchoAll            = bugEchoAll

	GateStays          = bugGateStays
	GateOverConnection = bugGateOverConnection
	EdgeKicksLive      = bugEdgeKicksLive
	OfflineDisconnects = bugOfflineDisconnects
	StaleWay           = bugStaleWay
	Herd               = bugHerd
	OldAdvice          = bugOldAdvice
	HTTPHolds          = bugHTTPHolds
)

// Plant turns a mistake on until the returned function is called.
func Plant(b Bug) (undo func()) {
	planted = b
	return func() { planted = bugNone }
}

// UploadsRun says whether the client runs anything for uploads.
func (c *Client) UploadsRun() bool { return c.up.started.Load() }
