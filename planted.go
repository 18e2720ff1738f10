package chatsdk

// bug is a mistake that tests put in, to see that they would find it.
type bug int

const (
	bugNone bug = iota
	// bugResolveEarly sends a message when the server has all bytes of its file, before those were compared.
	bugResolveEarly
	// bugSecondAccount leaves the uploads to whoever is signed in.
	bugSecondAccount
	// bugMessageFirst queues a message before its files are taken.
	bugMessageFirst
	// bugOrphansStay lets uploads go on whose message was never queued.
	bugOrphansStay
	// bugRetryFailed tries an upload again, at the next start, whose failure its message wasn't told: the file may be
	// another now.
	bugRetryFailed
	// bugCancelMessageAlone takes a message back and goes on with its files.
	bugCancelMessageAlone
	// bugAppendBlindly goes on with a download where the server sent the beginning.
	bugAppendBlindly
	// bugDeafUploads doesn't tell the uploads how long round trips take.
	bugDeafUploads
	// bugTrustDownload leaves the SHA-256 of a download as it is.
	bugTrustDownload
	// bugPromiseAnything queues messages that the server refuses for good.
	bugPromiseAnything
	// bugUnclaimed lets anybody sign in on a store that is somebody's.
	bugUnclaimed
	// bugEchoAll shows messages of other accounts in a timeline.
	bugEchoAll
	// bugOneSocket gives all connections one name, so that the counters of one go on with those of the next.
	bugOneSocket
	// bugQuietDials doesn't tell that a dial got no answer.
	bugQuietDials
	// bugFreshCalls takes the first answer on a new connection for a round trip.
	bugFreshCalls
	// bugGateStays doesn't wake what waits for the way back.
	bugGateStays
	// bugGateOverConnection makes it wait although there is a connection.
	bugGateOverConnection
	// bugEdgeKicksLive makes a new connection where the monitor found the way back.
	bugEdgeKicksLive
	// bugOfflineDisconnects ends the connection where the monitor finds no way out.
	bugOfflineDisconnects
	// bugStaleWay takes the monitor's word for HTTP though it is from before the connection was lost.
	bugStaleWay
	// bugHerd has all clients of a server that was down try it in the moment in which they see it.
	bugHerd
	// bugOldAdvice sets time-outs by what was measured in the network before.
	bugOldAdvice
	// bugHTTPHolds leaves what is under way by HTTP there when the connection comes.
	bugHTTPHolds
)

// planted is set by tests only.
var planted bug
