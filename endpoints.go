package chatsdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// maxReply bounds a reply's body. The largest true one is a page of history: 200 messages of 16 KiB and their frame.
const maxReply = 8 << 20

// endpoints is the typed client of the server's HTTP calls. It may be used concurrently.
type endpoints struct {
	base    *url.URL
	http    *http.Client
	timeout time.Duration // for one call
}

// parseServer checks the address a user gave and fills in what people leave out.
func parseServer(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("chatsdk: Options.Server is empty; give the server's address, such as https://chat.example.com")
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("chatsdk: server address isn't a URL: %w", redactURL(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("chatsdk: server address starts with %q; use http:// or https://", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("chatsdk: server address names no host; give it as https://host or https://host:port")
	case u.User != nil:
		return nil, errors.New("chatsdk: server address holds a user or password; sign in with SignIn instead")
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	return u, nil
}

// redactURL keeps the cause of a *url.Error and drops its URL, which may hold a password.
func redactURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

func (e *endpoints) url(path string) string { return e.base.String() + path }

// websocket is the address of the realtime endpoint.
func (e *endpoints) websocket() string {
	u := *e.base
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.Path += "/connection/websocket"
	return u.String()
}

func (e *endpoints) login(ctx context.Context, in wire.LoginRequest) (wire.TokenReply, error) {
	return tokens(ctx, e, "/api/auth/login", in, nil)
}

func (e *endpoints) refresh(ctx context.Context, refreshToken, key string) (wire.TokenReply, error) {
	h := http.Header{wire.HeaderIdempotencyKey: {key}}
	return tokens(ctx, e, "/api/auth/refresh", wire.RefreshRequest{RefreshToken: refreshToken}, h)
}

// tokens posts and refuses an answer that couldn't be tokens, such as a captive portal's page.
func tokens(ctx context.Context, e *endpoints, path string, in any, h http.Header) (wire.TokenReply, error) {
	var out wire.TokenReply
	if err := e.call(ctx, http.MethodPost, path, h, in, &out); err != nil {
		return wire.TokenReply{}, err
	}
	if out.Token == "" || out.ExpiresIn <= 0 {
		return wire.TokenReply{}, &ServerError{Status: http.StatusOK}
	}
	return out, nil
}

func (e *endpoints) logout(ctx context.Context, access string) error {
	return e.call(ctx, http.MethodPost, "/api/auth/logout", bearer(access), struct{}{}, nil)
}

func (e *endpoints) createChannel(ctx context.Context, access string, in wire.ChannelRequest) error {
	return e.call(ctx, http.MethodPost, "/api/channels", bearer(access), in, nil)
}

func (e *endpoints) history(ctx context.Context, access string, in wire.HistoryRequest) (wire.HistoryReply, error) {
	var out wire.HistoryReply
	path := fmt.Sprintf("/api/channels/%s/messages?after=%d", url.PathEscape(in.Channel), in.After)
	if in.Limit > 0 {
		path += "&limit=" + strconv.Itoa(in.Limit)
	}
	err := e.call(ctx, http.MethodGet, path, bearer(access), nil, &out)
	return out, err
}

// sendBatch is RPC message.send over HTTP.
func (e *endpoints) sendBatch(ctx context.Context, access string, in wire.BatchRequest) (wire.BatchReply, error) {
	var out wire.BatchReply
	err := e.call(ctx, http.MethodPost, "/api/messages", bearer(access), in, &out)
	return out, err
}

func (e *endpoints) send(ctx context.Context, access string, in wire.BatchEntry) (wire.SendReply, error) {
	var out wire.SendReply
	err := e.call(ctx, http.MethodPost, "/api/channels/"+url.PathEscape(in.Channel)+"/messages", bearer(access), in.SendRequest, &out)
	return out, err
}

// ping asks whether the server itself answers: a captive portal doesn't know the challenge's echo.
func (e *endpoints) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url("/api/health/ping?c="+challenge), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", redactURL(err))
	}
	res, err := e.http.Do(req)
	if err != nil {
		return fmt.Errorf("ping: %w", redactURL(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent || res.Header.Get(wire.HeaderChallenge) != challenge {
		return &ServerError{Status: res.StatusCode}
	}
	return nil
}

func bearer(access string) http.Header { return http.Header{"Authorization": {"Bearer " + access}} }

// call sends in as JSON, if there is any, and decodes the answer into out, unless that is nil.
func (e *endpoints) call(ctx context.Context, method, path string, h http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, e.url(path), body)
	if err != nil {
		return fmt.Errorf("make request: %w", redactURL(err))
	}
	maps.Copy(req.Header, h)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := e.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, req.URL.Path, redactURL(err))
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return fmt.Errorf("%s %s: read reply: %w", method, req.URL.Path, err)
	}
	if res.StatusCode/100 != 2 {
		return replyError(res, b)
	}
	if out == nil {
		return nil
	}
	if len(b) > maxReply || json.Unmarshal(b, out) != nil {
		return &ServerError{Status: res.StatusCode}
	}
	return nil
}

// replyError reads the problem out of a refusing answer.
func replyError(res *http.Response, body []byte) error {
	e := &ServerError{Status: res.StatusCode}
	var p wire.Problem
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		e.Code, e.Detail, e.expected = p.Code, p.Detail, p.Expected
		e.RetryAfter = time.Duration(p.RetryAfterMS) * time.Millisecond
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 && e.RetryAfter == 0 {
		e.RetryAfter = time.Duration(min(s, 86400)) * time.Second
	}
	return e
}
