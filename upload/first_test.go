package upload_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
)

func TestPlainUpload(t *testing.T) {
	for name, algorithms := range map[string]string{"without checksums": "", "sha256": "sha256,sha1", "sha1": "sha1"} {
		for _, size := range []int{0, 1, 70_000, 3_000_000} {
			t.Run(name, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					start := time.Now()
					w := newWorld(t, size, func(w *world) { w.srv.algorithms = algorithms })
					if err := w.finish(); err != nil {
						t.Error(err)
					}
					t.Log(size, time.Since(start), w.srv.requests())
				})
			})
		}
	}
}
