package quality

// Edge says that the way to the server came or went, which is the moment to act on. The zero value is neither.
type Edge int

const (
	// EdgeNone: reach is as it was, or unknown, or changed from one obstacle to another.
	EdgeNone Edge = iota
	// EdgeOnline: the server is reached, and wasn't before, or nobody knew.
	EdgeOnline
	// EdgeOffline: there is no way out, and it wasn't known before.
	EdgeOffline
)

var edgeNames = [...]string{"none", "online", "offline"}

// String returns the edge's name in lower case.
func (e Edge) String() string { return word(edgeNames[:], int(e)) }

// Change is one change of Level, Reach or Reason.
type Change struct {
	// Report is what is known from now on.
	Report
	// FromLevel and FromReach are what was told before; in the first Change of a Watch the same as now.
	FromLevel Level
	FromReach Reach
}

// Edge says whether the way to the server came or went with this change.
func (c Change) Edge() Edge {
	switch {
	case c.FromReach == c.Reach:
		return EdgeNone
	case c.Reach == ReachOnline:
		return EdgeOnline
	case c.Reach == ReachOffline:
		return EdgeOffline
	}
	return EdgeNone
}

// differs says whether two reports are worth a change: numbers alone change with every sample.
func (r Report) differs(from Report) bool {
	return r.Level != from.Level || r.Reach != from.Reach || r.Reason != from.Reason
}

// mergeChanges makes one of two changes that a slow watcher hasn't taken. What came and went between isn't told.
func mergeChanges(older, newer Change) Change {
	newer.FromLevel, newer.FromReach = older.FromLevel, older.FromReach
	return newer
}
