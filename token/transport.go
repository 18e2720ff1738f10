package token

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// drainLimit bounds what is read of a refused reply so that its connection can be used again.
const drainLimit = 64 << 10

// Transport is an http.RoundTripper that adds the access token to each request, and sends a request again, once, with
// another token if it is answered 401 and its body can be sent again. It may be used concurrently.
type Transport struct {
	Source *Source
	// Base sends. nil means http.DefaultTransport.
	Base http.RoundTripper
	// Origins are those that get the token, as "https://api.example.com". Empty means each origin that a request is made
	// for; either way a redirect to another origin gets none.
	Origins []string
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip implements http.RoundTripper. It waits for a token if there is none that is good, and fails if there can't be.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if !t.trusts(req) {
		return base.RoundTrip(req)
	}
	access, err := t.Source.Token(req.Context())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("token for %s: %w", req.URL.Host, err), closeBody(req))
	}
	res, err := base.RoundTrip(t.with(req, access, req.Body))
	if err != nil || res.StatusCode != http.StatusUnauthorized || !curable(res.Header.Values("WWW-Authenticate")) {
		return res, err
	}
	body, ok := again(req)
	if !ok {
		return res, nil
	}
	other, err := t.Source.Renew(req.Context(), access)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return res, nil // the answer says more than our failure to better it, which State tells
	}
	_, _ = io.CopyN(io.Discard, res.Body, drainLimit)
	_ = res.Body.Close()
	return base.RoundTrip(t.with(req, other, body))
}

// trusts says that the request's origin may see the token.
func (t *Transport) trusts(req *http.Request) bool {
	origin := originOf(req)
	if len(t.Origins) > 0 && !slices.Contains(t.Origins, origin) {
		return false
	}
	first := req
	for first.Response != nil && first.Response.Request != nil { // a redirect: what led to it
		first = first.Response.Request
		if originOf(first) != origin {
			return false
		}
	}
	return true
}

func originOf(req *http.Request) string {
	return strings.ToLower(req.URL.Scheme + "://" + req.URL.Host)
}

// with is a copy of the request with a token: the caller's own isn't ours to change.
func (t *Transport) with(req *http.Request, access string, body io.ReadCloser) *http.Request {
	kind := "Bearer"
	if tokens, _ := t.Source.Tokens(); tokens.Type != "" && !strings.EqualFold(tokens.Type, kind) {
		kind = tokens.Type
	}
	clone := req.Clone(req.Context())
	clone.Header.Set("Authorization", kind+" "+access)
	clone.Body = body
	return clone
}

// again returns the request's body once more; ok is false if it can't be had.
func again(req *http.Request) (body io.ReadCloser, ok bool) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return req.Body, true
	case req.GetBody == nil:
		return nil, false
	}
	body, err := req.GetBody()
	return body, err == nil
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// curable says that another token may help against a 401: RFC 6750 3.1 has an error of its own for a token that asks for
// too much, and servers that don't say what is wrong are given the benefit of the doubt.
func curable(challenges []string) bool {
	code := bearerError(challenges)
	return code == "" || code == "invalid_token"
}

// bearerError is the error parameter of the Bearer challenge among the challenges (RFC 9110 11.6.1), "" if it has none.
func bearerError(challenges []string) string {
	for _, challenge := range challenges {
		bearer := false
		for _, part := range splitList(challenge) {
			if scheme, rest, ok := strings.Cut(part, " "); ok && !strings.Contains(scheme, "=") {
				bearer, part = strings.EqualFold(scheme, "Bearer"), strings.TrimSpace(rest)
			} else if !strings.Contains(part, "=") {
				bearer = strings.EqualFold(part, "Bearer")
				continue
			}
			name, value, _ := strings.Cut(part, "=")
			if bearer && strings.EqualFold(strings.TrimSpace(name), "error") {
				return strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return ""
}

// splitList splits at commas outside of quotes.
func splitList(s string) []string {
	var parts []string
	quoted, escaped, from := false, false, 0
	for i := range len(s) {
		switch {
		case escaped:
			escaped = false
		case quoted && s[i] == '\\':
			escaped = true
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[from:]))
}
