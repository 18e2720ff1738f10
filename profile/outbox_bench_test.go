package profile_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/outbox"
)

// startQueue makes a queue on disk that sends nothing.
func startQueue(b *testing.B) *outbox.Queue {
	b.Helper()
	q, err := outbox.New(outbox.Options{
		Store: reopener(b, b.TempDir())().Outbox(), MaxEntries: 1 << 30, MaxBytes: 1 << 40,
		Send: func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, os.ErrInvalid },
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := q.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = q.Close() })
	return q
}

// perSecond reports a rate.
func perSecond(b *testing.B, n int, what string) {
	b.ReportMetric(float64(n)/max(b.Elapsed(), time.Nanosecond).Seconds(), what+"/s")
}

var benchText = fmt.Sprintf("%0300d", 0)

// BenchmarkDurableEnqueue compares a durable Enqueue of one caller and of many with what no program can do better: append
// and fsync; and with a bare insert into SQLite.
func BenchmarkDurableEnqueue(b *testing.B) {
	b.Run("floor: append and fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		for b.Loop() {
			if _, err := f.WriteString(benchText); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N, "entries")
	})
	b.Run("bare SQLite insert", func(b *testing.B) {
		db, err := driver.Open("file:" + filepath.Join(b.TempDir(), "bare.db") +
			"?_pragma=locking_mode(exclusive)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		bareInserts(b, db)
	})
	b.Run("one caller", func(b *testing.B) {
		q := startQueue(b)
		for b.Loop() {
			if _, err := q.Enqueue(b.Context(), outbox.Entry{Channel: "a", Text: benchText}); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N, "entries")
	})
	b.Run("256 callers", func(b *testing.B) { grouped(b, 256) })
}

func bareInserts(b *testing.B, db *sql.DB) {
	if _, err := db.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)`); err != nil {
		b.Fatal(err)
	}
	st, err := db.Prepare(`INSERT INTO t (text) VALUES (?)`)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	for b.Loop() {
		if _, err := st.Exec(benchText); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b, b.N, "entries")
}

func grouped(b *testing.B, callers int) {
	q := startQueue(b)
	n := 0
	for b.Loop() {
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if _, err := q.Enqueue(b.Context(), outbox.Entry{Channel: "a", Text: benchText}); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		n += callers
	}
	perSecond(b, n, "entries")
}

// BenchmarkOpenQueue opens a queue of 10,000 entries: load and start, without the profile's own opening.
func BenchmarkOpenQueue(b *testing.B) {
	open := reopener(b, b.TempDir())
	store := open().Outbox()
	for i := range 100 {
		var batch []outbox.Entry
		for k := range 100 {
			batch = append(batch, queueEntry(i*100+k+1))
		}
		if err := store.Commit(b.Context(), outbox.Tx{Put: batch}); err != nil {
			b.Fatal(err)
		}
	}
	var profileOpen time.Duration
	for b.Loop() {
		began := time.Now()
		store := open().Outbox()
		profileOpen += time.Since(began)
		q, err := outbox.New(outbox.Options{
			Store: store, Send: func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, os.ErrInvalid },
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := q.Start(); err != nil {
			b.Fatal(err)
		}
		if q.Len() != 10_000 {
			b.Fatalf("%d entries", q.Len())
		}
		_ = q.Close()
	}
	b.ReportMetric(float64(profileOpen.Milliseconds())/float64(b.N), "ms-of-it-profile.Open/op")
}
