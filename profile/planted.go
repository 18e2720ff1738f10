package profile

// bug is a mistake that tests put in, to see that they would find it.
type bug int

const (
	bugNone bug = iota
	// bugNoSync commits without waiting for the disk.
	bugNoSync
	// bugSplitCommit moves the marks before the messages, in a transaction of its own.
	bugSplitCommit
	// bugDeviceAnew makes a new device whenever the profile is opened.
	bugDeviceAnew
	// bugEvictOff drops one message more than it says.
	bugEvictOff
	// bugNewerIgnored opens a database of a newer program as if it were of this one.
	bugNewerIgnored
	// bugSplitCheckpoint writes an upload's offset and its hash one after the other.
	bugSplitCheckpoint
	// bugOwnerReplaced lets whoever comes last have the profile.
	bugOwnerReplaced
	// bugLogTrusted opens what SQLite opens, a log without its database too.
	bugLogTrusted
)

// planted is set by tests only.
var planted bug
