package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Usual values of Limits, for a server that sets none and for a client that wasn't told any yet.
const (
	UsualTextBytes   = 16 << 10 // a long e-mail; four of them and their overhead fit one frame
	UsualAttachments = 10
)

// Misfit says why no server takes a message, whatever else it knows: both sides judge by the functions of this file, so
// that a client promises nothing which is then refused for good.
type Misfit struct {
	Code   string // of the problem that the server answers
	Field  string // "channel", "text" or "attachments"
	Reason string // for people
}

// NameRule says what ValidName wants.
const NameRule = "names are 1 to 64 of a-z, 0-9, _, . and -, beginning with a letter or digit"

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// ValidName tells whether s may name a user or a channel.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// CheckChannel judges the name of a message's channel.
func CheckChannel(name string) *Misfit {
	if !ValidName(name) {
		return &Misfit{CodeInvalidChannel, "channel", NameRule}
	}
	return nil
}

// CheckContent judges a message's text and attachments by TextBytes and Attachments of the limits. It returns the
// attachments as they are stored: without spaces, and nil where there are none.
func (l Limits) CheckContent(text string, attachments json.RawMessage) (json.RawMessage, *Misfit) {
	kept, bad := l.checkAttachments(attachments)
	switch {
	case bad != nil:
		return nil, bad
	case len(text) > l.TextBytes:
		return nil, &Misfit{CodeTooLarge, "text", fmt.Sprintf("%d bytes are more than the %d that the server takes", len(text), l.TextBytes)}
	case text == "" && kept == nil:
		return nil, &Misfit{CodeBadRequest, "text", "the message is empty"}
	case strings.ContainsRune(text, 0): // PostgreSQL can't store it in a text
		return nil, &Misfit{CodeBadRequest, "text", "it holds a NUL character"}
	}
	return kept, nil
}

// checkAttachments bounds and compacts a list of JSON objects; nothing, null and an empty list are nil.
func (l Limits) checkAttachments(raw json.RawMessage) (json.RawMessage, *Misfit) {
	if len(raw) == 0 {
		return nil, nil
	}
	noList := &Misfit{CodeBadRequest, "attachments", "they are a list of objects"}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, noList
	}
	if len(list) == 0 {
		return nil, nil
	}
	for _, a := range list {
		if !IsObject(a) {
			return nil, noList
		}
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, noList
	}
	switch {
	case len(list) > l.Attachments:
		return nil, &Misfit{CodeTooLarge, "attachments", fmt.Sprintf("%d are more than the %d that the server takes", len(list), l.Attachments)}
	case b.Len() > l.TextBytes:
		return nil, &Misfit{CodeTooLarge, "attachments", fmt.Sprintf("%d bytes are more than the %d that the server takes", b.Len(), l.TextBytes)}
	}
	for _, a := range list {
		var fields map[string]json.RawMessage
		if json.Unmarshal(a, &fields) != nil {
			return nil, noList
		}
		if _, bad := UploadOf(fields); bad != nil {
			return nil, bad
		}
	}
	return b.Bytes(), nil
}

// IsObject tells whether JSON is an object.
func IsObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// UploadOf is the upload that an attachment names, or "" for one that is the application's own. Readers in Go take any
// case for a field's name, so no other case than "upload" is let through.
func UploadOf(attachment map[string]json.RawMessage) (id string, bad *Misfit) {
	for name := range attachment {
		if name != "upload" && strings.EqualFold(name, "upload") {
			return "", &Misfit{CodeBadRequest, "attachments", "the field of an attachment is called upload, not " + name}
		}
	}
	raw, ok := attachment["upload"]
	if !ok {
		return "", nil
	}
	if err := json.Unmarshal(raw, &id); err != nil || id == "" {
		return "", &Misfit{CodeBadRequest, "attachments", "upload is the last part of an upload's address"}
	}
	return id, nil
}
