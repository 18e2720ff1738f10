package token_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

func TestOutcomes(t *testing.T) {
	if err := checkOutcomes(); err != nil {
		t.Error(err)
	}
}

func answer(status int, code string) *token.RefreshError {
	return &token.RefreshError{Status: status, Code: code, JSON: true}
}

func page(status int) *token.RefreshError { return &token.RefreshError{Status: status} }

// checkOutcomes holds the judgement of failures against the table that it was made from.
func checkOutcomes() error {
	var errs []error
	for _, row := range []struct {
		name  string
		err   error
		class string
		maybe bool
		wait  time.Duration
	}{
		{"any error", errors.New("x"), "transient", true, 0},
		{"reset", &net.OpError{Op: "read", Err: errors.New("connection reset")}, "transient", true, 0},
		{"refused", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, "transient", false, 0},
		{"no name", &token.RefreshError{Err: &net.DNSError{Name: "x", IsNotFound: true}}, "transient", false, 0},
		{"timeout", &token.RefreshError{Err: context.DeadlineExceeded}, "transient", true, 0},
		{"unsent", &token.RefreshError{Unsent: true, Err: errors.New("x")}, "transient", false, 0},
		{"cancelled", context.Canceled, "transient", true, 0},
		{"certificate over", &token.RefreshError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "transient", false, 0},
		{"certificate of a portal", &token.RefreshError{Err: x509.UnknownAuthorityError{}}, "transient", false, 0},
		{"another host's certificate", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, "transient", false, 0},
		{"408", answer(408, ""), "transient", true, 0},
		{"425", answer(425, ""), "transient", false, 0},
		{"429", answer(429, ""), "transient", false, 0},
		{"429, told", &token.RefreshError{Status: 429, RetryAfter: 7 * time.Second}, "transient", false, 7 * time.Second},
		{"429, told a week", &token.RefreshError{Status: 429, RetryAfter: 7 * 24 * time.Hour}, "transient", false, time.Hour},
		{"500", answer(500, ""), "transient", true, 0},
		{"500 that says invalid_grant", answer(500, "invalid_grant"), "transient", true, 0},
		{"501", answer(501, ""), "transient", true, 0},
		{"502 page", page(502), "transient", true, 0},
		{"503", answer(503, ""), "transient", true, 0},
		{"503, told", &token.RefreshError{Status: 503, RetryAfter: time.Second}, "transient", true, time.Second},
		{"504", page(504), "transient", true, 0},
		{"511", page(511), "transient", false, 0},
		{"200 page", page(200), "transient", false, 0},
		{"200, cut", answer(200, ""), "transient", true, 0},
		{"302", page(302), "transient", false, 0},
		{"400 page", page(400), "transient", false, 0},
		{"401 page", page(401), "transient", false, 0},
		{"401 without a code", answer(401, ""), "transient", false, 0},
		{"403 page", page(403), "transient", false, time.Minute},
		{"404 page", page(404), "transient", false, 0},
		{"404", answer(404, "not_found"), "transient", false, 0},
		{"405 page", page(405), "transient", false, 0},
		{"407", answer(407, ""), "transient", false, 0},
		{"invalid_grant", answer(400, "invalid_grant"), "definitive", false, 0},
		{"invalid_grant, 401", answer(401, "invalid_grant"), "definitive", false, 0},
		{"invalid_grant, page", &token.RefreshError{Status: 400, Code: "invalid_grant"}, "transient", false, 0},
		{"already used", answer(400, "refresh_token_already_used"), "definitive", false, 0},
		{"access_denied", answer(403, "access_denied"), "definitive", false, 0},
		{"own code", answer(401, "gone_fishing"), "definitive", false, 0},
		{"said by the function", fmt.Errorf("x: %w", token.ErrSignedOut), "definitive", false, 0},
		{"invalid_client", answer(401, "invalid_client"), "misconfigured", false, 0},
		{"unauthorized_client", answer(400, "unauthorized_client"), "misconfigured", false, 0},
		{"unsupported_grant_type", answer(400, "unsupported_grant_type"), "misconfigured", false, 0},
		{"invalid_scope", answer(400, "invalid_scope"), "misconfigured", false, 0},
		{"invalid_request", answer(400, "invalid_request"), "unclear", false, 0},
		{"some other code", answer(422, "who_knows"), "unclear", false, 0},
		{"temporarily_unavailable", answer(400, "temporarily_unavailable"), "transient", false, 0},
		{"slow_down", answer(400, "slow_down"), "transient", false, 0},
		{"server_error", answer(400, "server_error"), "transient", false, 0},
	} {
		class, maybe, wait := token.Classify(row.err, "gone_fishing")
		if class != row.class || maybe != row.maybe || wait != row.wait {
			errs = append(errs, fmt.Errorf("%s: %s, maybe taken %v, wait %v; want %s, %v, %v",
				row.name, class, maybe, wait, row.class, row.maybe, row.wait))
		}
	}
	return errors.Join(errs...)
}

// roundTrip is a server in one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func reply(status int, contentType, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {contentType}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestWhatIsNoReplyOfTheServerCountsForNothing(t *testing.T) { inBubble(t, checkPortals) }

// checkPortals puts all that may stand between client and server in the server's place.
func checkPortals(ctx context.Context) error {
	good := `{"token":"` + access(1) + `","refreshToken":"x","expiresIn":3600}`
	for name, res := range map[string]func() *http.Response{
		"portal's page":   func() *http.Response { return reply(200, "text/html", "<html>sign in to our Wi-Fi") },
		"tokens as page":  func() *http.Response { return reply(200, "text/html", good) },
		"nothing":         func() *http.Response { return reply(200, "application/json", "") },
		"null":            func() *http.Response { return reply(200, "application/json", "null") },
		"no token":        func() *http.Response { return reply(200, "application/json", `{"token":""}`) },
		"a bad token":     func() *http.Response { return reply(200, "application/json", `{"token":"a\r\nX: y"}`) },
		"cut":             func() *http.Response { return reply(200, "application/json", good[:40]) },
		"endless":         func() *http.Response { return reply(200, "application/json", strings.Repeat(" ", 70<<10)+good) },
		"redirect":        func() *http.Response { return reply(302, "text/html", "", "Location", "https://portal.example/") },
		"needs a proxy":   func() *http.Response { return reply(407, "application/json", good) },
		"network sign-in": func() *http.Response { return reply(511, "text/html", "") },
	} {
		var asked []string
		refresh, err := token.JSON(token.Endpoint{URL: "https://auth.example/refresh", Client: &http.Client{
			Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				asked = append(asked, req.URL.Host)
				return res(), nil
			}),
		}})
		if err != nil {
			return err
		}
		s, err := signedIn(token.Options{Refresh: refresh}, time.Hour)
		if err != nil {
			return err
		}
		_, err = s.Renew(ctx, access(0))
		present, ok := s.AccessToken()
		if err == nil || errors.Is(err, token.ErrSignedOut) || !ok || present != access(0) || s.State().State != token.Degraded {
			return fmt.Errorf("%s: %w, %+v", name, err, s.State())
		}
		if len(asked) != 1 || asked[0] != "auth.example" || strings.Contains(err.Error(), secretPart) {
			return fmt.Errorf("%s: asked %v, %w", name, asked, err)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestRefreshersSpeakBothShapes(t *testing.T) {
	var got *http.Request
	var body string
	answer := reply(200, "application/json", "")
	client := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		b, _ := io.ReadAll(req.Body)
		got, body = req, string(b)
		return answer, nil
	})}
	old := token.Tokens{Refresh: token.NewSecret("r 0")}
	endpoint := token.Endpoint{URL: "https://auth.example/token", Client: client}

	refresh, _ := token.JSON(endpoint)
	answer = reply(200, "application/json", `{"token":"a1","refreshToken":"r1","expiresIn":900,"refreshExpiresIn":"86400","user":"ada","device":"d"}`)
	tokens, err := refresh(t.Context(), old, "key")
	if err != nil || tokens.Access.Reveal() != "a1" || tokens.Refresh.Reveal() != "r1" || tokens.Lifetime != 15*time.Minute ||
		tokens.RefreshLifetime != 24*time.Hour || tokens.User != "ada" || tokens.Device != "d" {
		t.Errorf("%+v, %v", tokens, err)
	}
	if got.Header.Get("Idempotency-Key") != "key" || body != `{"refreshToken":"r 0"}` || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("sent %v %s", got.Header, body)
	}
	for name, row := range map[string]struct {
		o    token.OAuthOptions
		want url.Values
		auth bool
	}{
		"public":    {token.OAuthOptions{ClientID: "c"}, url.Values{"client_id": {"c"}}, false},
		"header":    {token.OAuthOptions{ClientID: "c", ClientSecret: token.NewSecret("s:1")}, url.Values{}, true},
		"params":    {token.OAuthOptions{ClientID: "c", ClientSecret: token.NewSecret("s"), AuthStyle: token.InParams}, url.Values{"client_id": {"c"}, "client_secret": {"s"}}, false},
		"less asks": {token.OAuthOptions{ClientID: "c", Scope: []string{"a", "b"}}, url.Values{"client_id": {"c"}, "scope": {"a b"}}, false},
	} {
		row.o.Endpoint = endpoint
		refresh, err := token.OAuth2(row.o)
		if err != nil {
			t.Fatal(err)
		}
		answer = reply(200, "application/json;charset=UTF-8", `{"access_token":"a2","token_type":"bearer","expires_in":"60","refresh_token_expires_in":120,"scope":"a"}`)
		tokens, err := refresh(t.Context(), old, "key")
		if err != nil || tokens.Access.Reveal() != "a2" || !tokens.Refresh.IsZero() || tokens.Lifetime != time.Minute || tokens.Scope != "a" {
			t.Errorf("%s: %+v, %v", name, tokens, err)
		}
		row.want.Set("grant_type", "refresh_token")
		row.want.Set("refresh_token", "r 0")
		form, _ := url.ParseQuery(body)
		id, secret, auth := got.BasicAuth()
		if fmt.Sprint(form) != fmt.Sprint(row.want) || auth != row.auth || auth && (id != "c" || secret != "s%3A1") || got.Header.Get("Idempotency-Key") != "" {
			t.Errorf("%s: sent %v, auth %v", name, form, auth)
		}
	}
}

func TestEndpointsMustBeSafe(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://auth.example/token": true, "http://127.0.0.1:8080/x": true, "http://localhost/x": true, "http://[::1]:1/x": true,
		"http://auth.example/token": false, "http://127.0.0.1.example/x": false, "/token": false, "": false, "ftp://x/": false,
		"https://user:" + secretPart + "@auth.example/": false, "https://" + secretPart + "%zz/": false,
	} {
		_, err := token.JSON(token.Endpoint{URL: address})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), secretPart) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := token.JSON(token.Endpoint{URL: "http://auth.example/", AllowPlain: true}); err != nil {
		t.Error(err)
	}
}
