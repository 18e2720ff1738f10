package server

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// lastBodies is how long bodies that are still on their way when the server stops may take: a request that was begun is
// answered, but not waited for as long as usual.
const lastBodies = 5 * time.Second

// bodies are the requests whose body hasn't come to its end.
type bodies struct {
	mu   sync.Mutex
	open map[*body]struct{} // guarded by mu
	last time.Time          // guarded by mu; when the bodies of a server that stops end, or zero
}

// body is a request's body with a deadline on the connection, which goes with its end: what is read from then on is the
// silence of a client that waits for its answer, for as long as it takes.
type body struct {
	io.ReadCloser
	conn *http.ResponseController
	set  *bodies
}

// limit gives r's body timeout to arrive. Call done when the handler is.
func (s *bodies) limit(w http.ResponseWriter, r *http.Request, timeout time.Duration) (done func()) {
	b := &body{ReadCloser: r.Body, conn: http.NewResponseController(w), set: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*body]struct{}{}
	}
	s.open[b] = struct{}{}
	at := time.Now().Add(timeout)
	if !s.last.IsZero() && s.last.Before(at) {
		at = s.last
	}
	_ = b.conn.SetReadDeadline(at) // not every ResponseWriter can
	r.Body = b
	return func() { s.remove(b) }
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && b.set.remove(b) {
		_ = b.conn.SetReadDeadline(time.Time{}) // as above
	}
	return n, err
}

func (s *bodies) remove(b *body) (was bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was = s.open[b]
	delete(s.open, b)
	return was
}

// hurry ends what hasn't arrived within timeout, also of requests to come.
func (s *bodies) hurry(timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now().Add(timeout)
	for b := range s.open {
		_ = b.conn.SetReadDeadline(s.last) // as above
	}
}
