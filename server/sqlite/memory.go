package sqlite

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
)

// memory is a file system with one database file, which outlives the connections to it: database/sql drops a connection
// whose transaction was cancelled, and a database that SQLite keeps in memory by itself (":memory:") would go with it.
// It serves one connection at a time, so its locks needn't hold anybody off.
type memory struct{ file vfsutil.SliceFile }

func (m *memory) Open(_ string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	switch {
	case flags&vfs.OPEN_MAIN_DB != 0:
		return &memoryFile{SliceFile: &m.file}, flags | vfs.OPEN_MEMORY, nil // memory: the journal is SQLite's own affair
	case flags&(vfs.OPEN_TEMP_DB|vfs.OPEN_TRANSIENT_DB|vfs.OPEN_TEMP_JOURNAL) != 0:
		return &memoryFile{SliceFile: &vfsutil.SliceFile{}}, flags | vfs.OPEN_MEMORY, nil
	}
	return nil, flags, sqlite3.CANTOPEN
}

func (*memory) Delete(string, bool) error { return sqlite3.IOERR_DELETE_NOENT }

func (*memory) Access(string, vfs.AccessFlag) (bool, error) { return false, nil }

func (*memory) FullPathname(name string) (string, error) { return name, nil }

// memoryFile is one opening of a file.
type memoryFile struct {
	*vfsutil.SliceFile
	level vfs.LockLevel
}

func (f *memoryFile) Lock(l vfs.LockLevel) error {
	f.level = max(f.level, l)
	return nil
}

func (f *memoryFile) Unlock(l vfs.LockLevel) error {
	f.level = min(f.level, l)
	return nil
}

func (f *memoryFile) CheckReservedLock() (bool, error) { return f.level >= vfs.LOCK_RESERVED, nil }

// OpenMemory makes an empty database that lives in memory until it is closed, for tests and virtual time. The name is
// for error messages; two databases of one name have nothing in common.
func OpenMemory(ctx context.Context, name string) (*DB, error) {
	fs := "chatsdk-" + rand.Text()
	vfs.Register(fs, &memory{})
	w, err := driver.Open(sqlitefile.DSN(name, fs, "busy_timeout(5000)", "foreign_keys(on)"))
	if err != nil {
		vfs.Unregister(fs)
		return nil, fmt.Errorf("open database in memory: %w", err)
	}
	sqlitefile.Limit(w, 1)
	return (&DB{write: w, lazy: w, read: w, lock: sqlitefile.NewLock(), vfs: fs}).ready(ctx)
}
