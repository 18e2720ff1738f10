package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// login signs a device in with a password.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var in wire.LoginRequest
	if p := decodeJSON(r.Body, &in); p != nil {
		writeProblem(w, p)
		return
	}
	if !validDevice(in.Device) {
		writeProblem(w, problem(wire.CodeBadRequest, "device is 1 to 64 of letters, digits, _, ., : and -"))
		return
	}
	if wait := s.chargeLogin(in.User, clientAddress(r)); wait > 0 {
		s.metrics.logins.WithLabelValues("throttled").Inc()
		writeProblem(w, problemLater(wire.CodeRateLimited, "too many failed logins", wait))
		return
	}
	ok, err := s.checkLogin(r.Context(), in.User, in.Password)
	if ok || err != nil { // only a wrong password counts
		s.refundLogin(in.User, clientAddress(r))
	}
	if s.noteStore(err) != nil {
		s.fail(w, r, err)
		return
	}
	if !ok {
		s.metrics.logins.WithLabelValues("refused").Inc()
		writeProblem(w, problem(wire.CodeBadCredentials, "wrong user or password"))
		return
	}
	s.metrics.logins.WithLabelValues("ok").Inc()
	s.openSession(w, r, in.User, in.Device)
}

// throttleKey keeps names that can't exist, of any length, out of the memory.
func throttleKey(user string) string {
	if !wire.ValidName(user) {
		return ""
	}
	return user
}

// chargeLogin counts a login as failed before it is tried, so that many at a time can't pass; 0 means go on.
func (s *Server) chargeLogin(user, addr string) time.Duration {
	now := time.Now()
	if got, wait := s.userFails.take(throttleKey(user), 1, now); got == 0 {
		return wait
	}
	if got, wait := s.addrFails.take(addr, 1, now); got == 0 {
		s.userFails.put(throttleKey(user), 1, now)
		return wait
	}
	return 0
}

func (s *Server) refundLogin(user, addr string) {
	now := time.Now()
	s.userFails.put(throttleKey(user), 1, now)
	s.addrFails.put(addr, 1, now)
}

// checkLogin takes as long for a user who doesn't exist as for a wrong password.
func (s *Server) checkLogin(ctx context.Context, user, password string) (bool, error) {
	hash, known := s.dummyHash, false
	if wire.ValidName(user) {
		u, err := s.cfg.Store.User(ctx, user)
		switch {
		case err == nil:
			hash, known = u.PasswordHash, true
		case !errors.Is(err, ErrNotFound):
			return false, err
		}
	}
	if len(password) > MaxPasswordBytes {
		password, known = password[:MaxPasswordBytes], false
	}
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	ok, err := verifyPassword(hash, password)
	return ok && known, err
}

func (s *Server) openSession(w http.ResponseWriter, r *http.Request, user, device string) {
	id := make([]byte, sessionBytes)
	rand.Read(id)
	now := storedTime()
	ses := Session{
		ID: base64.RawURLEncoding.EncodeToString(id), User: user, Device: device,
		CreatedAt: now, ExpiresAt: now.Add(s.cfg.RefreshTTL),
		Counter: 1, RefreshedAt: now, Confirmed: true, // it has no parent
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	if err := s.noteStore(s.cfg.Store.AddSession(ctx, ses)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerTokens(w, r, ses, now, now)
}

// answerTokens answers the session's present pair of tokens. The access token is the very one of the reply that was made
// at at, while that one has more than half of its life to go, so that concurrent refreshes, and one that is sent again,
// agree. Nothing of it is kept: it is made again.
func (s *Server) answerTokens(w http.ResponseWriter, r *http.Request, ses Session, at, now time.Time) {
	if now.Sub(at) > s.cfg.AccessTTL/2 {
		at = now
	}
	access, err := s.tokens.issue(ses, at)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	refresh, ok := s.tokens.refreshToken(ses.ID, ses.Counter)
	if !ok {
		s.fail(w, r, errors.New("the session's id isn't one of this server's"))
		return
	}
	writeJSON(w, http.StatusOK, wire.TokenReply{
		Token: access, RefreshToken: refresh, User: ses.User, Device: ses.Device,
		ExpiresIn:        max(int64(at.Add(s.cfg.AccessTTL).Sub(now)/time.Second), 1), // 0 would say that nobody knows
		RefreshExpiresIn: int64(ses.ExpiresAt.Sub(now) / time.Second),
	})
}

// logout ends the session of the access token: its tokens are refused and its connections closed.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	who, err := s.tokens.parse(bearer(r)) // a session that is over may be ended again
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	if err := s.noteStore(s.cfg.Store.EndSession(ctx, who.session, storedTime())); err != nil {
		s.fail(w, r, err)
		return
	}
	s.clients.endSession(who.session)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}
