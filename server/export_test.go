package server

import (
	"crypto/sha256"
	"time"
)

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

// Bug is a mistake to plant.
type Bug = bug

// Mistakes.
const (
	ChildNotAsked  = bugChildNotAsked
	ParentForEver  = bugParentForEver
	CounterIgnored = bugCounterIgnored
	ReuseForgiven  = bugReuseForgiven
	ConfirmedKept  = bugConfirmedKept
	LateCopyEnds   = bugLateCopyEnds
)

// Plant makes a mistake until the returned function is called.
func Plant(b Bug) func() {
	planted = b
	return func() { planted = 0 }
}

// JudgeRefresh applies the rule of rotation to a refresh with a session's token of that counter; key is "" for none.
func JudgeRefresh(ses Session, counter uint64, key string, now time.Time) (Session, string) {
	t := refreshTry{session: ses.ID, counter: counter, now: now}
	if key != "" {
		sum := sha256.Sum256([]byte(key))
		t.key = sum[:]
	}
	ses, outcome := t.judge(ses, false, 30*24*time.Hour)
	return ses, string(outcome)
}

// RunOut is how many users are kept whose tokens have run out ahead of time.
func (s *Server) RunOut() int {
	s.runOut.mu.Lock()
	defer s.runOut.mu.Unlock()
	return len(s.runOut.until)
}
