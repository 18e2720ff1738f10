package realtime

// State is planted: the diagram knows one of the two.
type State int

const (
	Connected State = iota
	Lost
)
