// Package oauth2token lends a token.Source to programs that use golang.org/x/oauth2. Nothing else here imports that module.
package oauth2token

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/chatsdk/chatsdk/token"
)

// Source makes an oauth2.TokenSource. An oauth2.ReuseTokenSource around it, as oauth2.NewClient makes one, keeps
// nothing: the Source under it does that. Since an oauth2.TokenSource takes no ctx, ctx bounds every wait that it
// causes; it should live as long as the source is used.
func Source(ctx context.Context, source *token.Source) oauth2.TokenSource {
	return &adapter{ctx: ctx, source: source}
}

type adapter struct {
	ctx    context.Context // of Source: the interface has no other place for one
	source *token.Source
}

// keep is how long oauth2 may take a token for good. It takes ten seconds off (its expiryDelta) and asks again when they
// are over: so it asks each time, as it must, since it would go on with the token of a session that has ended. Asking
// costs some nanoseconds.
const keep = 10 * time.Second

// Token returns a token that is good now.
func (a *adapter) Token() (*oauth2.Token, error) {
	access, err := a.source.Token(a.ctx)
	if err != nil {
		return nil, err
	}
	tokens, _ := a.source.Tokens()
	return &oauth2.Token{AccessToken: access, TokenType: tokens.Type, Expiry: time.Now().Add(keep)}, nil
}

// Tokens takes over what a sign-in by oauth2 brought, for token.Source.Set.
func Tokens(t *oauth2.Token) (token.Tokens, error) {
	if t == nil || t.AccessToken == "" {
		return token.Tokens{}, errors.New("oauth2token: no access token")
	}
	scope, _ := t.Extra("scope").(string)
	return token.Tokens{
		Access: token.NewSecret(t.AccessToken), Refresh: token.NewSecret(t.RefreshToken), Type: t.TokenType,
		Scope: scope, Expiry: t.Expiry,
	}, nil
}
