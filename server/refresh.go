package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// refreshGrace is how long after a refresh every older token of the session still gets the present pair: requests
	// of several processes on one profile overtake each other by less.
	refreshGrace = 10 * time.Second
	// replayWindow is how long the same request with the same Idempotency-Key gets the same answer.
	replayWindow = 10 * time.Minute
	// maxKeyBytes bounds an Idempotency-Key.
	maxKeyBytes = 255
	// keptKeys is how many keyed refreshes of a session are remembered, so that a copy of one that was on its way for
	// long isn't taken for a thief's: after an outage TCP delivers what a client gave up minutes ago, and by then its
	// repetition and some more refreshes went through.
	keptKeys = 16
)

// refreshOutcome is what becomes of a refresh, as in the metric.
type refreshOutcome string

const (
	refreshed refreshOutcome = "ok"       // the counter went on
	reissued  refreshOutcome = "reissued" // an older token: the reply with the present pair was lost, or overtaken
	replayed  refreshOutcome = "replayed" // the same request once more
	late      refreshOutcome = "late"     // a copy of a request that was answered long ago
	reused    refreshOutcome = "reuse"    // an older token although its successor was used: somebody has a copy
	refused   refreshOutcome = "refused"  // no token of this server, or of a session that is over
	limited   refreshOutcome = "limited"  // too many for one session
)

// refreshTry is a refresh token that was found to be one of a session's.
type refreshTry struct {
	session string
	counter uint64
	key     []byte // hash of the Idempotency-Key and the token; nil if there is no key
	now     time.Time
}

// judge applies the rule of rotation to a session, and gives back what the session is afterwards.
//
// A session counts its pairs of tokens; the pair with Session.Counter is the present one, the one before it the parent.
// A refresh with the present token makes the next pair. One with the parent gets the present pair once more, however
// late: the reply may have been lost, and a client that keeps what it has must not be signed out for that (FAPI 2.0
// section 5.3.2.1). That ends when the present pair is first used, since then its reply wasn't lost; the parent, and
// anything older, then is a copy in other hands or a restored backup, and the session ends (RFC 9700 section 4.14.2).
// Unless it comes with the key that it came with before: whoever has both sent that request, and what arrives now is a
// copy that the network kept. It gets nothing, and changes nothing.
func (t refreshTry) judge(ses Session, strict bool, ttl time.Duration) (Session, refreshOutcome) {
	outcome := reused
	switch {
	case !ses.Live(t.now):
		return ses, refused
	case t.counter >= ses.Counter || planted == bugCounterIgnored: // more only if the store was restored from a backup
		ses.Counter, ses.Confirmed, ses.RefreshedAt = t.counter+1, planted == bugConfirmedKept, t.now
		ses = t.remember(ses)
		outcome = refreshed
	case strict:
	case t.known(ses) == 0 && t.now.Sub(ses.ReplayAt) < replayWindow:
		outcome = replayed
	case t.counter+1 == ses.Counter && t.answersAgain(ses), t.now.Sub(ses.RefreshedAt) < refreshGrace:
		if t.key != nil && t.known(ses) != 0 {
			ses = t.remember(ses)
		}
		outcome = reissued
	case t.known(ses) >= 0 && planted != bugLateCopyEnds:
		return ses, late
	}
	if outcome == reused {
		if planted == bugReuseForgiven {
			return ses, reused
		}
		ses.EndedAt = t.now
		return ses, reused
	}
	ses.ExpiresAt = t.now.Add(ttl)
	return ses, outcome
}

// answersAgain says that the parent still gets the present pair: nobody has shown yet that its reply arrived.
func (t refreshTry) answersAgain(ses Session) bool {
	return planted == bugParentForEver || !ses.Confirmed && planted != bugChildNotAsked
}

// known says how many keyed refreshes came after the one that this is a repetition of; -1 if it is none.
func (t refreshTry) known(ses Session) int {
	for i := 0; t.key != nil && (i+1)*len(t.key) <= len(ses.ReplayKeys); i++ {
		if bytes.Equal(t.key, ses.ReplayKeys[i*len(t.key):(i+1)*len(t.key)]) {
			return i
		}
	}
	return -1
}

// remember puts the refresh in front of those that are remembered. One without a key forgets none of them, but it can't
// be repeated, and neither can the one before it from now on.
func (t refreshTry) remember(ses Session) Session {
	if t.key == nil {
		ses.ReplayAt = time.Time{}
		return ses
	}
	keys := append(bytes.Clone(t.key), ses.ReplayKeys...)
	ses.ReplayKeys, ses.ReplayAt = keys[:min(len(keys), keptKeys*len(t.key))], t.now
	return ses
}

// refresh trades a refresh token for new tokens.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	var in wire.RefreshRequest
	if p := decodeJSON(r.Body, &in); p != nil {
		writeProblem(w, p)
		return
	}
	key := r.Header.Get(wire.HeaderIdempotencyKey)
	if len(key) > maxKeyBytes {
		writeProblem(w, problem(wire.CodeBadRequest, wire.HeaderIdempotencyKey+" is longer than 255 bytes"))
		return
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	try, ok, err := s.refreshTry(ctx, in.RefreshToken, key)
	switch {
	case s.noteRead(err) != nil:
		s.fail(w, r, err)
		return
	case !ok:
		s.refuseRefresh(w, refused)
		return
	}
	if got, wait := s.refreshes.take(try.session, 1, try.now); got == 0 {
		s.metrics.refreshes.WithLabelValues(string(limited)).Inc()
		writeProblem(w, problemLater(wire.CodeRateLimited, "too many refreshes of this session", wait))
		return
	}
	s.rotate(ctx, w, r, try)
}

// refreshTry finds out whose a refresh token is. false: nobody's.
func (s *Server) refreshTry(ctx context.Context, token, key string) (try refreshTry, ok bool, err error) {
	try.now = storedTime()
	if key != "" {
		m := hmac.New(sha256.New, []byte(key))
		m.Write([]byte(token))
		try.key = m.Sum(nil)
	}
	if try.session, try.counter, ok = s.tokens.parseRefresh(token); ok {
		return try, true, nil
	}
	if try.session, ok = formerRefresh(token); !ok {
		return try, false, nil
	}
	ses, err := s.cfg.Store.Session(ctx, try.session)
	if errors.Is(err, ErrNotFound) {
		return try, false, nil
	}
	return try, err == nil && hmac.Equal(ses.RefreshHash, hashRefresh(token)), err
}

func (s *Server) rotate(ctx context.Context, w http.ResponseWriter, r *http.Request, try refreshTry) {
	var outcome refreshOutcome
	ses, err := s.cfg.Store.ChangeSession(ctx, try.session, func(ses Session) Session {
		ses, outcome = try.judge(ses, s.cfg.StrictRotation, s.cfg.RefreshTTL)
		return ses
	})
	switch {
	case errors.Is(err, ErrNotFound):
		s.refuseRefresh(w, refused)
		return
	case s.noteStore(err) != nil:
		s.fail(w, r, err)
		return
	case outcome == refused, outcome == late:
		s.refuseRefresh(w, outcome)
		return
	case outcome == reused:
		s.log.Warn("a refresh token was used again after its successor: session ended",
			"user", ses.User, "device", ses.Device, "session", ses.ID, "behind", ses.Counter-try.counter)
		s.clients.endSession(ses.ID)
		s.refuseRefresh(w, reused)
		return
	}
	s.metrics.refreshes.WithLabelValues(string(outcome)).Inc()
	at := ses.RefreshedAt
	if outcome == replayed {
		at = ses.ReplayAt
	}
	s.answerTokens(w, r, ses, at, try.now)
}

// refuseRefresh says that the grant is gone. A client can do nothing but sign in, whatever the reason.
func (s *Server) refuseRefresh(w http.ResponseWriter, o refreshOutcome) {
	s.metrics.refreshes.WithLabelValues(string(o)).Inc()
	detail := "the refresh token isn't good, or its session is over"
	if o == reused {
		detail = "the refresh token was replaced and its successor used: the session is over"
	}
	if o == late {
		detail = "this request was answered before, and its answer has been replaced since"
	}
	writeProblem(w, problem(wire.CodeInvalidGrant, detail))
}
