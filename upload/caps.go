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

// capsFor is how long what a server can do is believed.
const capsFor = time.Hour

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

func (c *capsCache) set(known caps) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.until = known, time.Now().Add(capsFor)
}

// askCaps learns what the server can do. A server that has no OPTIONS is taken for one with nothing beyond tus's core.
func (q *Queue) askCaps(ctx context.Context) (caps, verdict) {
	r, err := q.do(ctx, call{method: http.MethodOptions, url: q.opts.Endpoint})
	if err != nil {
		return caps{}, judgeError(err)
	}
	v := judge(stepOptions, r, q.opts.MaxRetryAfter)
	switch v.kind {
	case kindOK, kindLost, kindFatal, kindStrange:
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
	q.caps.set(known)
	return known, verdict{}
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
