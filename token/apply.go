package token

import (
	"log/slog"
	"math"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

const (
	// retryFirst and retryLimit bound the wait after a failed refresh: half to all of 1 s, doubled up to a minute. Ten
	// minutes of outage are 25 requests at most.
	retryFirst = time.Second
	retryLimit = time.Minute
	// configHold is the wait after the server refused the client: somebody has to mend something first.
	configHold = 15 * time.Minute
	// waitJitter is the share that is added at random to a wait that a server asked for: it asked others too.
	waitJitter = 5
	// strictTries are the attempts at a Strict server that may use one grant up, the first of them included, and
	// strictRetry the wait between them, short enough for a grace period. strictSpare is how long before the access
	// token's end the next one is made.
	strictTries = 2
	strictRetry = 2 * time.Second
	strictSpare = 10 * time.Second
)

// event is an input with what belongs to it.
type event struct {
	in      input
	rec     record // what holds from now on: inSet, inLogout, inRenewed, inDead
	born    bool   // its tokens were made by the server just now
	refused bool   // the server refused the present token
	reason  string
	err     error
	out     outcome       // of a refresh that failed
	lost    int           // attempts that may have used the grant up, of a refresh that failed
	age     time.Duration // how long ago the tokens may have been made, if not just now
	unsaved bool          // they couldn't be kept
}

// applyLocked is the one place where the state changes.
func (s *Source) applyLocked(e event) {
	from := s.state
	to, actions := next(from, e.in)
	switch e.in {
	case inSet, inLogout, inRenewed, inDead:
		if len(actions) > 0 {
			s.rec = e.rec
		}
	case inFailed, inMisconfigured:
		s.lastErr = e.err
	case inDue, inRunOut:
	}
	s.state = to
	for _, a := range actions {
		s.performLocked(a, e)
	}
	if from != to || e.in != inDue && e.in != inRunOut && len(actions) > 0 {
		s.tellLocked(from, e.reason, e.err)
	}
	s.nudge()
}

func (s *Source) performLocked(a action, e event) {
	switch a {
	case actPublish:
		if !s.closed {
			s.publishLocked(e)
		}
	case actWithdraw:
		s.live.Store(nil)
	case actRefresh:
		s.beginLocked(e.refused)
	case actHoldBack:
		s.failures++
		s.holdBackLocked(e)
	case actForgive:
		s.failures, s.unclear, s.slot, s.limited, s.lastErr = 0, 0, time.Time{}, false, nil
		if e.in != inRenewed {
			s.guard, s.guarded = guard{}, time.Time{}
		}
	}
}

// publishLocked hands out the event's tokens.
func (s *Source) publishLocked(e event) {
	t, now := s.rec.Tokens, s.now()
	l := &live{access: t.Access.Reveal(), gen: s.rec.Gen, over: math.MaxInt64}
	w := windowOf(t, now, s.opts.Margin, s.opts.Rand)
	if e.born {
		w = windowOfNew(t, now, s.opts.Margin, s.opts.Rand)
		if e.in == inRenewed { // those of a sign-in may come from elsewhere, and be old
			l.born = time.Now()
		}
		if soon := now.Add(minGap); e.age > 0 && w.due.After(soon) {
			w.due = later(soon, w.due.Add(-e.age)) // perhaps older than it looks: good, but to be replaced
		}
	}
	l.due = w.due.UnixNano()
	if !w.over.IsZero() {
		l.over = w.over.UnixNano()
	}
	s.handOut(l)
	s.issued.add(l.access, s.turn)
}

// holdBackLocked sets when the next refresh may be sent.
func (s *Source) holdBackLocked(e event) {
	wait, least := backoff.Delay(s.opts.Rand, retryFirst, retryLimit, s.failures), time.Duration(0)
	if e.in == inMisconfigured {
		wait = configHold
	}
	if e.out.wait > 0 {
		least = e.out.wait + time.Duration(s.opts.Rand.Int64N(int64(e.out.wait/waitJitter)+1))
	}
	wait = max(wait, least)
	s.limited = false
	if s.opts.Rotation == Strict && e.out.maybe {
		wait = max(s.spareLocked(wait, e.lost), least)
	}
	s.slot = time.Now().Add(wait)
}

// spareLocked keeps a grant that may be used up from a server that would end the session for it.
func (s *Source) spareLocked(wait time.Duration, lost int) time.Duration {
	if lost < strictTries {
		return strictRetry/2 + time.Duration(s.opts.Rand.Int64N(int64(strictRetry/2)))
	}
	l := s.live.Load()
	if l == nil || l.over == math.MaxInt64 {
		return wait
	}
	left := time.Duration(l.over - s.nanos())
	if spared := left - min(strictSpare, left/allowanceShare); spared > wait {
		s.limited = true
		return spared
	}
	return wait
}

// tellLocked publishes where the session is.
func (s *Source) tellLocked(from State, reason string, err error) {
	c := Change{
		From: from, State: s.state, Reason: reason, Err: err, Attempt: s.failures, At: time.Now(),
		SessionEnds: s.rec.Tokens.RefreshExpiry,
	}
	if until := later(s.slot, s.guarded); until.After(c.At) {
		c.RetryIn = until.Sub(c.At)
	}
	s.change = c
	s.hub.Publish(c)
	attrs := []slog.Attr{
		slog.String("from", c.From.String()), slog.String("to", c.State.String()), slog.String("reason", reason),
		slog.Int("attempt", c.Attempt), slog.Duration("retryIn", c.RetryIn),
		slog.String("refresh", s.rec.Tokens.Refresh.Mark()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	s.logLocked(slog.LevelInfo, "session", attrs...)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
