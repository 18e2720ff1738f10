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
	if !validName(user) {
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
	if validName(user) {
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
	id := make([]byte, 16)
	rand.Read(id)
	now := storedTime()
	ses := Session{
		ID: base64.RawURLEncoding.EncodeToString(id), User: user, Device: device,
		CreatedAt: now, ExpiresAt: now.Add(s.cfg.RefreshTTL),
	}
	var refresh string
	refresh, ses.RefreshHash = newRefreshToken(ses.ID)
	ctx, cancel := s.storeContext()
	defer cancel()
	if err := s.noteStore(s.cfg.Store.AddSession(ctx, ses)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerTokens(w, r, ses, refresh)
}

func (s *Server) answerTokens(w http.ResponseWriter, r *http.Request, ses Session, refresh string) {
	access, err := s.tokens.issue(ses, time.Now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, wire.TokenReply{
		Token: access, RefreshToken: refresh, User: ses.User, Device: ses.Device,
		ExpiresIn: int64(s.cfg.AccessTTL / time.Second), RefreshExpiresIn: int64(s.cfg.RefreshTTL / time.Second),
	})
}

// refresh trades a refresh token for new tokens.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	var in wire.RefreshRequest
	if p := decodeJSON(r.Body, &in); p != nil {
		writeProblem(w, p)
		return
	}
	id, ok := refreshSession(in.RefreshToken)
	if !ok {
		writeProblem(w, problem(wire.CodeInvalidGrant, "the refresh token isn't good"))
		return
	}
	next, hash := newRefreshToken(id)
	now := storedTime()
	ctx, cancel := s.storeContext()
	defer cancel()
	ses, err := s.cfg.Store.RotateSession(ctx, id, hashRefresh(in.RefreshToken), hash, now, now.Add(s.cfg.RefreshTTL))
	switch {
	case errors.Is(err, ErrNotFound):
		writeProblem(w, problem(wire.CodeInvalidGrant, "the refresh token isn't good, or no longer"))
	case s.noteStore(err) != nil:
		s.fail(w, r, err)
	default:
		s.answerTokens(w, r, ses, next)
	}
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
