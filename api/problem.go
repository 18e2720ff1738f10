package api

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"
)

// setBody keeps a refusing answer's body, and the problem in it if there is one.
func (e *Error) setBody(body []byte, contentType string) {
	if len(body) == 0 {
		return
	}
	e.Body = body
	media, _, _ := mime.ParseMediaType(contentType)
	if media != "application/json" && !strings.HasSuffix(media, "+json") {
		return
	}
	var p Problem
	if json.Unmarshal(body, &p) == nil && (p.Code != "" || p.Title != "" || p.Detail != "" || p.Type != "") {
		p.Raw = body
		e.Problem = &p
	}
}

// redact takes the call's secrets out of what a server says: one that echoes its request mustn't put them into an error.
// It is called for each answer, with the token of its attempt still at hand.
func (cl *call) redact(body []byte) []byte {
	cut, longest := len(body) >= maxErrorBody, 0
	for _, secret := range cl.secrets() {
		for _, s := range spellings(secret) {
			body = bytes.ReplaceAll(body, s, []byte("[redacted]"))
			longest = max(longest, len(s))
		}
	}
	if cut { // it may have been cut in the middle of one
		body = body[:max(len(body)-longest, 0)]
	}
	return body
}

// secrets are those that the request carries: ours, and those that the caller put into its header.
func (cl *call) secrets() []string {
	all := []string{cl.token, cl.c.opts.APIKey}
	for _, name := range []string{fieldAuthorization, "Proxy-Authorization"} {
		for _, value := range cl.req.Header.Values(name) {
			if _, credentials, ok := strings.Cut(value, " "); ok { // behind the scheme, which is no secret
				value = strings.TrimSpace(credentials)
			}
			all = append(all, value)
		}
	}
	all = append(all, cl.req.Header.Values(fieldAPIKey)...)
	for _, cookie := range cl.req.Cookies() {
		all = append(all, cookie.Value)
	}
	return all
}

// spellings are a secret as it is and as JSON has it: with signs of HTML escaped, and with slashes too.
func spellings(secret string) [][]byte {
	if secret == "" {
		return nil
	}
	out := [][]byte{[]byte(secret)}
	if quoted, err := json.Marshal(secret); err == nil {
		quoted = quoted[1 : len(quoted)-1]
		out = append(out, quoted, bytes.ReplaceAll(quoted, []byte("/"), []byte(`\/`)))
	}
	return out
}
