package api

import "strings"

// challenge is one of a WWW-Authenticate field (RFC 9110, 11.6.1).
type challenge struct {
	scheme string // lower case
	params map[string]string
}

// maxChallenges bounds those that are read.
const maxChallenges = 16

// challenges reads WWW-Authenticate. The comma separates challenges and parameters alike: a part that begins with a
// word and a space, or is a word alone, begins a challenge.
func challenges(values []string) []challenge {
	var out []challenge
	for _, part := range split(strings.Join(values, ","), ',') {
		name, value, isParam := strings.Cut(part, "=")
		scheme, rest, spaced := strings.Cut(part, " ")
		switch {
		case part == "":
			continue
		case !isParam, spaced && len(scheme) < len(name): // "Bearer", "Bearer realm=…", "Negotiate dG9r…"
			if len(out) == maxChallenges {
				return out
			}
			out = append(out, challenge{strings.ToLower(scheme), map[string]string{}})
			if !isParam {
				continue
			}
			name, value, _ = strings.Cut(strings.TrimSpace(rest), "=")
		}
		if len(out) > 0 {
			out[len(out)-1].params[strings.ToLower(strings.TrimSpace(name))] = unquote(strings.TrimSpace(value))
		}
	}
	return out
}

// unquote takes a quoted string's content, RFC 9110, 5.6.4.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// renewable says whether another token can cure a 401 with these challenges (RFC 6750, 3.1): the token is invalid, or
// the server doesn't say why. insufficient_scope and other schemes aren't cured by a newer token of the same kind.
func renewable(values []string) bool {
	bearer := false
	for _, c := range challenges(values) {
		if c.scheme != "bearer" && c.scheme != "dpop" {
			continue
		}
		bearer = true
		if e := c.params["error"]; e == "" || e == "invalid_token" {
			return true
		}
	}
	return !bearer && len(values) == 0
}
