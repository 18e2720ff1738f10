package scenario

// bug is a mistake that a test puts in, to see that it is found. Test-only: nothing but export_test.go sets planted.
type bug int

const (
	noBug bug = iota
	// bugBatchReversed: the world's store takes the entries of a batch in any order, and doesn't look at their numbers.
	bugBatchReversed
)

var planted = noBug
