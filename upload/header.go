package upload

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// number reads a header that is a count of bytes, as tus and HTTP write it: digits alone. -1 if it isn't one.
func number(h http.Header, name string) int64 {
	v := h.Get(name)
	if v == "" || strings.TrimLeft(v, "0123456789") != "" {
		return -1
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// list reads a header of words with commas between, over all its lines.
func list(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
				out = append(out, word)
			}
		}
	}
	return out
}

// expires reads Upload-Expires as our own clock counts: it is as long from now as it is from the server's Date. Zero if it
// isn't told, or can't be read.
func expires(h http.Header, now time.Time) time.Time {
	at, err := http.ParseTime(h.Get("Upload-Expires"))
	if err != nil {
		return time.Time{}
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return now.Add(at.Sub(date)).Round(0)
	}
	return at
}

// retryAfter is how long an answer asks to wait, limit at most; 0 if it doesn't tell, or can't be read.
func retryAfter(h http.Header, limit time.Duration) time.Duration {
	wait, _ := backoff.RetryAfter(h, time.Now())
	return min(wait, limit)
}

// digest reads a SHA-256 from Repr-Digest (RFC 9530 section 3) or from Upload-Sha256, the reference server's own, in hex.
// "" if it isn't told, or can't be read.
func digest(h http.Header) string {
	if raw, err := hex.DecodeString(h.Get("Upload-Sha256")); err == nil && len(raw) == 32 {
		return hex.EncodeToString(raw)
	}
	for _, line := range h.Values("Repr-Digest") {
		for item := range strings.SplitSeq(line, ",") {
			name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
			if !ok || !strings.EqualFold(name, "sha-256") || len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
				continue
			}
			sum, err := base64.StdEncoding.DecodeString(value[1 : len(value)-1])
			if err == nil && len(sum) == 32 {
				return hex.EncodeToString(sum)
			}
		}
	}
	return ""
}

// reprDigest writes what digest reads; "" for what is no SHA-256 in hex.
func reprDigest(sum string) string {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 32 {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(raw) + ":"
}

// metadata writes Upload-Metadata of pairs; those without a value are left out.
func metadata(pairs ...string) string {
	var b bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i] + " " + base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return b.String()
}
