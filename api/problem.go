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
func (cl *call) redact(body []byte) []byte {
	for _, secret := range []string{cl.token, cl.c.opts.APIKey} {
		if secret != "" {
			body = bytes.ReplaceAll(body, []byte(secret), []byte("[redacted]"))
		}
	}
	return body
}
