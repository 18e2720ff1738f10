// Package sqlitefile is what the server's and the client's databases have in common: how a file is named to SQLite, how
// it is brought to a version, how one writes at a time, and what its errors mean.
package sqlitefile

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
)

// DSN names the file at the absolute path to the driver, with the pragmas that each connection begins with. The vfs is
// the name of a registered file system, or empty for the operating system's.
func DSN(path, vfs string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	query := url.Values{"_pragma": pragmas}
	if vfs != "" {
		query.Set("vfs", vfs)
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// Limit gives a pool n connections and keeps them: opening one costs as much as many queries.
func Limit(db *sql.DB, n int) {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

// Lock lets one writer in at a time: SQLite has one, and waiting for it in Go is fair, in SQLite it isn't.
type Lock chan struct{}

// NewLock returns a lock that is free.
func NewLock() Lock { return make(Lock, 1) }

// Acquire takes the lock, or returns ctx's error: always where ctx ended before the call. Release gives it back.
func (l Lock) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // a select with both ready chooses at random
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release gives the lock back.
func (l Lock) Release() { <-l }

// Tx runs f in a transaction of pool that writes from its beginning. An error of f is handed back as it is.
func Tx(ctx context.Context, pool *sql.DB, f func(*sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // it fails if the transaction is over, and then there is nothing to take back
		return err
	}
	return tx.Commit()
}
