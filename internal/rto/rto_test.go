package rto_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/rto"
)

// TestSmooth holds the arithmetic against samples worked out by hand after RFC 6298, section 2.
func TestSmooth(t *testing.T) {
	const ms = time.Millisecond
	smooth, vary := rto.First(80 * ms)
	for i, row := range []struct{ sample, smooth, vary time.Duration }{
		{0, 80 * ms, 40 * ms}, // the first
		{80 * ms, 80 * ms, 30 * ms},
		{160 * ms, 90 * ms, 42500 * time.Microsecond},
		{10 * ms, 80 * ms, 51875 * time.Microsecond},
	} {
		if i > 0 {
			smooth, vary = rto.Next(smooth, vary, row.sample)
		}
		if smooth != row.smooth || vary != row.vary {
			t.Errorf("after %d samples: %v and %v, want %v and %v", i+1, smooth, vary, row.smooth, row.vary)
		}
	}
}
