package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// BenchmarkAppend stores messages on disk, in transactions of 1 and 50.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 50} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db, err := sqlite.Open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			n := 0
			for b.Loop() {
				batch := make([]server.Entry, size)
				for i := range batch {
					n++
					batch[i] = entry(n)
				}
				if _, err := db.Append(b.Context(), "alice", "d", batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/max(b.Elapsed(), time.Nanosecond).Seconds(), "messages/s")
		})
	}
}
