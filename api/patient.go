package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// temporary is the error of a token source that may have a token at a time that it names.
type temporary interface {
	error
	RetryAt() time.Time
}

// patient waits for a token where its source says that there may be one within the call's deadline: a moment's trouble of
// the authorization server is no reason to fail a call that has time left.
type patient struct {
	source   TokenSource
	failFast bool
	limit    time.Duration // of the whole wait
	rng      *jitter
	log      *slog.Logger
}

const (
	// tokenLook is the longest wait between two looks: the source may have a token sooner than it said, as when the
	// network comes back. tokenPause is the shortest, for sources that name the past.
	tokenLook  = time.Second
	tokenPause = 100 * time.Millisecond
)

func (p *patient) Token(ctx context.Context) (string, error) {
	token, err := p.source.Token(ctx)
	if err == nil || planted == bugTokenImpatient {
		return token, err
	}
	return p.wait(ctx, err, func() (string, error) { return p.source.Token(ctx) })
}

func (p *patient) Renew(ctx context.Context, stale string) (string, error) {
	token, err := p.source.Renew(ctx, stale)
	if err == nil {
		return token, nil
	}
	return p.wait(ctx, err, func() (string, error) { return p.source.Renew(ctx, stale) })
}

// wait asks again until there is a token, or there can't be one in time. ctx has the call's deadline.
func (p *patient) wait(ctx context.Context, err error, ask func() (string, error)) (token string, _ error) {
	end := time.Now().Add(p.limit)
	if at, ok := ctx.Deadline(); ok && at.Before(end) {
		end = at
	}
	for err != nil {
		var t temporary
		if p.failFast || callOf(ctx).FailFast || !errors.As(err, &t) || t.RetryAt().After(end) || time.Now().After(end) {
			return "", err
		}
		wait := min(max(time.Until(t.RetryAt()), tokenPause), tokenLook) + p.rng.upTo(tokenPause)
		p.log.Debug("no access token yet", "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		token, err = ask()
	}
	return token, nil
}
