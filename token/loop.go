package token

import (
	"context"
	"log/slog"
	"math"
	"time"
)

const (
	// tick is the longest time between two looks at the wall clock and the store: timers stand still while a machine
	// sleeps, and other processes sign in and out.
	tick = 30 * time.Second
	// peek is how often a store that can be looked at for next to nothing is: so soon it is known that another process
	// signed out, or in as somebody else.
	peek = time.Second
	// minWait keeps a mistake from becoming a loop without a pause.
	minWait = 10 * time.Millisecond
	// maxCalls bounds the calls of OnRefresh and the lines of the log that wait; beyond it the oldest are left out.
	maxCalls = 64
)

// stamped is a store that says for next to nothing whether it may keep something else than before: two stamps that are
// equal are of the same version, most likely. The full look every tick makes it sure.
type stamped interface{ stamp() any }

// schedule refreshes ahead until ctx or the source ends.
func (s *Source) schedule(ctx context.Context) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var synced time.Time
	var seen any
	stamped, peeks := s.opts.Store.(stamped)
	for {
		var now any
		if peeks {
			now = stamped.stamp()
		}
		// By its own time, not by the timer's: whoever wakes the schedule again and again mustn't put this off.
		if synced.IsZero() || time.Since(synced) >= tick || now != seen {
			seen = now
			if err := s.sync(s.ctx); err != nil && s.ctx.Err() == nil {
				s.opts.Logger.Warn("session not looked up; the one in memory goes on", "err", err.Error())
			}
			synced = time.Now()
		}
		wait := min(s.look(), tick-time.Since(synced))
		if peeks && planted != bugNoPeek {
			wait = min(wait, peek)
		}
		timer.Reset(max(wait, minWait))
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// look does what is due and returns how long nothing will be.
func (s *Source) look() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookLocked()
	wait := tick
	sooner := func(d time.Duration) {
		if d > 0 {
			wait = min(wait, d)
		}
	}
	l, now := s.live.Load(), s.nanos()
	if l != nil {
		sooner(time.Duration(l.due - now))
		if l.over != math.MaxInt64 {
			sooner(time.Duration(l.over - now))
		}
		sooner(time.Until(later(s.slot, s.guarded)))
	}
	if ending := endingAt(s.rec.Tokens); l != nil && !ending.IsZero() && !s.told.Equal(s.rec.Tokens.RefreshExpiry) {
		if left := ending.Sub(s.now()); left > 0 {
			sooner(left)
		} else {
			s.told = s.rec.Tokens.RefreshExpiry
			s.tellLocked(s.state, ReasonEnding, nil)
		}
	}
	return max(wait, minWait)
}

// lookLocked compares the present token with the clock.
func (s *Source) lookLocked() {
	s.stepLocked()
	l := s.live.Load()
	if l == nil {
		return
	}
	now := s.nanos()
	if now >= l.over && s.limited {
		// Over before its time, by a step of the clock or a sleep: nothing is left that sparing the grant could serve.
		s.slot, s.limited = time.Time{}, false
	}
	able := (s.flight == nil || s.flight.turn != s.turn) && s.heldLocked() == nil
	good := s.state == Fresh || s.state == Stale || s.state == Degraded
	switch {
	case now >= l.over && good:
		s.applyLocked(event{in: inRunOut, reason: ReasonRunOut})
	case now >= l.due && (able || s.state == Fresh):
		s.applyLocked(event{in: inDue, reason: ReasonDue})
	}
}

// stepLocked keeps the token's end where it was when the wall clock is turned back. A clock that runs ahead needs nothing:
// whether it was set or the machine slept isn't known, and a refresh is right for both.
func (s *Source) stepLocked() {
	gap := s.clock.look(s.now().Round(0), time.Now())
	l := s.live.Load()
	if gap >= 0 || l == nil {
		return
	}
	moved := &live{access: l.access, due: l.due + int64(gap), over: l.over, born: l.born, gen: l.gen}
	if l.over != math.MaxInt64 {
		moved.over += int64(gap)
	}
	s.handOut(moved)
	s.logLocked(slog.LevelInfo, "session: the wall clock was turned back", slog.Duration("by", -gap))
}

// hookLocked queues a call of OnRefresh.
func (s *Source) hookLocked(t Tokens) {
	if s.opts.OnRefresh != nil {
		s.callLocked(func() { s.opts.OnRefresh(t) })
	}
}

// logLocked queues a line of the log.
func (s *Source) logLocked(level slog.Level, text string, attrs ...slog.Attr) {
	ctx := context.Background()
	if s.opts.Logger.Enabled(ctx, level) {
		s.callLocked(func() { s.opts.Logger.LogAttrs(ctx, level, text, attrs...) })
	}
}

// callLocked queues a call of the application's code, which may take long or call back in.
func (s *Source) callLocked(call func()) {
	if len(s.calls) == maxCalls {
		s.calls = s.calls[1:]
	}
	s.calls = append(s.calls, call)
	if !s.calling {
		s.calling = true
		s.wg.Go(s.runCalls)
	}
}

// runCalls makes the calls in order until none waits. A panic in one costs that one only.
func (s *Source) runCalls() {
	for {
		s.mu.Lock()
		if len(s.calls) == 0 {
			s.calling = false
			s.mu.Unlock()
			return
		}
		call := s.calls[0]
		s.calls = s.calls[1:]
		s.mu.Unlock()
		func() {
			defer func() { _ = recover() }()
			call()
		}()
	}
}

// revoke asks the server to end tokens that came too late.
func (s *Source) revoke(late Tokens) {
	if s.opts.Revoke == nil {
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.opts.AttemptTimeout)
		defer cancel()
		_ = s.opts.Revoke(ctx, late) // best effort: the session ends by itself in the end
	})
}
