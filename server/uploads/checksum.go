package uploads

import (
	"crypto/sha1" // the protocol asks for it, against accidents and not against enemies
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strings"
)

// ChecksumAlgorithms are those of Upload-Checksum.
const ChecksumAlgorithms = "sha1,sha256"

// errChecksum is for a header that names no checksum we know.
var errChecksum = errors.New("Upload-Checksum is sha1 or sha256, a space and the checksum in base64")

// checksum is what a client says of one chunk.
type checksum struct {
	hash.Hash

	want []byte
}

// parseChecksum reads Upload-Checksum; an empty one is nil.
func parseChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	name, value, _ := strings.Cut(header, " ")
	c := &checksum{}
	switch name {
	case "sha1":
		c.Hash = sha1.New()
	case "sha256":
		c.Hash = sha256.New()
	default:
		return nil, errChecksum
	}
	var err error
	if c.want, err = base64.StdEncoding.Strict().DecodeString(value); err != nil || len(c.want) != c.Size() {
		return nil, errChecksum
	}
	return c, nil
}

// right tells whether what was written has the checksum.
func (c *checksum) right() bool { return subtle.ConstantTimeCompare(c.Sum(nil), c.want) == 1 }
