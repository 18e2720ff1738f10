package token

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Token returns an access token with time left, renewing it ahead of its end. While renewing fails and the present
// token is still good, it returns that one. ctx ends the wait, not the renewal.
func (s *Source) Token(ctx context.Context) (string, error) {
	cur, young, err := s.present()
	if err != nil {
		return "", err
	}
	life := cur.Lifetime
	if life <= 0 {
		life = maxMargin * marginShare
	}
	left := time.Until(cur.Expiry)
	if cur.Expiry.IsZero() || young || left > min(maxMargin, life/marginShare) {
		return cur.Access, nil
	}
	token, err := s.Renew(ctx, cur.Access)
	if err == nil || left <= 0 {
		return token, err
	}
	now, _, gone := s.present()
	if gone != nil {
		return "", gone // signed out meanwhile: what was good before isn't any more
	}
	return now.Access, nil
}

// present returns the tokens; young says that they were made a moment ago, and that making others now would only be
// the beginning of a loop.
func (s *Source) present() (t Tokens, young bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur.Access == "" {
		return Tokens{}, false, s.missingLocked()
	}
	return s.cur, !s.made.IsZero() && time.Since(s.made) < failureHold, nil
}

// missingLocked is the error for a session that isn't there.
func (s *Source) missingLocked() error {
	if s.change.State == ReauthRequired {
		return ErrSignedOut
	}
	return ErrNotSignedIn
}

// Renew returns another token than stale: the present one if it is another already, else a new one. However many
// callers there are, one request is sent; each caller's ctx ends only its own wait, and a failure is kept for a second
// for whoever asks next. After Close it returns ErrClosed.
func (s *Source) Renew(ctx context.Context, stale string) (string, error) {
	for {
		f, token, err := s.join(stale)
		if f == nil {
			return token, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if !errors.Is(f.err, ErrChanged) {
			return f.token, f.err
		}
		// Somebody signed in or out while we waited: what holds now is looked up again.
	}
}

// join finds the renewal to wait for, or the answer if there is nothing to wait for.
func (s *Source) join(stale string) (f *renewal, token string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, "", ErrClosed
	case s.cur.Access == "":
		return nil, "", s.missingLocked()
	case s.cur.Access != stale:
		return nil, s.cur.Access, nil
	}
	if s.flight == nil || s.flight.gen != s.gen { // one of a former session says nothing about this one
		f := &renewal{gen: s.gen, old: s.cur, done: make(chan struct{})}
		s.flight = f
		// The renewal outlives its first caller: the others wait for it, and a rotation whose reply nobody reads
		// costs the session.
		s.wg.Go(func() { s.renew(f) })
	}
	return s.flight, "", nil
}

// renew sends one refresh and settles f.
func (s *Source) renew(f *renewal) {
	defer s.land(f)
	next, err := s.opts.Refresh(s.ctx, f.old)
	if err == nil && next.Access == "" {
		err = errors.New("token: the renewal brought no token")
	}
	if err != nil {
		f.err = s.failed(f.gen, f.old, err)
		return
	}
	next = fill(next, f.old)
	// A new token that couldn't be kept is good all the same, until the process ends.
	if err := s.adopt(f.gen, next, "renewed"); errors.Is(err, ErrChanged) {
		f.err = err
		return
	}
	f.token = next.Access
}

// land tells the callers, and holds on to a failure for a while.
func (s *Source) land(f *renewal) {
	if f.token == "" && f.err == nil {
		f.err = errors.New("token: the renewal ended without a result") // RefreshFunc left by panic or Goexit
	}
	close(f.done)
	if f.err != nil && !errors.Is(f.err, ErrChanged) {
		select {
		case <-s.ctx.Done():
		case <-time.After(failureHold):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == f {
		s.flight = nil
	}
}

// fill keeps the old value of what a refresh didn't answer.
func fill(next, old Tokens) Tokens {
	if next.Refresh == "" {
		next.Refresh = old.Refresh
	}
	if next.User == "" {
		next.User = old.User
	}
	if next.Device == "" {
		next.Device = old.Device
	}
	next.Server = old.Server
	return next
}

// failed tells the end of a session from a renewal that may succeed later.
func (s *Source) failed(gen int, cur Tokens, err error) error {
	if s.ctx.Err() != nil && !errors.Is(err, ErrSignedOut) {
		return fmt.Errorf("%w (%w)", ErrClosed, err) // says nothing about the session
	}
	s.mu.Lock()
	if s.gen != gen {
		s.mu.Unlock()
		return ErrChanged
	}
	ended := errors.Is(err, ErrSignedOut)
	switch {
	case ended:
		s.gen++
		gen = s.gen
		s.cur = Tokens{}
		s.setLocked(ReauthRequired, err.Error())
	case time.Now().Before(cur.Expiry):
		s.setLocked(Degraded, "renewing fails")
	default:
		s.setLocked(Expired, "renewing fails")
	}
	s.mu.Unlock()
	if !ended {
		return err
	}
	return errors.Join(err, s.forget(gen))
}
