package server

// Frames follows the frames of a WebSocket.
type Frames struct{ f frames }

// NewFrames is at the beginning of a stream.
func NewFrames() *Frames { return &Frames{} }

// Closes takes the next bytes.
func (f *Frames) Closes(p []byte) bool { return f.f.closes(p) }

// RefreshToken makes a refresh token under a server's key.
func RefreshToken(key []byte, session string, counter uint64) (string, bool) {
	return newIssuing(key, 0).refreshToken(session, counter)
}

// ParseRefresh reads one.
func ParseRefresh(key []byte, token string) (session string, counter uint64, ok bool) {
	return newIssuing(key, 0).parseRefresh(token)
}

// TellClients disconnects whoever is connected, as Shutdown does, and goes on serving.
func (s *Server) TellClients() { s.tellClients() }
