package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	tokenTimeout = 10 * time.Second // of one call of the token source
	maxHops      = 3                // redirects that are followed for one request
	drainReply   = 64 << 10         // of a reply's body is read, so that its connection can be used again
	maxReason    = 200              // bytes of a reply's body that are told to people
)

// errKicked ends a request because the network changed.
var errKicked = errors.New("the network changed")

// newClient makes what sends requests, and the transport in it where it is ours. HTTP/1.1 alone: a request has a
// connection of its own, which can be given up without the others, and no window of HTTP/2 on top of TCP's.
func (q *Queue) newClient() (*http.Client, *http.Transport) {
	c := &http.Client{
		Transport:     q.opts.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Transport != nil {
		return c, nil
	}
	t := &http.Transport{
		TLSClientConfig: q.opts.TLSConfig.Clone(), TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second,
		MaxIdleConnsPerHost: q.opts.Concurrent + 1, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		Protocols: new(http.Protocols), // the write buffer is small: what is paced must not be gathered in it
	}
	t.Protocols.SetHTTP1(true)
	dial := q.opts.DialContext
	t.Proxy = q.opts.Proxy
	if dial == nil {
		dial, t.Proxy = new(net.Dialer).DialContext, http.ProxyFromEnvironment
	}
	t.DialContext = q.path.dialler(dial)
	c.Transport = t
	return c, t
}

// call is one request. It is repeated by whoever makes it, never here, redirects and one renewal of the token aside.
type call struct {
	method string
	url    string
	header http.Header
	body   func(ctx context.Context, a *alarm) *body // or nil
	auth   func()                                    // called before the token is renewed, or nil
}

// reply is what is needed of a response.
type reply struct {
	status int
	header http.Header
	url    *url.URL // that was asked last
	reason string   // the beginning of the body of what isn't a success
	took   time.Duration
}

// do makes a call. An error means that no answer came.
func (q *Queue) do(ctx context.Context, c call) (reply, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return reply{}, errLocation
	}
	stale, hops := "", 0
	for {
		token, err := q.token(ctx, u, stale)
		if err != nil {
			return reply{}, &tokenError{err}
		}
		r, err := q.once(ctx, c, u, token)
		if err != nil {
			return reply{}, err
		}
		switch r.status {
		case http.StatusUnauthorized, http.StatusForbidden:
			if token == "" || stale != "" {
				return r, nil
			}
			if stale = token; c.auth != nil {
				c.auth()
			}
		case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			to, err := q.locate(u, r.header.Get("Location"))
			if hops++; err != nil || hops > maxHops {
				return r, nil
			}
			if next, err := url.Parse(to); err == nil && (originOf(next) == originOf(u) || planted == bugTokenAnywhere) {
				u = next
				continue
			}
			return r, nil
		default:
			return r, nil
		}
	}
}

// tokenError means that there is no token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "no token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// token asks for a token where one may be sent; stale is one that was refused, or "".
func (q *Queue) token(ctx context.Context, u *url.URL, stale string) (string, error) {
	if q.opts.Token == nil || !q.ours(u) {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	if stale != "" {
		return q.opts.Token.Renew(ctx, stale)
	}
	return q.opts.Token.Token(ctx)
}

// once sends a request and reads its answer.
func (q *Queue) once(ctx context.Context, c call, u *url.URL, token string) (reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q.mu.Lock()
	kick := q.kick
	q.mu.Unlock()
	defer context.AfterFunc(kick, func() { cancel(errKicked) })()
	a := newAlarm(q.path.patience(q.opts.StallAfter), cancel)
	defer a.hold()

	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), http.NoBody)
	if err != nil {
		return reply{}, errLocation
	}
	if q.ours(u) {
		for name, values := range q.opts.Header {
			req.Header[name] = append([]string(nil), values...)
		}
	}
	maps.Copy(req.Header, c.header)
	req.Header.Set("Tus-Resumable", "1.0.0")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.body != nil {
		b := c.body(ctx, a)
		req.Body, req.ContentLength = b, b.end-b.pos
	}
	start := time.Now()
	res, err := q.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if q.own != nil {
			q.own.CloseIdleConnections() // they may be as dead as this one
		}
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // it names the URL, which may be a secret
		}
		return reply{}, fmt.Errorf("%s: %w", c.method, err)
	}
	defer res.Body.Close()
	r := reply{status: res.StatusCode, header: res.Header, url: u, took: time.Since(start)}
	head := make([]byte, maxReason)
	n, _ := io.ReadFull(res.Body, head)
	if r.status >= 400 {
		r.reason = printable(head[:n])
		if token != "" {
			r.reason = strings.ReplaceAll(r.reason, token, "[token]") // some servers repeat what they refuse
		}
	}
	_, _ = io.CopyN(io.Discard, res.Body, drainReply)
	return r, nil
}

// printable is a reply's text as it may stand in a line.
func printable(b []byte) string {
	out := make([]rune, 0, len(b))
	for _, c := range string(b) {
		if c < ' ' || c == 0x7f || c == '\uFFFD' {
			c = ' '
		}
		out = append(out, c)
	}
	return string(out)
}
