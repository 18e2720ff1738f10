package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// maxReply bounds a reply's body. A token with all that a large company puts into it is some KiB.
const maxReply = 64 << 10

// Endpoint is where refreshes are sent.
type Endpoint struct {
	// URL is absolute, and https unless its host is this machine.
	URL string
	// AllowPlain takes http to other hosts too: whoever is on the way can then take the session over.
	AllowPlain bool
	// Client sends. Its redirects are never followed: they would carry the refresh token elsewhere. It should be one that
	// needs no token itself. nil means one of its own that uses http.DefaultTransport.
	Client *http.Client
}

// AuthStyle says how an OAuth client names itself.
type AuthStyle int

const (
	// InHeader sends id and secret by HTTP Basic, which every server knows (RFC 6749 2.3.1). A client without a secret
	// sends its id as a parameter all the same.
	InHeader AuthStyle = iota
	// InParams sends both as parameters.
	InParams
)

// OAuthOptions configures OAuth2. There is no guessing: trying one style after the other sends a refresh token twice,
// which ends the session at a server that is strict about it.
type OAuthOptions struct {
	Endpoint
	ClientID     string
	ClientSecret Secret    // empty for public clients
	AuthStyle    AuthStyle // defaults to InHeader
	Scope        []string  // to ask for less than what was granted; empty asks for the same
	// IdempotencyKey sends the header Idempotency-Key, for servers that know it.
	IdempotencyKey bool
}

// OAuth2 makes a RefreshFunc that speaks RFC 6749 6.
func OAuth2(o OAuthOptions) (RefreshFunc, error) {
	send, err := o.prepare()
	if err != nil {
		return nil, err
	}
	if o.ClientID == "" {
		return nil, errors.New("token: OAuthOptions.ClientID is required")
	}
	return func(ctx context.Context, old Tokens, key string) (Tokens, error) {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh.Reveal()}}
		if len(o.Scope) > 0 {
			form.Set("scope", strings.Join(o.Scope, " "))
		}
		basic := o.AuthStyle == InHeader && !o.ClientSecret.IsZero()
		if !basic {
			form.Set("client_id", o.ClientID)
			if !o.ClientSecret.IsZero() {
				form.Set("client_secret", o.ClientSecret.Reveal())
			}
		}
		return send(ctx, "application/x-www-form-urlencoded", []byte(form.Encode()), func(req *http.Request) {
			if basic {
				req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret.Reveal()))
			}
			if o.IdempotencyKey {
				req.Header.Set("Idempotency-Key", key)
			}
		})
	}, nil
}

// JSON makes a RefreshFunc that posts {"refreshToken": …} with an Idempotency-Key and reads {"token", "refreshToken",
// "expiresIn", "refreshExpiresIn"}, in seconds. Refusals are problems (RFC 9457) with the code invalid_grant.
func JSON(e Endpoint) (RefreshFunc, error) {
	send, err := e.prepare()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, old Tokens, key string) (Tokens, error) {
		body, err := json.Marshal(map[string]string{"refreshToken": old.Refresh.Reveal()})
		if err != nil {
			return Tokens{}, &RefreshError{Unsent: true, Err: errors.New("encode request")}
		}
		return send(ctx, "application/json", body, func(req *http.Request) { req.Header.Set("Idempotency-Key", key) })
	}, nil
}

// sendFunc posts a body and reads tokens.
type sendFunc func(ctx context.Context, contentType string, body []byte, edit func(*http.Request)) (Tokens, error)

// prepare checks the endpoint once.
func (e Endpoint) prepare() (sendFunc, error) {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		return nil, errors.New("token: Endpoint.URL isn't a URL") // the cause quotes it, and it may hold a password
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("token: Endpoint.URL must be an absolute https URL")
	case u.User != nil:
		return nil, errors.New("token: Endpoint.URL holds a user or password; use OAuthOptions.ClientID and ClientSecret")
	case u.Scheme == "http" && !e.AllowPlain && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("token: %s would get tokens unencrypted; use https, or AllowPlain on a network that you trust", u.Hostname())
	}
	client := http.Client{}
	if e.Client != nil {
		client = *e.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, contentType string, body []byte, edit func(*http.Request)) (Tokens, error) {
		return post(ctx, &client, u.String(), contentType, body, edit)
	}, nil
}

// isLoopback says that what is sent there doesn't leave the machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func post(
	ctx context.Context, client *http.Client, address, contentType string, body []byte, edit func(*http.Request),
) (Tokens, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Tokens{}, &RefreshError{Unsent: true, Err: errors.New("make request")}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	edit(req)
	if req.Header.Get("Idempotency-Key") != "" && planted != bugSentTwice {
		// With one net/http takes it upon itself to send again what may have been processed. Whether that is safe is the
		// Source's to decide, and its contract is one request.
		req.GetBody = nil
	}
	res, err := client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return Tokens{}, &RefreshError{Err: err}
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	re := &RefreshError{Status: res.StatusCode, JSON: isJSON(res.Header.Get("Content-Type"))}
	re.RetryAfter, _ = backoff.RetryAfter(res.Header, time.Now())
	switch {
	case err != nil:
		re.Err = fmt.Errorf("read reply: %w", err)
	case len(reply) > maxReply:
		re.Err = errors.New("the answer is too long")
	case res.StatusCode/100 != 2:
		if re.JSON {
			re.Code = parseCode(reply)
		}
	case !re.JSON && planted != bugPortalBelieved:
		re.Err = errors.New("the answer isn't JSON")
	default:
		t, err := parseReply(reply)
		if err == nil {
			return t, nil
		}
		if planted == bugPortalBelieved {
			return Tokens{Access: NewSecret(string(reply)), Lifetime: assumedLife}, nil
		}
		re.Err = err
	}
	return Tokens{}, re
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"))
}
