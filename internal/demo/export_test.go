package demo

// Bug is one that can be planted.
type Bug = bug

const (
	BugPortalStays = bugPortalStays
	BugDialsCut    = bugDialsCut
	BugTagStays    = bugTagStays
)

// Plant puts a mistake in, until the function that it returns is called.
func Plant(b Bug) (undo func()) {
	mistake.Store(int32(b))
	return func() { mistake.Store(int32(bugNone)) }
}

// Dir is the folder that Close removes.
func (d *Demo) Dir() string { return d.dir }
