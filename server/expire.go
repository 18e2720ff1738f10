package server

import (
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
)

// runOut are the users whose tokens have run out ahead of time. It may be used concurrently.
type runOut struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu; tokens of the user that were issued until then have run out
}

func newRunOut() *runOut { return &runOut{until: map[string]time.Time{}} }

// ExpireTokens makes all access tokens of a user that were issued before it was called count as run out, as if their time were over: to be
// refused as such by HTTP, and to be replaced by a refresh. The sessions go on. Realtime connections that were made with
// them are closed as those are whose token ran out unrefreshed. It lasts as long as the Server, or the tokens.
func (s *Server) ExpireTokens(user string) {
	until := storedTime()
	time.Sleep(time.Until(until.Add(storedUnit))) // what is issued because of it must not look as if it was before
	s.runOut.mu.Lock()
	s.runOut.until[user] = until
	s.runOut.mu.Unlock()
	for _, c := range s.clients.ofUser(user) {
		c.Disconnect(centrifuge.DisconnectExpired)
	}
}

// has says whether a token has run out ahead of time; ses is its session. A token says only the second in which it was
// issued, so that of the session's present pair counts from when that was made.
func (r *runOut) has(who identity, ses Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[who.user]
	if !ok {
		return false
	}
	issued := who.issued
	if who.counter == ses.Counter && ses.RefreshedAt.After(issued) {
		issued = ses.RefreshedAt
	}
	return !issued.After(until)
}

// sweep forgets what concerns no token that still lives.
func (r *runOut) sweep(now time.Time, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user, until := range r.until {
		if now.Sub(until) > ttl {
			delete(r.until, user)
		}
	}
}
