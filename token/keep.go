package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// storeLimit bounds one look at the store, and one change of it.
	storeLimit = 10 * time.Second
	// swapTries bounds how often a change of the store is tried again because another process was faster.
	swapTries = 20
)

// newKey is an idempotency key, or the id of a sign-in.
func newKey() string { return rand.Text() }

// open takes over what the store kept.
func (s *Source) open() error {
	ctx, cancel := context.WithTimeout(s.ctx, storeLimit)
	defer cancel()
	kept, version, err := s.load(ctx)
	damage, damaged := errors.AsType[*DamagedError](err)
	if damaged && damage.Restored {
		kept, version, err = s.load(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case damaged && err != nil:
		s.version = version
		s.applyLocked(event{in: inDead, reason: ReasonDamaged, err: err})
		return nil
	case err != nil:
		return err
	}
	s.version, s.rec = version, kept
	reason := ReasonKept
	if damaged {
		reason = ReasonRestored
		s.logLocked(slog.LevelWarn, "session restored", slog.String("err", damage.Error()))
	}
	switch {
	case kept.Dead != nil:
		s.applyLocked(event{in: inDead, rec: kept, reason: kept.Dead.Reason, err: ErrSignedOut})
	case kept.signedIn():
		e := event{in: inSet, rec: kept, reason: reason}
		if damaged {
			e.err = damage
		}
		s.applyLocked(e)
	}
	return nil
}

// load reads the store. A session of another server counts as none.
func (s *Source) load(ctx context.Context) (record, uint64, error) {
	data, version, err := s.opts.Store.Load(ctx)
	if err != nil {
		return record{}, version, err
	}
	s.mu.Lock()
	rec, known := s.rec, version != 0 && version == s.version && !s.unsaved
	s.mu.Unlock()
	if known {
		return rec, version, nil
	}
	kept, err := decode(data)
	if errors.Is(err, errNewer) {
		return record{}, version, err
	}
	if err != nil {
		return record{}, version, &DamagedError{Err: err}
	}
	if s.opts.Server != "" && kept.Tokens.Server != s.opts.Server && kept.signedIn() {
		kept = record{Epoch: kept.Epoch, ID: kept.ID}
	}
	return kept, version, nil
}

// sync looks at the store and takes over what another process did. If the store is behind, or lost what was in it, it is
// brought up to date from memory.
func (s *Source) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	if err := s.store(ctx); err != nil {
		return err
	}
	defer s.stored()
	return s.syncStoring(ctx)
}

// store takes the lock of load, compare and swap; stored gives it back.
func (s *Source) store(ctx context.Context) error {
	select {
	case s.storing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Source) stored() { <-s.storing }

func (s *Source) syncStoring(ctx context.Context) error {
	var err error
	for range swapTries {
		var kept record
		var version uint64
		kept, version, err = s.load(ctx)
		if damage, damaged := errors.AsType[*DamagedError](err); damaged {
			if err = s.mend(damage); err != nil {
				return err
			}
			if damage.Restored {
				continue
			}
			kept = record{} // what is in memory goes over it
		} else if err != nil {
			return fmt.Errorf("look at the stored session: %w", err)
		}
		s.mu.Lock()
		s.adoptLocked(kept, version)
		ours, unsaved := s.rec, s.unsaved && behind(kept, s.rec)
		s.unsaved = unsaved
		s.mu.Unlock()
		if !unsaved {
			return nil
		}
		if err = s.swap(ctx, version, ours); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}

// mend decides what a damaged store means for a source that has its session in memory.
func (s *Source) mend(damage *DamagedError) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !damage.Restored && !s.rec.signedIn() {
		return damage
	}
	s.logLocked(slog.LevelWarn, "stored session damaged, written anew", slog.String("err", damage.Error()))
	s.unsaved = true
	return nil
}

// swap writes rec instead of version. The caller holds storing.
func (s *Source) swap(ctx context.Context, version uint64, rec record) error {
	data, err := rec.encode()
	if err != nil {
		return err
	}
	v, err := s.opts.Store.CompareAndSwap(ctx, version, data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = v
	if sameSession(rec, s.rec) && rec.Gen == s.rec.Gen {
		s.unsaved = false
		s.rec.Pending = rec.Pending
	}
	return nil
}

// adoptLocked takes over what another process kept.
func (s *Source) adoptLocked(kept record, version uint64) {
	if version == s.version && !s.unsaved {
		return
	}
	s.version = version
	switch {
	case behind(kept, s.rec):
		s.unsaved = true
	case !sameSession(kept, s.rec):
		s.turn++
		switch {
		case kept.Dead != nil:
			s.applyLocked(event{in: inDead, rec: kept, reason: kept.Dead.Reason, err: ErrSignedOut})
			s.rec = kept
		case kept.signedIn():
			s.applyLocked(event{in: inSet, rec: kept, reason: ReasonElsewhere})
		default:
			s.applyLocked(event{in: inLogout, rec: kept, reason: ReasonElsewhere})
			s.rec = kept
		}
	case kept.Gen > s.rec.Gen:
		s.applyLocked(event{in: inRenewed, rec: kept, reason: ReasonAdopted})
	case kept.Dead != nil && s.rec.Dead == nil:
		s.applyLocked(event{in: inDead, rec: kept, reason: kept.Dead.Reason, err: ErrSignedOut})
	default:
		s.rec.Pending = kept.Pending
	}
}

// errAhead says that another process kept newer tokens of the same session.
var errAhead = errors.New("token: another process was faster")

// update looks at the store, takes over what another process did, and writes what decide makes of what is kept then. It
// returns what was written, or decide's error. turn must still be the present one.
func (s *Source) update(ctx context.Context, turn int, decide func(now record) (record, error)) (record, error) {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	if err := s.store(ctx); err != nil {
		return record{}, err
	}
	defer s.stored()
	var err error
	for range swapTries {
		if err = s.syncStoring(ctx); err != nil {
			return record{}, err
		}
		s.mu.Lock()
		now, version, changed := s.rec, s.version, s.turn != turn && planted != bugLateReplyCounts
		s.mu.Unlock()
		if changed {
			return record{}, ErrChanged
		}
		next, err := decide(now)
		if err != nil {
			return record{}, err
		}
		err = s.swap(ctx, version, next)
		if err == nil || !errors.Is(err, ErrConflict) {
			return next, err
		}
	}
	return record{}, err
}

// replace keeps the record of a sign-in or sign-out, and then applies it. The source is at turn already.
func (s *Source) replace(ctx context.Context, turn int, next record, e event) error {
	err := s.replaceStored(ctx, turn, &next)
	if errors.Is(err, ErrChanged) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turn != turn {
		return ErrChanged
	}
	if err != nil {
		s.unsaved = true
		next.Epoch = max(next.Epoch, s.rec.Epoch+1)
	}
	e.rec = next
	if e.in == inSet {
		s.applyLocked(e)
	} else {
		s.rec = next // withdrawn before
	}
	if err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	return nil
}

// replaceStored writes next over whatever is kept, but a logout only over the session that it ends.
func (s *Source) replaceStored(ctx context.Context, turn int, next *record) error {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	if err := s.store(ctx); err != nil {
		return err
	}
	defer s.stored()
	var err error
	for range swapTries {
		var now record
		var version uint64
		now, version, err = s.load(ctx)
		if damage, damaged := errors.AsType[*DamagedError](err); damaged {
			if damage.Restored {
				continue
			}
		} else if err != nil {
			return err
		}
		s.mu.Lock()
		changed := s.turn != turn
		s.mu.Unlock()
		if changed {
			return ErrChanged
		}
		if !next.signedIn() && now.Epoch >= next.Epoch {
			return nil // somebody else signed in or out first; the next look takes it over
		}
		next.Epoch = max(next.Epoch, now.Epoch+1)
		if err = s.swap(ctx, version, *next); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}
