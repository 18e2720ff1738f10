package server

import "sync"

// maxCalls bounds the calls of one connection that wait for their turn.
const maxCalls = 32

// serial runs the calls of one connection one after another, in order, beside the goroutine that reads it: a store that
// takes its time must not keep the connection's pings unanswered, or every client would take its link for dead at once.
type serial struct {
	mu      sync.Mutex
	waiting []func() // guarded by mu
	running bool     // guarded by mu; a goroutine works through waiting
}

// do runs f when those before it are done; false if too many wait. The caller counts what it started.
func (s *serial) do(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxCalls {
		return false
	}
	s.waiting = append(s.waiting, f)
	if !s.running {
		s.running = true
		go s.run() // ends with the last call; Server.active waits for those
	}
	return true
}

func (s *serial) run() {
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 {
			s.running = false
			s.waiting = nil
			s.mu.Unlock()
			return
		}
		f := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()
		f()
	}
}
