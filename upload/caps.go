package upload

import (
	"context"
	"crypto/sha1" //nolint:gosec // tus demands it; it guards against damage, not against people
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	capsFor = time.Hour // what a server can do is believed for so long
	// noCapsFor is the same for a server whose answer doesn't get through: nothing beyond tus's core is used meanwhile, and
	// no other upload waits for it as long as the first did.
	noCapsFor = time.Minute
)

// caps is what a server can do, as OPTIONS tells.
type caps struct {
	maxSize   int64  // -1 where it doesn't tell
	algorithm string // of checksums: one of those below, or "" for none
}

// Checksums, the best first. That of the prefix is our server's own: the SHA-256 from the beginning of the file to the end
// of the chunk, which both ends compute anyway.
const (
	sumPrefix = "sha256-prefix"
	sumSHA256 = "sha256"
	sumSHA1   = "sha1"
)

// capsCache keeps them for all uploads.
type capsCache struct {
	mu    sync.Mutex // guards below
	known caps
	until time.Time
}

func (c *capsCache) get() (caps, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known, time.Now().Before(c.until)
}

func (c *capsCache) set(known caps, valid time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.until = known, time.Now().Add(valid)
}

// askCaps learns what the server can do. A server that has no OPTIONS is taken for one with nothing beyond tus's core. One
// that somebody else answers for isn't: checksums would be off for all that is uploaded after a moment in a portal.
func (q *Queue) askCaps(ctx context.Context) (caps, verdict) {
	r, err := q.do(ctx, call{method: http.MethodOptions, url: q.opts.Endpoint})
	if err != nil {
		return caps{}, judgeError(err)
	}
	v := judge(stepOptions, r, q.opts.MaxRetryAfter)
	switch v.kind {
	case kindStrange:
		return caps{}, v
	case kindLost, kindFatal:
		if r.header.Get("Tus-Resumable") == "" && r.status != http.StatusMethodNotAllowed && planted != bugBelievePortal {
			v.kind = kindStrange
			return caps{}, v
		}
	case kindOK:
	case kindAuth, kindStop, kindKicked, kindNetwork, kindServer, kindLocked, kindConflict, kindSmaller, kindChecksum,
		kindChanged:
		return caps{}, v
	}
	known, err := readCaps(r.header)
	if err != nil {
		return caps{}, verdict{kind: kindFatal, code: CodeProtocol, err: err}
	}
	if v.kind == kindOK && r.header.Get("Tus-Version") == "" {
		return caps{}, verdict{kind: kindStrange, code: CodeProtocol, err: fmt.Errorf("%s is no tus endpoint", q.opts.Endpoint)}
	}
	q.caps.set(known, capsFor)
	return known, verdict{}
}

// capsFrom is askCaps for a run, which bears a strange answer for a while, as it does one to a creation, and then does
// without: where only OPTIONS doesn't get through, the rest may.
func (r *run) capsFrom() (caps, verdict) {
	r.tell(evSend, Change{Reason: ReasonStarted})
	known, v := r.q.askCaps(r.ctx)
	if v.kind == kindStrange && (v.status >= 300 && r.borne() || planted == bugBelievePortal) {
		known, v = caps{maxSize: -1}, verdict{kind: kindOK}
		r.q.caps.set(known, noCapsFor)
	}
	return known, v
}

// readCaps reads the reply to OPTIONS.
func readCaps(h http.Header) (caps, error) {
	c := caps{maxSize: number(h, "Tus-Max-Size")}
	if versions := list(h, "Tus-Version"); len(versions) > 0 && !slices.Contains(versions, "1.0.0") {
		return c, fmt.Errorf("the server speaks tus %q, not 1.0.0", versions)
	}
	if slices.Contains(list(h, "Tus-Extension"), "checksum") {
		for _, algorithm := range []string{sumPrefix, sumSHA256, sumSHA1} {
			if slices.Contains(list(h, "Tus-Checksum-Algorithm"), algorithm) {
				c.algorithm = algorithm
				break
			}
		}
	}
	return c, nil
}

// sum makes the hash of a chunk alone; nil where none is needed.
func (c caps) sum() hash.Hash {
	switch c.algorithm {
	case sumSHA256:
		return sha256.New()
	case sumSHA1:
		return sha1.New() //nolint:gosec // see the import
	}
	return nil
}
