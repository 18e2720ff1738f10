package profile

// Bug names a planted mistake.
type Bug = bug

// Planted mistakes, for tests.
const (
	NoSync        = bugNoSync
	SplitCommit   = bugSplitCommit
	DeviceAnew    = bugDeviceAnew
	EvictOff      = bugEvictOff
	NewerIgnored  = bugNewerIgnored
	OwnerReplaced = bugOwnerReplaced
)

// Plant turns a mistake on until the returned function is called.
func Plant(b Bug) (undo func()) {
	planted = b
	return func() { planted = bugNone }
}

// Version is that of a database of this program.
func Version() int { return len(migrations) }

// FileName is the database's name in its folder.
const FileName = fileName
