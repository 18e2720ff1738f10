package token

import (
	"context"
	"errors"
	"time"
)

// tooYoung is how old a refused token must be for a refresh to be the answer: one that the server has just made is
// refused because of its clock, or because its machines don't all know it yet.
const tooYoung = 2 * time.Second

// AccessToken returns the present access token without waiting or locking; ok is false if there is none that is good.
// It never causes a refresh: a started source does that ahead. That the machine slept, or the clock was set, is noticed
// within 100 ms of use.
func (s *Source) AccessToken() (access string, ok bool) {
	l := s.live.Load()
	if l == nil || !l.sure.Load() && !s.vouch(l, l.over) {
		return "", false
	}
	return l.access, true
}

// vouchFor is how long a look at the wall clock is good for. Reading it is nearly all that the hot path costs. It bounds
// how late a sleep of the machine or a step of the clock is noticed there: the timer stands still in a sleep.
const vouchFor = 100 * time.Millisecond

// vouch looks at the wall clock and says that it is before end. Unless l is due, calls go without another look for a
// while.
func (s *Source) vouch(l *live, end int64) bool {
	now := s.nanos()
	left := time.Duration(min(l.due, l.over) - now)
	if planted != bugClockLookedAtOnce {
		left = min(left, vouchFor)
	}
	if left > 0 && l.sure.CompareAndSwap(false, true) {
		l.doubt.Reset(left)
	}
	return now < end
}

// nanos is the wall clock in nanoseconds.
func (s *Source) nanos() int64 {
	if s.opts.Now == nil {
		return time.Now().UnixNano()
	}
	return s.opts.Now().UnixNano()
}

// Token returns an access token with time left. While a refresh is due, under way or failing, that is the present one;
// only when that is over does Token wait for a refresh, or return its failure at once where one has just failed. ctx ends
// the wait, not the refresh.
func (s *Source) Token(ctx context.Context) (string, error) {
	if l := s.live.Load(); l != nil && (l.sure.Load() || s.vouch(l, l.due)) {
		return l.access, nil
	}
	for {
		f, access, err := s.want()
		if f == nil {
			return access, err
		}
		access, err = f.wait(ctx)
		if !errors.Is(err, ErrChanged) {
			return access, err
		}
		// Somebody signed in or out while we waited: what holds now is looked up again.
	}
}

// Renew returns another token than stale, which a server refused: the present one if it is another already, else a new
// one. However many callers there are, one request is sent. Of tokens that were never Accepted: if stale is less than two
// seconds old it waits that long and returns stale, since what is wrong with a token so young isn't mended by another; where
// new ones are refused again and again it makes no more for a while, and returns ErrRejected in a *RetryError. Where stale
// is of a session that ended, or the session ends meanwhile, it returns ErrChanged: what was asked for one person must not
// go on as another.
func (s *Source) Renew(ctx context.Context, stale string) (string, error) {
	if rest, err := s.youth(stale); err != nil {
		return "", err
	} else if rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
			return stale, nil
		case <-ctx.Done():
			return "", ctx.Err()
		case <-s.ctx.Done():
			return "", ErrClosed
		}
	}
	f, access, err := s.wantOther(stale)
	if f == nil {
		return access, err
	}
	return f.wait(ctx)
}

// Accepted says that a server took a token. Where it refuses the same one later, that has run out or was withdrawn ahead of
// its time, and Renew makes another at once, however often that happens. It neither waits nor locks.
func (s *Source) Accepted(access string) {
	if l := s.live.Load(); l != nil && l.access == access {
		l.taken.Store(true)
	}
}

// maxWaiting bounds the callers that one refresh keeps, a bound like that of the calls that wait for a host in api.
const maxWaiting = 10_000

// errCrowd is what those beyond it get.
var errCrowd = errors.New("token: too many callers wait for the refresh already")

// wait returns the refresh's outcome.
func (f *flight) wait(ctx context.Context) (string, error) {
	defer f.waiting.Add(-1)
	if f.waiting.Add(1) > maxWaiting {
		return "", &RetryError{At: time.Now().Add(retryFirst), Err: errCrowd}
	}
	select {
	case <-f.done:
		return f.access, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// want finds the refresh to wait for, or the answer if there is nothing to wait for.
func (s *Source) want() (*flight, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.missingLocked(); err != nil {
		return nil, "", err
	}
	s.lookLocked()
	l := s.live.Load()
	switch {
	case l == nil:
		return nil, "", s.missingLocked()
	case planted == bugStaleFailsCaller && s.flight != nil:
		return s.flight, "", nil
	case s.nanos() < l.over:
		return nil, l.access, nil
	case s.flight != nil && s.flight.turn == s.turn:
		return s.flight, "", nil
	}
	if err := s.heldLocked(); err != nil {
		return nil, "", err
	}
	return nil, "", ErrChanged // not reached: what is over and not held back is being refreshed
}

// wantOther is want for a token that isn't refused.
func (s *Source) wantOther(stale string) (*flight, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.missingLocked(); err != nil {
		return nil, "", err
	}
	if s.issued.foreign(stale, s.turn) && planted != bugLateReplyCounts {
		return nil, "", ErrChanged
	}
	l := s.live.Load()
	if l.access != stale && s.nanos() < l.over {
		return nil, l.access, nil
	}
	if s.flight != nil && s.flight.turn == s.turn && planted != bugRefreshPerCaller {
		return s.flight, "", nil
	}
	if l.access == stale {
		s.refusedLocked(l)
	}
	if err := s.heldLocked(); err != nil {
		return nil, "", err
	}
	s.applyLocked(event{in: inDue, reason: ReasonDue, refused: true})
	return s.flight, "", nil
}

// refusedLocked counts a refusal of the present token.
func (s *Source) refusedLocked(l *live) {
	if s.limited {
		s.slot, s.limited = time.Time{}, false // nothing is left that sparing the grant could serve
	}
	if l.born.IsZero() {
		return // an old one, of an earlier process
	}
	if l.taken.Load() && planted != bugEndedIsNew {
		return // it was good
	}
	now := time.Now()
	if s.nanos() >= l.over && now.Sub(l.born) >= 2*tooYoung && planted != bugEndIsRefusal {
		return // it was good until its end: that it is refused now says nothing of those that the server makes
	}
	if hold := s.guard.refuse(l.gen, l.born, now); hold > 0 {
		s.guarded = now.Add(hold)
		s.applyLocked(event{in: inFailed, reason: ReasonRejected, err: ErrRejected, out: outcome{wait: hold}})
	}
}

// youth is how much longer stale is too young to be replaced.
func (s *Source) youth(stale string) (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.missingLocked(); err != nil {
		return 0, err
	}
	l := s.live.Load()
	if l.access != stale || l.born.IsZero() || planted == bugNoLoopGuard || l.taken.Load() {
		return 0, nil
	}
	return tooYoung - time.Since(l.born), nil
}

// missingLocked is the error for tokens that aren't there.
func (s *Source) missingLocked() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.live.Load() != nil:
		return nil
	case s.state == ReauthRequired && errors.Is(s.change.Err, ErrDamaged) && planted != bugDamageIsSignOut:
		return s.change.Err
	case s.state == ReauthRequired:
		return ErrSignedOut
	}
	return ErrNotSignedIn
}

// heldLocked says why no refresh may be sent now, or nil.
func (s *Source) heldLocked() error {
	if planted == bugNoNegativeCache {
		return nil
	}
	now := time.Now()
	if s.guarded.After(now) {
		return &RetryError{At: s.guarded, Err: ErrRejected}
	}
	if s.slot.After(now) {
		err := s.lastErr
		if err == nil {
			err = errors.New("token: an earlier refresh failed")
		}
		return &RetryError{At: s.slot, Err: err}
	}
	return nil
}
