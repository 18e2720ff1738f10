package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// tokenReply is the server's answer to a login and to a refresh.
type tokenReply struct {
	Token        string `json:"token"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int64  `json:"expiresIn"`
	Code         string `json:"code"`
}

// signIn opens a session and the source that keeps it.
func (c *httpClient) signIn(ctx context.Context, w *World, url string, way http.RoundTripper) error {
	plain := &http.Client{Transport: way, Timeout: limit}
	first, err := postTokens(ctx, plain, url+"/api/auth/login", map[string]string{"user": c.Name, "password": password, "device": c.Name + "-1"}, "")
	if err != nil {
		return err
	}
	c.session, err = token.New(token.Options{
		Store: token.NewMemory(),
		Refresh: func(ctx context.Context, old token.Tokens) (token.Tokens, error) {
			t, err := postTokens(ctx, plain, url+"/api/auth/refresh", map[string]string{"refreshToken": old.Refresh}, "")
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
	c.watches.Go(func() {
		for change := range changes {
			c.record.note(func(v *HTTPView) {
				v.Sessions = append(v.Sessions, HTTPSession{
					At: time.Now(), Client: c.Name, State: change.State.String(), Over: change.State == token.ReauthRequired,
				})
			})
		}
	})
	return c.session.Set(c.session.Generation(), first)
}

func postTokens(ctx context.Context, client *http.Client, url string, in any, key string) (token.Tokens, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return token.Tokens{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return token.Tokens{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := client.Do(req)
	if err != nil {
		return token.Tokens{}, err
	}
	defer res.Body.Close()
	var out tokenReply
	err = json.NewDecoder(res.Body).Decode(&out)
	switch {
	case out.Code == "invalid_grant":
		return token.Tokens{}, fmt.Errorf("%w (%s)", token.ErrSignedOut, out.Code)
	case err != nil:
		return token.Tokens{}, err
	case res.StatusCode != http.StatusOK || out.Token == "":
		return token.Tokens{}, fmt.Errorf("status %d", res.StatusCode)
	}
	life := time.Duration(out.ExpiresIn) * time.Second
	return token.Tokens{Access: out.Token, Refresh: out.RefreshToken, Lifetime: life, Expiry: time.Now().Add(life)}, nil
}
