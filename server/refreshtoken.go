package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

const (
	// sessionBytes is the length of a session's id before it is text.
	sessionBytes = 16
	// refreshVersion begins every refresh token, so that another format can be told apart.
	refreshVersion = 1
	// refreshBytes is the length of a refresh token before it is text: version, session, counter, HMAC-SHA256. It is a
	// multiple of 3, so that base64 needs no padding and each token has one spelling only.
	refreshBytes = 1 + sessionBytes + 8 + sha256.Size
	// maxCounter keeps counters, and what is added to them, within what SQL's signed numbers hold.
	maxCounter = 1<<62 - 1
	// maxTokenBytes bounds what is looked at as a token.
	maxTokenBytes = 4 << 10
)

// refreshKey derives the key of refresh tokens: what is signed as one kind of token can't be presented as the other.
func refreshKey(key []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("chatsdk refresh token 1"))
	return m.Sum(nil)
}

// refreshToken makes the refresh token of a session's counter: base64url(version | session | counter | HMAC). It is the
// same each time, so nothing of it has to be kept. A session of another server's making has none.
func (i issuing) refreshToken(session string, counter uint64) (string, bool) {
	id, err := base64.RawURLEncoding.Strict().DecodeString(session)
	if err != nil || len(id) != sessionBytes || counter > maxCounter {
		return "", false
	}
	b := make([]byte, 0, refreshBytes)
	b = append(append(b, refreshVersion), id...)
	b = binary.BigEndian.AppendUint64(b, counter)
	return base64.RawURLEncoding.EncodeToString(append(b, i.refreshMAC(b)...)), true
}

func (i issuing) refreshMAC(b []byte) []byte {
	m := hmac.New(sha256.New, i.refreshKey)
	m.Write(b)
	return m.Sum(nil)
}

// parseRefresh reads a refresh token that this server made. It says nothing about the session's life.
func (i issuing) parseRefresh(token string) (session string, counter uint64, ok bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(refreshBytes) {
		return "", 0, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != refreshBytes { // line ends are skipped by the decoder
		return "", 0, false
	}
	signed, mac := b[:refreshBytes-sha256.Size], b[refreshBytes-sha256.Size:]
	if b[0] != refreshVersion || !hmac.Equal(mac, i.refreshMAC(signed)) {
		return "", 0, false
	}
	counter = binary.BigEndian.Uint64(signed[1+sessionBytes:])
	return base64.RawURLEncoding.EncodeToString(signed[1 : 1+sessionBytes]), counter, counter <= maxCounter
}

// formerRefresh reads the session off a refresh token of the format before counters, "session.secret", which is known
// by the hash that the session's row still has. It counts as the token of counter 0.
func formerRefresh(token string) (session string, ok bool) {
	session, secret, ok := strings.Cut(token, ".")
	return session, ok && session != "" && secret != "" && len(token) <= maxTokenBytes
}

func hashRefresh(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
