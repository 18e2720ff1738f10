package upload

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Event is event for tests of Next.
type Event = event

// Next is next.
var Next = next

// LastEvent is the last of the events, which count from 0.
const LastEvent = evRetry

// Bug is bug.
type Bug = bug

// The bugs that can be planted.
const (
	BugOwnOffset     = bugOwnOffset
	BugDropURL       = bugDropURL
	BugWrongRange    = bugWrongRange
	BugHashAhead     = bugHashAhead
	BugNewKey        = bugNewKey
	BugStallByTime   = bugStallByTime
	BugNoLastLook    = bugNoLastLook
	BugPostFirst     = bugPostFirst
	BugURLLate       = bugURLLate
	BugLockedFails   = bugLockedFails
	BugTokenAnywhere = bugTokenAnywhere
	BugOtherAccount  = bugOtherAccount
	BugForgetCancel  = bugForgetCancel
	BugTrustAhead    = bugTrustAhead
	BugKeepTurn      = bugKeepTurn
	BugDropByKey     = bugDropByKey
	BugBelievePortal = bugBelievePortal
	BugDropInLine    = bugDropInLine
	LastBug          = bugLast
)

// Plant switches a bug on until the test ends.
func Plant(t *testing.T, b Bug) {
	planted = b
	t.Cleanup(func() { planted = bugNone })
}

// The readers of headers.
var (
	Number     = number
	Expires    = expires
	RetryAfter = retryAfter
	Digest     = digest
	ReprDigest = reprDigest
	Metadata   = metadata
	BaseName   = baseName
)

// Checksums reads what OPTIONS tells of checksums.
func Checksums(h http.Header) (algorithm string, err error) {
	c, err := readCaps(h)
	return c.algorithm, err
}

// Locate resolves a Location at a queue's endpoint.
func (q *Queue) Locate(location string) (string, error) {
	u, err := url.Parse(q.opts.Endpoint)
	if err != nil {
		return "", err
	}
	return q.locate(u, location)
}

// Chunks is chunks by itself.
type Chunks struct{ c chunks }

// NewChunks makes one with the default bounds.
func NewChunks(checksums bool) *Chunks {
	o, _ := Options{Endpoint: "http://a/", Store: NewMemory()}.withDefaults()
	return &Chunks{newChunks(&o, checksums, 0)}
}

// Size is the next chunk's.
func (c *Chunks) Size() int64 { return c.c.size }

// Took takes an acknowledged chunk, Failed one that failed, Refused one that was too large.
func (c *Chunks) Took(n int64, d time.Duration) { c.c.took(n, d) }

// Failed is failed.
func (c *Chunks) Failed() { c.c.failed() }

// Refused is refused.
func (c *Chunks) Refused(n int64) bool { return c.c.refused(n) }
