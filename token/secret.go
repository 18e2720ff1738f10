package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would have been printed.
const redacted = "[redacted]"

// Secret holds a token so that nothing prints it: no verb of fmt, no JSON, no slog, not even where it is an unexported
// field of somebody else's struct. Reveal is the only way to it. The zero value is "no secret".
type Secret struct {
	ref *string // behind a pointer: fmt and encoders walk into strings, and into fields whose methods they can't call
}

// NewSecret hides s. An empty s makes the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns what NewSecret was given, to be sent and not to be kept.
func (s Secret) Reveal() string {
	if s.ref == nil {
		return ""
	}
	return *s.ref
}

// IsZero says that there is no secret.
func (s Secret) IsZero() bool { return s.ref == nil }

// Equal compares in a time that doesn't depend on where they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Mark is a short name that stays the same for the same secret and doesn't lead back to it: the first 8 hex digits of
// its SHA-256, "" for the zero Secret. Logs use it to tell tokens apart.
func (s Secret) Mark() string {
	if s.ref == nil {
		return ""
	}
	return hashOf(*s.ref)[:8]
}

// hashOf is the SHA-256 in hex.
func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// String doesn't return the secret.
func (s Secret) String() string {
	if s.ref == nil {
		return ""
	}
	return redacted
}

// Format prints String whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, also for JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
