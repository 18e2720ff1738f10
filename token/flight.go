package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// unclearTries is how often an answer is tried again that may come from a race in the server (some answer
// invalid_request to the loser), before it counts as a matter of settings.
const unclearTries = 2

// flight is one refresh on its way; access and err are set when done is closed.
type flight struct {
	turn    int          // of the session that it is for
	gen     uint64       // of the tokens that it replaces
	refused bool         // the server refused those
	asking  bool         // the request may be on its way; guarded by Source.mu
	waiting atomic.Int64 // callers
	done    chan struct{}
	access  string
	err     error
}

// flightLimit bounds a refresh: another process's before it, the request and one more to make sure.
func (s *Source) flightLimit() time.Duration { return 4*s.opts.AttemptTimeout + 2*storeLimit }

// beginLocked begins a refresh, unless one is under way or held back.
func (s *Source) beginLocked(refused bool) {
	if s.closed || s.heldLocked() != nil {
		return
	}
	if s.flight != nil && s.flight.turn == s.turn && planted != bugRefreshPerCaller {
		return
	}
	f := &flight{turn: s.turn, gen: s.rec.Gen, refused: refused, done: make(chan struct{})}
	s.flight = f
	// It outlives its first caller: others wait for it, and a rotation whose reply nobody reads may cost the session.
	s.wg.Go(func() {
		defer s.land(f)
		f.err = errors.New("token: the refresh ended without a result") // RefreshFunc left by Goexit
		f.access, f.err = s.refresh(f)
	})
}

// land tells the callers.
func (s *Source) land(f *flight) {
	if f.err != nil && s.ctx.Err() != nil && !errors.Is(f.err, ErrSignedOut) {
		f.err = fmt.Errorf("%w (%w)", ErrClosed, f.err)
	}
	s.mu.Lock()
	if s.flight == f {
		s.flight = nil
	}
	s.nudge()
	s.mu.Unlock()
	close(f.done)
}

// errAskAgain says that the same request has to be sent once more, to make sure.
var errAskAgain = errors.New("token: ask again")

// refresh brings tokens from wherever they are newest: another process that was faster, or the server.
func (s *Source) refresh(f *flight) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.flightLimit())
	defer cancel()
	if s.offline() {
		return "", s.failed(f, 0, ErrOffline, outcome{reason: "no network"})
	}
	unlock, err := s.opts.Store.Lock(ctx)
	if err != nil {
		err = fmt.Errorf("wait for another process's refresh: %w", err)
		return "", s.failed(f, 0, err, outcome{reason: "the store's lock is taken"})
	}
	defer unlock()
	for again := false; ; again = true {
		rec, repeated, access, err := s.prepare(ctx, f)
		if err != nil || access != "" {
			return access, err
		}
		if !s.mayAsk(f) {
			return "", ErrClosed
		}
		sent := s.now()
		t, twice, err := s.ask(ctx, rec)
		repeated = repeated || twice
		if err == nil {
			return s.renewed(ctx, f, rec, anchored(filled(t, rec.Tokens), sent, s.now()), repeated)
		}
		if s.ctx.Err() != nil && !errors.Is(err, ErrSignedOut) {
			return "", err // given up by Close: says nothing, and the next start sends it again
		}
		o := classify(err, s.opts.EndCodes)
		if o.class != definitive {
			return "", s.failed(f, s.lost(ctx, f, rec, o), err, o)
		}
		access, err = s.judged(ctx, f, rec, err, o, repeated && !again)
		if !errors.Is(err, errAskAgain) {
			return access, err
		}
	}
}

// mayAsk notes that a request is about to be sent, unless the source is closed.
func (s *Source) mayAsk(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.asking = !s.closed
	return f.asking
}

// prepare finds what to send and writes it down, or finds that there is nothing to send any more. repeated says that it
// may have been sent before.
func (s *Source) prepare(ctx context.Context, f *flight) (rec record, repeated bool, access string, err error) {
	syncErr := s.sync(ctx)
	s.mu.Lock()
	l := s.live.Load()
	if s.turn != f.turn || l == nil {
		s.mu.Unlock()
		return record{}, false, "", ErrChanged
	}
	now := s.nanos()
	if planted != bugRefreshPerCaller && s.rec.Gen != f.gen && (now < l.due || f.refused && now < l.over) {
		s.mu.Unlock()
		return record{}, false, l.access, nil
	}
	f.gen, rec = s.rec.Gen, s.rec
	s.mu.Unlock()

	good := now < l.over && !f.refused
	if syncErr == nil {
		rec, repeated, err = s.writeAhead(ctx, f, rec)
	} else {
		err = syncErr
	}
	switch {
	case err == nil:
		return rec, repeated, "", nil
	case errors.Is(err, errAhead), errors.Is(err, ErrChanged):
		return record{}, false, "", ErrChanged
	case good:
		// What can't be written down could be lost in a crash; there is time to wait for the disk.
		return record{}, false, "", s.failed(f, 0, err, outcome{reason: "the store fails"})
	}
	if rec.Pending == nil {
		rec.Pending = s.newPending(rec)
	}
	s.mu.Lock()
	s.rec.Pending = rec.Pending
	s.mu.Unlock()
	return rec, false, "", nil
}

func (s *Source) newPending(rec record) *pending {
	key := newKey()
	s.mu.Lock()
	s.ownKey = key
	s.mu.Unlock()
	return &pending{Grant: rec.Tokens.grant(), Key: key, Started: s.now().Round(0).UTC(), Gen: rec.Gen}
}

// writeAhead keeps what is about to be sent, so that whoever comes after a crash sends the same.
func (s *Source) writeAhead(ctx context.Context, f *flight, rec record) (next record, repeated bool, err error) {
	if planted == bugNotWrittenAhead {
		rec.Pending = s.newPending(rec)
		return rec, false, nil
	}
	if p := rec.Pending; p != nil && p.Grant == rec.Tokens.grant() && planted != bugNewKeyOnRetry {
		return rec, true, nil
	}
	rec.Pending = s.newPending(rec)
	_, err = s.update(ctx, f.turn, func(now record) (record, error) {
		if !sameSession(now, rec) || now.Gen != rec.Gen {
			return record{}, errAhead
		}
		return rec, nil
	})
	return rec, false, err
}

// errSendAgain is why a request is given up that NetworkChanged found without an answer.
var errSendAgain = errors.New("token: sent again, since the network changed")

// ask sends a request, and the same again as often as NetworkChanged finds it without an answer. What comes back holds
// no secret; again says that the request was sent more than once.
func (s *Source) ask(ctx context.Context, rec record) (t Tokens, again bool, err error) {
	for {
		once, restart := context.WithCancelCause(ctx)
		s.mu.Lock()
		s.restart, s.asked = restart, time.Now()
		s.mu.Unlock()
		t, err = s.askOnce(once, rec)
		s.mu.Lock()
		s.restart = nil
		s.mu.Unlock()
		sendAgain := err != nil && ctx.Err() == nil && errors.Is(context.Cause(once), errSendAgain)
		restart(nil)
		if !sendAgain {
			return t, again, err
		}
		again = true
	}
}

func (s *Source) askOnce(ctx context.Context, rec record) (t Tokens, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.AttemptTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("token: RefreshFunc panicked with a %T", p)
		}
	}()
	t, err = s.opts.Refresh(ctx, rec.Tokens, rec.Pending.Key)
	if err == nil && !sendable(t.Access.Reveal()) && planted != bugPortalBelieved {
		err = &RefreshError{Status: 200, JSON: true, Err: errors.New("the answer holds no token that a header could hold")}
	}
	if err != nil && mentions(err, rec.Tokens) {
		if errors.Is(err, ErrSignedOut) {
			return Tokens{}, ErrSignedOut
		}
		if re, ok := errors.AsType[*RefreshError](err); ok { // what it says to classify stays
			shown := *re
			shown.Err = errors.New("its cause held a secret and isn't shown")
			if !mentions(&shown, rec.Tokens) {
				return Tokens{}, &shown
			}
		}
		return Tokens{}, errors.New("token: the refresh failed; its error held a secret and isn't shown")
	}
	return t, err
}

// mentions says that an error's text holds a secret.
func mentions(err error, t Tokens) bool {
	text := err.Error()
	for _, secret := range []Secret{t.Access, t.Refresh} {
		if !secret.IsZero() && strings.Contains(text, secret.Reveal()) {
			return true
		}
	}
	return false
}

// sendable says that a header can hold the token (RFC 6750 2.1, widened to what servers really make).
func sendable(access string) bool {
	for i := range len(access) {
		if access[i] <= ' ' || access[i] > '~' {
			return false
		}
	}
	return access != ""
}

// renewed keeps new tokens, hands them out and tells.
func (s *Source) renewed(ctx context.Context, f *flight, rec record, t Tokens, repeated bool) (string, error) {
	next := record{Epoch: rec.Epoch, ID: rec.ID, Gen: rec.Gen + 1, Tokens: t}
	e := event{in: inRenewed, rec: next, born: true, reason: ReasonRenewed}
	if repeated && s.maybeOld(rec.Pending) {
		e.age = max(s.now().Sub(rec.Pending.Started), 0) // a server that repeats its answer made them back then
	}
	if planted == bugPublishedBeforeSave {
		if err := s.takeOver(f, e); err != nil {
			return "", err
		}
	}
	// Not for Close to interrupt: the server has moved on already.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	_, err := s.update(ctx, f.turn, func(now record) (record, error) {
		switch {
		case planted == bugLateReplyCounts:
		case !sameSession(now, rec):
			return record{}, ErrChanged
		case now.Gen >= next.Gen:
			return record{}, errAhead // the lock didn't hold, as on some network file systems
		}
		return next, nil
	})
	switch {
	case errors.Is(err, ErrChanged):
		s.revoke(t)
		return "", ErrChanged
	case errors.Is(err, errAhead):
		return s.presentOf(f)
	case err != nil:
		e.reason, e.err, e.unsaved = ReasonUnsaved, err, true
	}
	if err := s.takeOver(f, e); err != nil {
		s.revoke(t)
		return "", err
	}
	return t.Access.Reveal(), nil
}

// maybeOld says that the server may have answered the refresh before, to nobody.
func (s *Source) maybeOld(p *pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.Lost > 0 || p.Key != s.ownKey
}

// takeOver hands out new tokens, unless they came too late.
func (s *Source) takeOver(f *flight, e event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != f.turn && planted != bugLateReplyCounts {
		return ErrChanged
	}
	s.unsaved = e.unsaved
	s.applyLocked(e)
	s.hookLocked(e.rec.Tokens)
	return nil
}

// presentOf is the present token, for a flight whose own outcome doesn't count.
func (s *Source) presentOf(f *flight) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live.Load()
	if s.turn != f.turn || l == nil {
		return "", ErrChanged
	}
	return l.access, nil
}

// lost notes that the server may have taken an attempt, and returns how many of the grant it may have taken.
func (s *Source) lost(ctx context.Context, f *flight, rec record, o outcome) int {
	if !o.maybe || rec.Pending == nil {
		return 0
	}
	p := *rec.Pending
	p.Lost++
	rec.Pending = &p
	if s.opts.Rotation == Strict {
		// Without it a restart would begin to count anew. If it can't be kept, nothing else is lost.
		_, _ = s.update(ctx, f.turn, func(now record) (record, error) {
			if !sameSession(now, rec) || now.Gen != rec.Gen {
				return record{}, errAhead
			}
			return rec, nil
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sameSession(s.rec, rec) && s.rec.Gen == rec.Gen {
		s.rec.Pending = rec.Pending
	}
	return p.Lost
}

// failed applies a refresh that failed and may work later.
func (s *Source) failed(f *flight, lost int, err error, o outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != f.turn {
		return ErrChanged
	}
	e := event{in: inFailed, reason: o.reason, err: err, out: o, lost: lost}
	if o.class == unclear {
		s.unclear++
	}
	if o.class == misconfig || s.unclear > unclearTries {
		e.in = inMisconfigured
	}
	s.applyLocked(e)
	return &RetryError{At: s.slot, Err: err}
}

// judged applies the server's verdict on the grant, once it is sure that it was about the present one.
func (s *Source) judged(ctx context.Context, f *flight, rec record, cause error, o outcome, ask bool) (string, error) {
	if planted != bugGrantDeadUnread {
		if err := s.sync(ctx); err != nil && !isType[*DamagedError](err) {
			return "", s.failed(f, 0, errors.Join(cause, err), outcome{reason: "the store fails"})
		}
		s.mu.Lock()
		changed, moved := s.turn != f.turn, s.rec.Gen > rec.Gen
		s.mu.Unlock()
		switch {
		case changed:
			return "", ErrChanged
		case moved:
			return s.presentOf(f) // it judged the grant that another process has replaced
		case ask:
			return "", errAskAgain // an attempt before may have been answered meanwhile
		}
	}
	if !errors.Is(cause, ErrSignedOut) {
		cause = fmt.Errorf("%w (%w)", ErrSignedOut, cause)
	}
	was := rec.Tokens
	dead := record{
		Epoch: rec.Epoch, ID: rec.ID, Gen: rec.Gen, Tokens: Tokens{Server: was.Server, User: was.User, Device: was.Device},
		Dead: &tombstone{Grant: was.grant(), Reason: o.reason, At: s.now().Round(0).UTC()},
	}
	_, err := s.update(ctx, f.turn, func(now record) (record, error) {
		switch {
		case planted == bugGrantDeadUnread:
		case !sameSession(now, rec):
			return record{}, ErrChanged
		case now.Gen > rec.Gen:
			return record{}, errAhead
		}
		return dead, nil
	})
	switch {
	case errors.Is(err, ErrChanged):
		return "", ErrChanged
	case errors.Is(err, errAhead):
		return s.presentOf(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != f.turn {
		return "", ErrChanged
	}
	s.applyLocked(event{in: inDead, rec: dead, reason: o.reason, err: cause})
	return "", cause
}
