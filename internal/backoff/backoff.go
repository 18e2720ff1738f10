// Package backoff holds what everybody that waits and tries again needs: a source of jitter, the length of a wait, and the
// one that a server asks for.
package backoff

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Rand returns r, or a source of its own with a random seed if r is nil. Like every *rand.Rand it is for one goroutine
// at a time.
func Rand(r *rand.Rand) *rand.Rand {
	if r != nil {
		return r
	}
	var seed [16]byte
	_, _ = cryptorand.Read(seed[:]) // never fails since Go 1.24
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
}

// Delay is the wait before retry number n (1, 2, …): from first on doubled each time, at most limit, and of that between
// half and all, so that many who failed together don't come back together. first and limit are above 0.
func Delay(r *rand.Rand, first, limit time.Duration, n int) time.Duration {
	d := first
	for k := 1; k < n && d < limit; k++ {
		d *= 2
	}
	d = min(d, limit)
	return d/2 + time.Duration(r.Int64N(int64(d/2)+1))
}
