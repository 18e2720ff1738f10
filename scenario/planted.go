package scenario

// bug is a mistake that a test puts in, to see that it is found. Test-only: nothing but export_test.go sets planted.
type bug int

const (
	noBug bug = iota
	// bugBatchReversed: the world's store takes the entries of a batch in any order, and doesn't look at their numbers.
	bugBatchReversed
	// bugNoKeys: the world's store takes each creation of an upload for a new one.
	bugNoKeys
	// bugAckUnstored: the world's store says of every other chunk that it is stored, and stores nothing.
	bugAckUnstored
	// bugForgetFinished: the world's store doesn't know an upload any more that is whole.
	bugForgetFinished
	// bugForgetRenewed: the world's store doesn't know an upload any more that began with a former token.
	bugForgetRenewed
	// bugKeepDropped: the world's store says that an upload is deleted, and keeps it.
	bugKeepDropped
	// bugSlowDials: a device's dials take long.
	bugSlowDials
	// bugRestless: the demo's slow path resets the connection, as a client does that takes slow for dead.
	bugRestless
	// bugLateHeal: a random world's outages end 3 s later than they are said to, as for a client that looks too rarely.
	bugLateHeal
)

var planted = noBug
