package chatsdk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

// Signing in is tried again with these waits between tries.
const (
	signInBase = 200 * time.Millisecond
	signInCap  = 2 * time.Second // login costs the server 50 ms of hashing each; a crowd must not drown it
)

// maxTokenLife bounds what a server may claim, so that no sum of times overflows.
const maxTokenLife = 10 * 365 * 24 * time.Hour

// SignIn signs user in with password on this store's device. It tries until the server has judged the credentials or
// ctx ends, whatever the network does meanwhile. Wrong credentials come back as a *ServerError at once, and a store that
// is another user's as a *ClaimError. A session that the store kept needs no SignIn.
func (c *Client) SignIn(ctx context.Context, user, password string) error {
	ctx, stop := c.bound(ctx)
	defer stop()
	rng := fork(c.opts.Rand)
	var why error // of the last try that wasn't cut short: one that was knows nothing else
	for wait := signInBase; ; wait = min(2*wait, signInCap) {
		err := c.signIn(ctx, user, password)
		var se *ServerError
		var claim *ClaimError
		if err == nil || errors.As(err, &claim) || errors.As(err, &se) && !se.Retryable() {
			return err
		}
		if why == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			why = err
		}
		pause := time.Duration(rng.Int64N(int64(wait)))
		if se != nil && se.RetryAfter > 0 {
			pause += se.RetryAfter
		}
		select {
		case <-ctx.Done():
			if c.ctx.Err() != nil {
				return ErrClosed
			}
			return errors.Join(ctx.Err(), why)
		case <-time.After(pause):
		}
	}
}

// signIn asks once.
func (c *Client) signIn(ctx context.Context, user, password string) error {
	turn := c.tokens.Turn()
	out, err := c.ep.login(ctx, wire.LoginRequest{User: user, Password: password, Device: c.device})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if err := c.claim(ctx, out.User); err != nil {
		_ = c.ep.logout(ctx, out.Token) // nobody will use it; unheard it ends by itself
		return fmt.Errorf("sign in: %w", err)
	}
	if err := c.useAccount(ctx, out.User); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	err = c.tokens.SetAt(ctx, turn, token.Tokens{
		Server: c.ep.base.String(), User: out.User, Device: out.Device,
		Access: token.NewSecret(out.Token), Refresh: token.NewSecret(out.RefreshToken),
		Lifetime: seconds(out.ExpiresIn), RefreshLifetime: seconds(out.RefreshExpiresIn),
	})
	if err == nil {
		c.kickUploads() // they waited for a token, and the server answers
	}
	return err
}

// seconds is a lifetime that a server claims, bounded so that no sum of times overflows.
func seconds(n int64) time.Duration {
	return time.Duration(min(n, int64(maxTokenLife/time.Second))) * time.Second
}

// session makes the token source. Its refreshes go past everything that calls of the API go through: they need no token,
// and an outage of the API says nothing about them.
func (c *Client) session() (*token.Source, error) {
	var err error
	c.refresh, err = token.JSON(token.Endpoint{
		URL: c.ep.url("/api/auth/refresh"), Client: c.http,
		AllowPlain: true, // the application chose http in Options.Server; everything else goes that way too
	})
	if err != nil {
		return nil, err
	}
	return token.New(token.Options{
		Refresh: c.refresh, Store: c.opts.Store.Tokens(), Server: c.ep.base.String(), AttemptTimeout: c.opts.CallTimeout,
		Revoke: c.endSession, Online: c.loop.gate.Online,
		Rand: fork(c.opts.Rand), Logger: c.log,
	})
}

// SignOut ends the session here at once and asks the server, for as long as ctx lets it, to end it there too; the
// error says whether the server heard. Queued messages stay queued, and what is queued from now on waits too.
func (c *Client) SignOut(ctx context.Context) error {
	was, err := c.tokens.Logout(ctx)
	c.updateReady() // at once: the connection goes a moment later
	c.Disconnect()
	c.kickUploads() // what is under way is given up, and waits for a token
	if was.Access.IsZero() {
		return err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	return errors.Join(err, c.endSession(ctx, was))
}

// endSession asks the server to end a session. Where its access token has run out another is fetched first: the refresh
// token would live on for weeks. A session that is over already is what was asked for.
func (c *Client) endSession(ctx context.Context, t token.Tokens) error {
	err := c.ep.logout(ctx, t.Access.Reveal())
	if codeOf(err) == wire.CodeTokenExpired && !t.Refresh.IsZero() {
		var now token.Tokens
		var refused *token.RefreshError
		now, err = c.refresh(ctx, t, uuid.NewString())
		switch {
		case err == nil:
			err = c.ep.logout(ctx, now.Access.Reveal())
		case errors.As(err, &refused) && refused.Code == wire.CodeInvalidGrant:
			return nil
		}
	}
	if codeOf(err) == wire.CodeUnauthorized {
		return nil
	}
	return err
}

// codeOf is the server's code in an error, "" if there is none.
func codeOf(err error) string {
	if se, ok := errors.AsType[*ServerError](err); ok {
		return se.Code
	}
	return ""
}

// Session returns the user and device that are signed in, without secrets; ok is false if nobody is.
func (c *Client) Session() (user, device string, ok bool) {
	t, ok := c.tokens.Tokens()
	return t.User, t.Device, ok
}

// followSession holds the queue back while there is no session, and stops the connection when it is over: trying on with
// a dead grant helps nobody.
func (c *Client) followSession() {
	for change := range c.tokens.Watch(c.ctx) {
		c.updateReady()
		if change.State == token.ReauthRequired {
			c.Disconnect()
		}
	}
}

// connectionTokens tells the connection, in its words, that a session is over, or can't be read.
type connectionTokens struct{ source *token.Source }

func (t connectionTokens) Token(ctx context.Context) (string, error) {
	s, err := t.source.Token(ctx)
	return s, connectionError(err)
}

func (t connectionTokens) Renew(ctx context.Context, stale string) (string, error) {
	s, err := t.source.Renew(ctx, stale)
	return s, connectionError(err)
}

func (t connectionTokens) Accepted(access string) { t.source.Accepted(access) }

func connectionError(err error) error {
	if errors.Is(err, token.ErrSignedOut) || errors.Is(err, token.ErrDamaged) { // trying on mends neither
		return errors.Join(realtime.ErrUnauthorized, err)
	}
	return err
}
