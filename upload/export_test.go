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
	BugNewestBase    = bugNewestBase
	BugNoFloor       = bugNoFloor
	BugChunkUntold   = bugChunkUntold
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

// ChunksTold is NewChunks where somebody else knows how many bytes the first one should have.
func ChunksTold(checksums bool, first int64) *Chunks {
	o, _ := Options{Endpoint: "http://a/", Store: NewMemory(), FirstChunk: func() int64 { return first }}.withDefaults()
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

// Brake is brake by itself.
type Brake struct{ b brake }

// Observe takes a round trip, Sent what was sent, Limit is what may be, Through what might have been.
func (b *Brake) Observe(now time.Time, rtt time.Duration) { b.b.observe(now, rtt) }

// Sent is sent.
func (b *Brake) Sent(now time.Time, n int) { b.b.sent(now, n) }

// Limit is limit.
func (b *Brake) Limit(now time.Time) float64 { return b.b.limit(now) }

// Through is through.
func (b *Brake) Through(now time.Time) float64 { return b.b.through(now) }

// Moved is moved.
func (b *Brake) Moved(now time.Time) { b.b.moved(now) }

// Acked is acked, of a single sender.
func (b *Brake) Acked(now time.Time, n int64, took time.Duration, may float64) {
	b.b.acked(now, n, took, 1, may)
}

// What may be sent at once.
const (
	PaceSlice = paceSlice
	PaceLeast = paceLeast
)
