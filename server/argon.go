package server

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon is the cost of an argon2id password hash (RFC 9106).
type Argon struct {
	Time      uint32 // passes
	MemoryKiB uint32
	Threads   uint8
}

// DefaultArgon is the second recommendation of RFC 9106 section 4, for machines where memory is dear: 3 passes, 64 MiB,
// 4 lanes.
func DefaultArgon() Argon { return Argon{Time: 3, MemoryKiB: 64 << 10, Threads: 4} }

const (
	saltBytes = 16 // RFC 9106 section 4
	hashBytes = 32

	// A stored hash names its own cost. These bound what a damaged or planted row may make the server spend.
	maxArgonTime      = 64
	maxArgonMemoryKiB = 1 << 20
)

var errBadHash = errors.New("server: stored password hash isn't argon2id in PHC form")

func (a Argon) check() error {
	if a.Time < 1 || a.Time > maxArgonTime || a.Threads < 1 || a.MemoryKiB < 8*uint32(a.Threads) || a.MemoryKiB > maxArgonMemoryKiB {
		return fmt.Errorf("server: argon2id cost t=%d m=%d p=%d is out of bounds", a.Time, a.MemoryKiB, a.Threads)
	}
	return nil
}

// hash makes a PHC string: $argon2id$v=19$m=65536,t=3,p=4$salt$hash.
func (a Argon) hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.MemoryKiB, a.Time, a.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(a.key(password, salt, hashBytes)))
}

func (a Argon) key(password string, salt []byte, n uint32) []byte {
	return argon2.IDKey([]byte(password), salt, a.Time, a.MemoryKiB, a.Threads, n)
}

// verifyPassword tells whether the password is the one of a PHC string.
func verifyPassword(phc, password string) (bool, error) {
	a, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	got := a.key(password, salt, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func parsePHC(phc string) (a Argon, salt, hash []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return a, nil, nil, errBadHash
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return a, nil, nil, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.MemoryKiB, &a.Time, &a.Threads); err != nil || a.check() != nil {
		return a, nil, nil, errBadHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	hash, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(hash) < 16 || len(hash) > 1024 {
		return a, nil, nil, errBadHash
	}
	return a, salt, hash, nil
}
