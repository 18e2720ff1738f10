package chatsdk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

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
// ctx ends, whatever the network does meanwhile. Wrong credentials come back as a *ServerError at once.
// A session that the store kept needs no SignIn.
func (c *Client) SignIn(ctx context.Context, user, password string) error {
	ctx, stop := c.bound(ctx)
	defer stop()
	rng := fork(c.opts.Rand)
	for wait := signInBase; ; wait = min(2*wait, signInCap) {
		err := c.signIn(ctx, user, password)
		var se *ServerError
		if err == nil || errors.As(err, &se) && !se.Retryable() {
			return err
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
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// signIn asks once.
func (c *Client) signIn(ctx context.Context, user, password string) error {
	gen := c.tokens.Generation()
	out, err := c.ep.login(ctx, wire.LoginRequest{User: user, Password: password, Device: c.device})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if err := c.useAccount(ctx, out.User); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	t := tokensOf(out)
	t.Server = c.ep.base.String()
	return c.tokens.Set(gen, t)
}

func tokensOf(out wire.TokenReply) token.Tokens {
	life := min(time.Duration(min(out.ExpiresIn, int64(maxTokenLife/time.Second)))*time.Second, maxTokenLife)
	return token.Tokens{
		User: out.User, Device: out.Device, Access: out.Token, Refresh: out.RefreshToken,
		Expiry: time.Now().Add(life), Lifetime: life,
	}
}

// refresh is the token source's RefreshFunc. Only the server's own judgement of the grant ends a session: whatever
// else answers (a portal, a proxy, a server in trouble) says nothing about it.
func (c *Client) refresh(ctx context.Context, old token.Tokens) (token.Tokens, error) {
	out, err := c.ep.refresh(ctx, old.Refresh, rand.Text())
	var se *ServerError
	if errors.As(err, &se) && se.Code == wire.CodeInvalidGrant {
		return token.Tokens{}, fmt.Errorf("%w (%s)", token.ErrSignedOut, se.Code)
	}
	if err != nil {
		return token.Tokens{}, fmt.Errorf("renew session: %w", err)
	}
	return tokensOf(out), nil
}

// SignOut ends the session here at once and asks the server, for as long as ctx lets it, to end it there too; the
// error says whether the server heard. Queued messages stay queued.
func (c *Client) SignOut(ctx context.Context) error {
	was, err := c.tokens.Logout()
	c.rt.Disconnect()
	if was.Access == "" {
		return err
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	return errors.Join(err, c.ep.logout(ctx, was.Access))
}

// Session returns the user and device that are signed in, without secrets; ok is false if nobody is.
func (c *Client) Session() (user, device string, ok bool) {
	t, ok := c.tokens.Tokens()
	return t.User, t.Device, ok
}

// followSession stops the connection when the session is over: trying on with a dead grant helps nobody.
func (c *Client) followSession() {
	for change := range c.tokens.Watch(c.ctx) {
		if change.State == token.ReauthRequired {
			c.rt.Disconnect()
		}
	}
}

// connectionTokens tells the connection, in its words, that a session is over.
type connectionTokens struct{ source *token.Source }

func (t connectionTokens) Token(ctx context.Context) (string, error) {
	s, err := t.source.Token(ctx)
	return s, connectionError(err)
}

func (t connectionTokens) Renew(ctx context.Context, stale string) (string, error) {
	s, err := t.source.Renew(ctx, stale)
	return s, connectionError(err)
}

func connectionError(err error) error {
	if errors.Is(err, token.ErrSignedOut) {
		return errors.Join(realtime.ErrUnauthorized, err)
	}
	return err
}
