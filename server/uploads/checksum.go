package uploads

import (
	"crypto/sha1" // the protocol asks for it, against accidents and not against enemies
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strings"
)

// ChecksumAlgorithms are those of Upload-Checksum. The first is our own: the SHA-256 of the upload from its beginning to the
// end of the chunk. Both ends compute that of the whole anyway, so it costs neither a second hash of each byte.
const ChecksumAlgorithms = "sha256-prefix,sha256,sha1"

// errChecksum is for a header that names no checksum we know.
var errChecksum = errors.New("Upload-Checksum is sha256-prefix, sha256 or sha1, a space and the checksum in base64")

// checksum is what a client says of one chunk.
type checksum struct {
	hash.Hash // of the chunk; nil where the upload's own is compared

	want []byte
}

// parseChecksum reads Upload-Checksum; an empty one is nil.
func parseChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	name, value, _ := strings.Cut(header, " ")
	c, size := &checksum{}, sha256.Size
	switch name {
	case "sha256-prefix":
	case "sha1":
		c.Hash, size = sha1.New(), sha1.Size
	case "sha256":
		c.Hash = sha256.New()
	default:
		return nil, errChecksum
	}
	var err error
	if c.want, err = base64.StdEncoding.Strict().DecodeString(value); err != nil || len(c.want) != size {
		return nil, errChecksum
	}
	return c, nil
}

// errReprDigest is for a SHA-256 that can't be read. To pass over it would leave out what the client asked for.
var errReprDigest = errors.New("sha-256 in Repr-Digest is 32 bytes in base64 between colons")

// parseReprDigest reads the SHA-256 of the whole from Repr-Digest (RFC 9530), hexadecimal; empty if there is none. Other
// algorithms are passed over, as the RFC has it.
func parseReprDigest(h http.Header) (string, error) {
	for _, line := range h.Values("Repr-Digest") {
		for item := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			if name != "sha-256" {
				continue
			}
			value, _, _ = strings.Cut(value, ";") // parameters
			value, opened := strings.CutPrefix(strings.TrimSpace(value), ":")
			value, closed := strings.CutSuffix(value, ":")
			sum, err := base64.StdEncoding.Strict().DecodeString(value)
			if !opened || !closed || err != nil || len(sum) != sha256.Size {
				return "", errReprDigest
			}
			return hex.EncodeToString(sum), nil
		}
	}
	return "", nil
}

// right tells whether what was written has the checksum. whole is the hash of the upload up to its end.
func (c *checksum) right(whole hash.Hash) bool {
	if c.Hash != nil {
		whole = c.Hash
	}
	return subtle.ConstantTimeCompare(whole.Sum(nil), c.want) == 1
}
