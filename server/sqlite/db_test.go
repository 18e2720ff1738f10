package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/chatsdk/chatsdk/server/storetest"
	_ "github.com/ncruces/go-sqlite3/driver"
)

func openDir(t *testing.T, dir string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func openMemory(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T) server.Store { return openDir(t, t.TempDir()) })
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) server.Store { return openMemory(t) })
}

func entry(n int) server.Entry {
	return server.Entry{
		Channel: "a", ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", n), DeviceSeq: uint64(n), Text: fmt.Sprint("text ", n), Time: time.Now(),
	}
}

func TestStaysOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made here", "data %20?#")
	db, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	key, err := db.Key(t.Context())
	if err != nil || len(key) < 32 {
		t.Fatalf("key of %d bytes, %v", len(key), err)
	}
	if _, err := db.Append(t.Context(), "alice", "d", []server.Entry{entry(1), entry(2)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Fatalf("data folder: %v, %v", st, err)
	}
	db = openDir(t, dir)
	again, err := db.Key(t.Context())
	if err != nil || string(again) != string(key) {
		t.Fatalf("another key after reopening (%v)", err)
	}
	msgs, err := db.Outgoing(t.Context(), 10)
	if err != nil || len(msgs) != 2 {
		t.Fatalf("waiting after reopening: %+v, %v", msgs, err)
	}
	n := 0
	for m, err := range db.AllMessages(t.Context(), "a") {
		if n++; err != nil || m.Seq != uint64(n) {
			t.Fatalf("message %d: %+v, %v", n, m, err)
		}
	}
	if n != 2 {
		t.Fatalf("%d messages", n)
	}
}

func TestUserAddWhileServerRuns(t *testing.T) {
	dir := t.TempDir()
	serving, adding := openDir(t, dir), openDir(t, dir) // as two processes do
	if _, err := serving.Append(t.Context(), "x", "d", []server.Entry{entry(1)}); err != nil {
		t.Fatal(err)
	}
	cheap := server.Argon{Time: 1, MemoryKiB: 64, Threads: 1}
	if err := server.AddUser(t.Context(), adding, cheap, "alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	if _, err := serving.User(t.Context(), "alice"); err != nil {
		t.Fatalf("the server doesn't see the user: %v", err)
	}
	if err := server.AddUser(t.Context(), adding, cheap, "alice", "correct horse"); !errors.Is(err, server.ErrExists) {
		t.Fatalf("again: %v", err)
	}
}

func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	if err := openDir(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, `PRAGMA user_version = 99`)
	_, err := sqlite.Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Fatalf("got %v", err)
	}
}

// TestSessionsOfVersion1 opens a database whose sessions know of no counters: they live on, with their refresh tokens.
func TestSessionsOfVersion1(t *testing.T) {
	dir := t.TempDir()
	old, err := sqlite.OpenVersion(t.Context(), dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, dir, `INSERT INTO sessions (id, user, device, refresh, created, expires) VALUES ('s', 'alice', 'phone', x'0102', 1000, 9000)`)
	db := openDir(t, dir)
	got, err := db.Session(t.Context(), "s")
	want := server.Session{
		ID: "s", User: "alice", Device: "phone", CreatedAt: time.UnixMilli(1000).UTC(), ExpiresAt: time.UnixMilli(9000).UTC(),
		RefreshHash: []byte{1, 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v (%v)", got, want, err)
	}
	got, err = db.ChangeSession(t.Context(), "s", func(s server.Session) server.Session {
		s.Counter = 1
		return s
	})
	if want.Counter = 1; err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v (%v)", got, want, err)
	}
}

func raw(t *testing.T, dir, query string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "chatsdk.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

func TestBadDataFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), file); err == nil {
		t.Fatal("a file was taken for a folder")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "chatsdk.db"), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), dir); err == nil {
		t.Fatal("garbage was taken for a database")
	}
}

// TestDiskFull bounds the database's pages, which SQLite reports as a full disk.
func TestDiskFull(t *testing.T) {
	db := openDir(t, t.TempDir())
	if err := sqlite.SetMaxPages(db, 40); err != nil {
		t.Fatal(err)
	}
	stored := 0
	var err error
	for n := 1; n < 1000; n++ {
		a, b := entry(2*n-1), entry(2*n)
		a.Text, b.Text = strings.Repeat("x", 3000), strings.Repeat("y", 3000)
		if _, err = db.Append(t.Context(), "alice", "d", []server.Entry{a, b}); err != nil {
			break
		}
		stored += 2
	}
	if !errors.Is(err, server.ErrUnavailable) || stored == 0 {
		t.Fatalf("after %d messages: %v", stored, err)
	}
	msgs, last, err := db.Messages(t.Context(), "a", 0, 1000, 0)
	if err != nil || len(msgs) != stored || last != uint64(stored) {
		t.Fatalf("%d messages, last %d, want %d: %v", len(msgs), last, stored, err)
	}
	seqs, err := db.DeviceSeqs(t.Context(), "alice", "d", 10)
	if err != nil || seqs["a"] != uint64(stored) {
		t.Fatalf("device sequences %v, want %d: %v", seqs, stored, err)
	}
	if err := sqlite.SetMaxPages(db, 1<<30); err != nil { // somebody made room
		t.Fatal(err)
	}
	if _, err := db.Append(t.Context(), "alice", "d", []server.Entry{entry(stored + 1)}); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnly(t *testing.T) {
	db := openDir(t, t.TempDir())
	if err := sqlite.SetQueryOnly(db, true); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, server.ErrUnavailable) {
		t.Fatalf("ping: %v", err)
	}
	if _, err := db.Append(t.Context(), "alice", "d", []server.Entry{entry(1)}); !errors.Is(err, server.ErrUnavailable) {
		t.Fatalf("append: %v", err)
	}
}

func TestClosed(t *testing.T) {
	for name, db := range map[string]*sqlite.DB{"file": openDir(t, t.TempDir()), "memory": openMemory(t)} {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.User(t.Context(), "alice"); !errors.Is(err, server.ErrUnavailable) {
			t.Errorf("%s, read: %v", name, err)
		}
		if err := db.Ping(t.Context()); !errors.Is(err, server.ErrUnavailable) {
			t.Errorf("%s, write: %v", name, err)
		}
	}
}

// TestMemoryOutlivesItsConnection cancels a transaction, for which database/sql drops the connection.
func TestMemoryOutlivesItsConnection(t *testing.T) {
	db := openMemory(t)
	if _, err := db.Append(t.Context(), "alice", "d", []server.Entry{entry(1)}); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.CancelTransaction(db); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	msgs, _, err := db.Messages(t.Context(), "a", 0, 10, 0)
	if err != nil || len(msgs) != 1 {
		t.Fatalf("%+v, %v", msgs, err)
	}
	other, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, last, err := other.Messages(t.Context(), "a", 0, 10, 0); err != nil || last != 0 {
		t.Fatalf("another database of the name has %d messages, %v", last, err)
	}
}

// TestInBubble shows that the database works in virtual time and leaves nothing running.
func TestInBubble(t *testing.T) {
	for _, name := range []string{"file", "memory"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bubble.Run(t, func(t *testing.T) {
				open := func() (*sqlite.DB, error) { return sqlite.Open(context.Background(), dir) }
				if name == "memory" {
					open = func() (*sqlite.DB, error) { return sqlite.OpenMemory(context.Background(), t.Name()) }
				}
				db, err := open()
				if err != nil {
					t.Fatal(err)
				}
				for n := 1; n <= 3; n++ {
					if _, err := db.Append(context.Background(), "alice", "d", []server.Entry{entry(n)}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Hour)
				}
				msgs, _, err := db.Messages(context.Background(), "a", 0, 10, 0)
				if err != nil || len(msgs) != 3 || msgs[2].Time.Sub(msgs[0].Time) != 2*time.Hour {
					t.Fatalf("%+v, %v", msgs, err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
