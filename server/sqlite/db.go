// Package sqlite keeps a server's data in one SQLite database: a file in a data folder, or in memory for tests.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
	"github.com/chatsdk/chatsdk/server"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/vfs"
)

const (
	// fileName is the database's name in its data folder.
	fileName = "chatsdk.db"
	// busyTimeout is how long to wait for another process that writes, such as one that adds a user.
	busyTimeout = 5 * time.Second
	// keyBytes is the length of the key that signs access tokens.
	keyBytes = 32
)

// DB is a database. It may be used concurrently.
type DB struct {
	// write has one connection: SQLite has one writer, and waiting for it in Go is fair, in SQLite it isn't.
	write *sql.DB
	// lazy has one connection, which doesn't wait for the disk when it commits: for what may be forgotten in a crash.
	// It writes while nobody writes through write, see lock.
	lazy *sql.DB
	// read has several. In memory it is write, since readers would block the writer there.
	read *sql.DB
	// lock is held to write through write or lazy, so that those two don't meet in SQLite's busy waiting.
	lock  sqlitefile.Lock
	group group  // of those who append
	vfs   string // name of the file system of a database in memory, or empty
}

var _ server.Store = (*DB)(nil)

// Open opens the database in the data folder dir and makes both if they aren't there, readable only by the user (0700).
// Several processes may have it open. A database of a newer version of this package is an error.
func Open(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find data folder: %w", err)
	}
	dsn := func(sync string) string {
		return sqlitefile.DSN(filepath.Join(abs, fileName), "", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"journal_mode(wal)", "synchronous("+sync+")", "foreign_keys(on)")
	}
	db := &DB{lock: sqlitefile.NewLock()}
	for _, p := range []struct {
		to   **sql.DB
		sync string
		n    int
	}{{&db.write, "full", 1}, {&db.lazy, "normal", 1}, {&db.read, "full", max(4, runtime.GOMAXPROCS(0))}} {
		if *p.to, err = driver.Open(dsn(p.sync)); err != nil {
			return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
		}
		sqlitefile.Limit(*p.to, p.n)
	}
	return db.ready(ctx)
}

func (db *DB) ready(ctx context.Context) (*DB, error) {
	err := db.tx(ctx, db.write, func(tx *sql.Tx) error { return sqlitefile.Migrate(ctx, tx, migrations) })
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close closes the database. Later calls of anything answer server.ErrUnavailable.
func (db *DB) Close() error {
	var err error
	for _, p := range []*sql.DB{db.read, db.lazy, db.write} {
		if p != nil {
			err = errors.Join(err, p.Close()) // closing twice is allowed
		}
	}
	if db.vfs != "" {
		vfs.Unregister(db.vfs)
	}
	return err
}

// Key is the secret that signs access tokens. It is made on first use and stays with the data.
func (db *DB) Key(ctx context.Context) ([]byte, error) {
	fresh := make([]byte, keyBytes)
	rand.Read(fresh)
	var key []byte
	err := db.tx(ctx, db.write, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('jwt-key', ?) ON CONFLICT DO NOTHING`, fresh); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'jwt-key'`).Scan(&key)
	})
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	return key, nil
}

// Ping tells whether the database can be written.
func (db *DB) Ping(ctx context.Context) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('ping', ?1) ON CONFLICT DO UPDATE SET value = ?1`,
			millis(time.Now()))
		return err
	})
}

// tx runs f in a transaction that writes from its beginning, through write or lazy, while nobody else in this process
// writes. An error of f is handed back as it is, unless the store is why.
func (db *DB) tx(ctx context.Context, pool *sql.DB, f func(*sql.Tx) error) error {
	if err := db.lock.Acquire(ctx); err != nil {
		return err
	}
	defer db.lock.Release()
	return db.txLocked(ctx, pool, f)
}

// txLocked is tx for the holder of the lock.
func (db *DB) txLocked(ctx context.Context, pool *sql.DB, f func(*sql.Tx) error) error {
	return classify(sqlitefile.Tx(ctx, pool, f))
}

// classify marks the errors that pass by themselves or by an operator's doing.
func classify(err error) error {
	if err == nil || errors.Is(err, server.ErrUnavailable) {
		return err
	}
	switch sqlitefile.KindOf(err) {
	case sqlitefile.Full, sqlitefile.ReadOnly, sqlitefile.Busy, sqlitefile.Failing, sqlitefile.Closed:
		return fmt.Errorf("%w: %w", server.ErrUnavailable, err)
	case sqlitefile.Other, sqlitefile.Corrupt:
	}
	return err
}

// millis is how times are kept.
func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
