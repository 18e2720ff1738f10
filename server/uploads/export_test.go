package uploads

import "crypto/sha256"

// Bug is a mistake to plant.
type Bug = bug

// The mistakes.
const (
	AckBeforeSync    = bugAckBeforeSync
	NoDirSync        = bugNoDirSync
	KeepBadChunk     = bugKeepBadChunk
	HashNotReset     = bugHashNotReset
	ServeUnfinished  = bugServeUnfinished
	AnyOwner         = bugAnyOwner
	NoHandover       = bugNoHandover
	ServeExpired     = bugServeExpired
	SumIncomplete    = bugSumIncomplete
	KeepTail         = bugKeepTail
	SyncAgain        = bugSyncAgain
	FirstReplyOnly   = bugFirstReplyOnly
	NoLastDigest     = bugNoLastDigest
	MaxMetadataBytes = maxMetadata
)

// Plant makes a mistake until the returned function is called.
func Plant(b Bug) func() {
	planted = b
	return func() { planted = 0 }
}

// ParseMetadata reads the header and writes it again.
func ParseMetadata(header string) (string, map[string]string, error) {
	m, err := parseMetadata(header)
	return m.String(), m, err
}

// ParseReprDigest reads the header.
var ParseReprDigest = parseReprDigest

// ParseChecksum reads the header.
func ParseChecksum(header string) (algorithm int, want []byte, err error) {
	c, err := parseChecksum(header)
	if c == nil {
		return 0, nil, err
	}
	if c.Hash == nil {
		return sha256.Size, c.want, err
	}
	return c.Size(), c.want, err
}
