package upload_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// TestFirstChunkIsTold: what somebody else knows of the network counts within the bounds, and nothing known changes nothing.
func TestFirstChunkIsTold(t *testing.T) {
	for _, row := range []struct {
		checksums   bool
		first, want int64
	}{
		{true, 0, 256 << 10},
		{false, 0, 1 << 20},
		{true, -1, 256 << 10},
		{true, 1, 64 << 10},
		{true, 100_000, 100_000},
		{false, 100_000, 100_000},
		{true, 1 << 40, 64 << 20},
		{false, 1 << 40, 1 << 30},
	} {
		if got := upload.ChunksTold(row.checksums, row.first).Size(); got != row.want {
			t.Errorf("checksums %v, told %d: the first chunk has %d bytes, want %d", row.checksums, row.first, got, row.want)
		}
	}
}

// resent breaks the connection 7 s into an upload over a slow link, and says how many bytes the server threw away.
func resent(t *testing.T, first int64) (int64, error) {
	w := newWorld(t, 600_000, func(w *world) {
		w.slow(32 << 10)
		w.srv.algorithms = "sha256"
		w.opts.FirstChunk = func() int64 { return first }
	})
	if err := w.add(upload.Request{}); err != nil {
		return 0, err
	}
	time.Sleep(7 * time.Second)
	w.link.Reset()
	err := w.done()
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	return w.srv.discarded, err
}

// checkFirstChunk: a chunk that is cut short is thrown away whole where the server takes checksums, so that a short one
// costs less: at 32 KiB/s at most 2 s of the link, where the blind one is not yet through after 7 s.
func checkFirstChunk(t *testing.T) error {
	told, err := resent(t, 64<<10)
	if err == nil && told > 64<<10 {
		err = fmt.Errorf("%d bytes were thrown away", told)
	}
	blind, err2 := resent(t, 0)
	t.Logf("thrown away: %d bytes of a told network, %d of an unknown one", told, blind)
	if err2 == nil && blind < 3*(64<<10) {
		err2 = fmt.Errorf("%d bytes were thrown away of an unknown network: nothing was shown", blind)
	}
	return errors.Join(err, err2)
}
