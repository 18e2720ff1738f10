package scenario

import (
	"context"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/token"
)

// loginReply is the server's answer to a login.
type loginReply struct {
	Token        string `json:"token"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int64  `json:"expiresIn"`
}

// signIn opens a session and the source that keeps it.
func (c *httpClient) signIn(ctx context.Context, w *World, url string, way http.RoundTripper) error {
	refresh, err := token.JSON(token.Endpoint{
		URL: url + "/api/auth/refresh", Client: &http.Client{Transport: way}, AllowPlain: true, // in memory, or loopback
	})
	if err != nil {
		return err
	}
	c.session, err = token.New(token.Options{
		Store: token.NewMemory(), Rand: w.fork(), Logger: w.log,
		Refresh: func(ctx context.Context, old token.Tokens, key string) (token.Tokens, error) {
			t, err := refresh(ctx, old, key)
			c.record.note(func(v *HTTPView) {
				v.Refreshes = append(v.Refreshes, HTTPRefresh{At: time.Now(), Client: c.Name, OK: err == nil})
			})
			return t, err
		},
	})
	if err != nil {
		return err
	}
	changes := c.session.Watch(context.WithoutCancel(ctx)) // ends with the session's Close
	c.watches.Go(func() { c.followSession(changes) })
	first, err := c.login(ctx, url, way)
	if err != nil {
		return err
	}
	if err := c.session.Set(ctx, first); err != nil {
		return err
	}
	return c.session.Start()
}

func (c *httpClient) followSession(changes <-chan token.Change) {
	for change := range changes {
		c.record.note(func(v *HTTPView) {
			v.Sessions = append(v.Sessions, HTTPSession{
				At: time.Now(), Client: c.Name, State: change.State.String(),
				Over: change.State == token.ReauthRequired || change.State == token.None && change.From != token.None,
			})
		})
	}
}

// login asks for a session's first tokens.
func (c *httpClient) login(ctx context.Context, url string, way http.RoundTripper) (token.Tokens, error) {
	return login(ctx, url, way, c.Name, c.Name+"-1")
}

// login signs a user in on a device.
func login(ctx context.Context, url string, way http.RoundTripper, user, device string) (token.Tokens, error) {
	plain, err := api.New(api.Options{BaseURL: url, Transport: way})
	if err != nil {
		return token.Tokens{}, err
	}
	defer func() { _ = plain.Close() }() // has nothing under way
	out, err := api.Do[loginReply](ctx, plain, api.Request{
		Method: http.MethodPost, Path: "/api/auth/login",
		Body: map[string]string{"user": user, "password": password, "device": device},
	})
	return token.Tokens{
		User: user, Access: token.NewSecret(out.Token), Refresh: token.NewSecret(out.RefreshToken),
		Lifetime: time.Duration(out.ExpiresIn) * time.Second,
	}, err
}
