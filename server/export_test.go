package server

// Frames follows the frames of a WebSocket.
type Frames struct{ f frames }

// NewFrames is at the beginning of a stream.
func NewFrames() *Frames { return &Frames{} }

// Closes takes the next bytes.
func (f *Frames) Closes(p []byte) bool { return f.f.closes(p) }
