package chatsdk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// endpoints is the typed client of the server's HTTP calls. It may be used concurrently.
type endpoints struct {
	base *url.URL
	api  *api.Client // calls of the session, each with its token: what the server asks of one holds for all
	auth *api.Client // signing in and out: not held back by what holds the API back

	http    *http.Client  // for pings, which are to see the network as it is
	timeout time.Duration // for one of them
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
	if err != nil { // its text may hold a password: "invalid port" quotes what stands behind the user
		return nil, errors.New("chatsdk: server address isn't a URL; give it as https://host or https://host:port")
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

func (e *endpoints) url(path string) string { return e.base.String() + path }

// websocket is the address of the realtime endpoint.
func (e *endpoints) websocket() string {
	u := *e.base
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.Path += "/connection/websocket"
	return u.String()
}

// open makes the clients; close ends them. The session is asked for the token of each attempt.
func (e *endpoints) open(c *Client) (err error) {
	o := c.opts
	opts := api.Options{
		BaseURL: e.base.String(), APIKey: o.APIKey, Transport: c.http.Transport, Deadline: o.CallTimeout,
		AttemptTimeout: c.answerTime, OnAttempt: c.onAttempt, Rand: fork(o.Rand), Logger: o.Logger,
	}
	if c.loopClosed() {
		opts.Network = &c.loop.gate
	}
	auth := opts
	auth.Rand, auth.Breaker.Disabled = fork(o.Rand), true
	if e.auth, err = api.New(auth); err != nil {
		return err
	}
	opts.Token, opts.OnRoundTrip = c.tokens, o.OnRoundTrip
	e.api, err = api.New(opts)
	return err
}

func (e *endpoints) close() {
	for _, c := range []*api.Client{e.api, e.auth} {
		if c != nil {
			_ = c.Close() // is always nil
		}
	}
}

// circuit is the server's, of the calls of the session.
func (e *endpoints) circuit() api.Circuit {
	for _, h := range e.api.Hosts() {
		return h.Circuit // calls go to one host
	}
	return api.Closed
}

// login asks once: SignIn knows better when to ask again.
func (e *endpoints) login(ctx context.Context, in wire.LoginRequest) (wire.TokenReply, error) {
	out, err := call[wire.TokenReply](ctx, e.auth, api.Request{
		Method: http.MethodPost, Path: "/api/auth/login", Body: in, Call: api.Call{MaxAttempts: 1, Priority: api.PriorityAuth},
	})
	if err == nil && (out.Token == "" || out.ExpiresIn <= 0) { // couldn't be tokens, such as a captive portal's JSON
		return wire.TokenReply{}, &ServerError{Status: http.StatusOK}
	}
	return out, err
}

func (e *endpoints) logout(ctx context.Context, access string) error {
	_, err := call[struct{}](ctx, e.auth, api.Request{
		Method: http.MethodPost, Path: "/api/auth/logout", Body: struct{}{}, Header: bearer(access),
		Call: api.Call{Idempotent: true, Priority: api.PriorityAuth}, // a session ends once
	})
	return err
}

func bearer(access string) http.Header { return http.Header{"Authorization": {"Bearer " + access}} }

func (e *endpoints) createChannel(ctx context.Context, in wire.ChannelRequest) error {
	_, err := call[struct{}](ctx, e.api, api.Request{Method: http.MethodPost, Path: "/api/channels", Body: in})
	return err
}

func (e *endpoints) history(ctx context.Context, in wire.HistoryRequest) (wire.HistoryReply, error) {
	query := url.Values{"after": {strconv.FormatUint(in.After, 10)}}
	if in.Limit > 0 {
		query.Set("limit", strconv.Itoa(in.Limit))
	}
	return call[wire.HistoryReply](ctx, e.api, api.Request{Path: messagesPath(in.Channel), Query: query})
}

// outgoing is how messages are posted. Their ids make it safe to send them again, but the queue knows better when, and
// with which others; and the token is the one that was looked at, so that nobody's messages go out in another's name.
var outgoing = api.Call{Idempotent: true, MaxAttempts: 1}

// send posts one message.
func (e *endpoints) send(ctx context.Context, access, channel string, in wire.SendRequest) (wire.SendReply, error) {
	return call[wire.SendReply](ctx, e.api, api.Request{
		Method: http.MethodPost, Path: messagesPath(channel), Body: in, Header: bearer(access), Call: outgoing,
	})
}

// sendBatch posts messages of several channels; the reply holds one result for each, in order.
func (e *endpoints) sendBatch(ctx context.Context, access string, in wire.BatchRequest) (wire.BatchReply, error) {
	return call[wire.BatchReply](ctx, e.api, api.Request{
		Method: http.MethodPost, Path: "/api/messages", Body: in, Header: bearer(access), Call: outgoing,
	})
}

func messagesPath(channel string) string {
	return "/api/channels/" + url.PathEscape(channel) + "/messages"
}

// ping asks whether the server itself answers: a captive portal doesn't know the challenge's echo.
func (e *endpoints) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url("/api/health/ping?c="+challenge), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	res, err := e.http.Do(req)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent || res.Header.Get(wire.HeaderChallenge) != challenge {
		return &ServerError{Status: res.StatusCode}
	}
	return nil
}

// call is api.Do with our errors: a *ServerError where the server refused, the token source's own where there is no
// session.
func call[T any](ctx context.Context, c *api.Client, r api.Request) (T, error) {
	out, err := api.Do[T](ctx, c, r)
	var e *api.Error
	switch {
	case !errors.As(err, &e):
		return out, err
	case errors.Is(err, api.ErrToken) && e.Err != nil:
		return out, e.Err
	case e.Status != 0 && refused(e.Kind):
		return out, serverError(e)
	}
	return out, err
}
