package server

import (
	"context"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// maxChallenge bounds what a ping echoes.
const maxChallenge = 128

// ping is the cheapest proof that this server, and no portal on the way, answers.
func (s *Server) ping(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if c := r.URL.Query().Get("c"); c != "" {
		if !plain(c) {
			writeProblem(w, problem(wire.CodeBadRequest, "c is 1 to 128 printable ASCII characters"))
			return
		}
		h.Set(wire.HeaderChallenge, c)
	}
	w.WriteHeader(http.StatusNoContent)
}

// plain tells whether s may stand in a header.
func plain(s string) bool {
	if len(s) > maxChallenge {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (s *Server) healthRoutes(mux *http.ServeMux) {
	mux.Handle("/healthz", s.api("healthz", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
	}}))
	mux.Handle("/readyz", s.api("readyz", methods{http.MethodGet: s.readyz}))
}

// readyz answers 200 if a request that needs everything would work now.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.ready(r); err != "" {
		writeProblem(w, problemLater(wire.CodeUnavailable, err, unavailableRetry))
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ready": true})
}

func (s *Server) ready(r *http.Request) string {
	switch {
	case s.draining.Load():
		return "draining"
	case !s.running():
		return "not running"
	}
	if err := s.probeStore(r.Context()); err != nil {
		return "the store can't write"
	}
	return ""
}

// probeInterval is how long the answer of a probe stands: each writes, and nobody has to sign in to ask.
const probeInterval = time.Second

// probe is the last one. A one-slot channel guards it, since the holder uses the store.
type probe struct {
	slot chan struct{}
	at   time.Time
	err  error
}

func (s *Server) probeStore(ctx context.Context) error {
	select {
	case s.probe.slot <- struct{}{}:
		defer func() { <-s.probe.slot }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.probe.at.IsZero() || time.Since(s.probe.at) >= probeInterval {
		sctx, cancel := s.storeContext()
		defer cancel()
		s.probe.err = s.noteStore(s.cfg.Store.Ping(sctx))
		s.probe.at = time.Now()
	}
	return s.probe.err
}
