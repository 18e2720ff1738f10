package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Names of fields in replies: those of RFC 6749 5.1 with what is usual beside it, and those of chatsdk's own servers.
var (
	accessNames        = []string{"access_token", "token", "accessToken"}
	refreshNames       = []string{"refresh_token", "refreshToken"}
	lifetimeNames      = []string{"expires_in", "expiresIn"}
	refreshExpiryNames = []string{"refresh_token_expires_in", "refresh_expires_in", "refreshExpiresIn"}
	codeNames          = []string{"error", "code"}
)

// errNoToken says that a reply is JSON, but holds no token.
var errNoToken = errors.New("the answer holds no token that a header could hold")

// parseReply reads tokens in either shape. What it can't understand of the lifetimes counts as not said. Its errors hold
// nothing of the reply.
func parseReply(body []byte) (Tokens, error) {
	fields, err := object(body)
	if err != nil {
		return Tokens{}, err
	}
	t := Tokens{
		Access: NewSecret(text(fields, accessNames)), Refresh: NewSecret(text(fields, refreshNames)),
		Type: text(fields, []string{"token_type"}), Scope: text(fields, []string{"scope"}),
		User: text(fields, []string{"user"}), Device: text(fields, []string{"device"}),
		Lifetime: seconds(fields, lifetimeNames), RefreshLifetime: seconds(fields, refreshExpiryNames),
	}
	if !sendable(t.Access.Reveal()) {
		return Tokens{}, errNoToken
	}
	if life := jwtLife(t.Access.Reveal()); life > 0 && (t.Lifetime == 0 || life < t.Lifetime) {
		t.Lifetime = life
	}
	return t, nil
}

// parseCode reads the error code of RFC 6749 5.2 or of a problem (RFC 9457).
func parseCode(body []byte) string {
	fields, err := object(body)
	if err != nil {
		return ""
	}
	for _, name := range codeNames {
		if code := codeOf(text(fields, []string{name})); code != "" {
			return code
		}
	}
	return ""
}

func object(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, errors.New("the answer isn't a JSON object") // the error of json quotes the body
	}
	return fields, nil
}

// text is the first of the named fields that is a string with something in it.
func text(fields map[string]json.RawMessage, names []string) string {
	for _, name := range names {
		var s string
		if json.Unmarshal(fields[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// seconds is the first of the named fields that is a number above 0, or a string that holds one: some servers write one.
func seconds(fields map[string]json.RawMessage, names []string) time.Duration {
	for _, name := range names {
		raw := strings.Trim(string(fields[name]), `"`)
		n, err := strconv.ParseFloat(raw, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(n) || n <= 0 {
			continue
		}
		if n >= maxLife.Seconds() {
			return maxLife
		}
		return time.Duration(n * float64(time.Second))
	}
	return 0
}

// jwtLife is the lifetime that a JWT names for itself (RFC 7519 4.1.4, 4.1.6), 0 if it is no JWT or doesn't. It is a
// difference of two times of the server's, so that nobody's clock matters. Nothing is verified: it only makes a refresh
// earlier.
func jwtLife(access string) time.Duration {
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		return 0
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0
	}
	var claims struct {
		Exp, Iat float64
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Iat <= 0 || claims.Exp-claims.Iat < 1 {
		return 0
	}
	if life := claims.Exp - claims.Iat; life < maxLife.Seconds() {
		return time.Duration(life * float64(time.Second))
	}
	return maxLife
}
