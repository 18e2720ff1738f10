package agent

// bug is a mistake that tests put in, to see that they would find it.
type bug int

const (
	bugNone bug = iota
	// bugMergeHalf leaves out a change as soon as one of its parts is in a later one.
	bugMergeHalf
	// bugNoGap goes on where messages are gone.
	bugNoGap
	// bugAnyHost answers whatever name it is asked by.
	bugAnyHost
	// bugAnyOrigin answers pages of everybody.
	bugAnyOrigin
)

// planted is the mistake that is in, set by tests alone.
var planted = bugNone
