package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ncruces/go-sqlite3/driver"
)

// Bug is a mistake to plant.
type Bug = bug

// The mistakes.
const (
	KeyOfServer       = bugKeyOfServer
	QuotaOutside      = bugQuotaOutside
	ForeignAttachable = bugForeignAttachable
	SweepPosted       = bugSweepPosted
	ForgetIDs         = bugForgetIDs
	IDOfServer        = bugIDOfServer
	ForgetNumber      = bugForgetNumber
	TakeGaps          = bugTakeGaps
	AckUncommitted    = bugAckUncommitted
)

// Plant makes a mistake until the returned function is called.
func Plant(b Bug) func() {
	planted = b
	return func() { planted = 0 }
}

// OpenVersion opens the data folder as the package did when it knew n migrations.
func OpenVersion(ctx context.Context, dir string, n int) (*DB, error) {
	all := migrations
	defer func() { migrations = all }()
	migrations = migrations[:n]
	return Open(ctx, dir)
}

// SetMaxPages bounds the database, as a full disk would.
func SetMaxPages(db *DB, n int) error {
	_, err := db.write.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
	return err
}

// SetQueryOnly makes writes fail, as a read-only file system would.
func SetQueryOnly(db *DB, on bool) error {
	_, err := db.write.Exec(fmt.Sprintf(`PRAGMA query_only = %v`, on))
	return err
}

// CancelTransaction begins to write and is cancelled; it returns when the connection has been dropped.
func CancelTransaction(db *DB) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM messages`); err != nil {
			return err
		}
		cancel()
		return ctx.Err()
	})
}

// HoldWriter keeps everybody from writing until release is called.
func HoldWriter(ctx context.Context, db *DB) (release func(), err error) {
	return db.lock.Release, db.lock.Acquire(ctx)
}

// CountCommits counts commits in n, from now on.
func CountCommits(ctx context.Context, db *DB, n *int) error {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		c.(driver.Conn).Raw().CommitHook(func() bool { *n++; return true })
		return nil
	})
}

// Poison makes each message with this text fail, as a defect of a table would.
func Poison(ctx context.Context, db *DB, text string) error {
	_, err := db.write.ExecContext(ctx, `CREATE TRIGGER poison BEFORE INSERT ON messages WHEN NEW.text = '`+text+`'
		BEGIN SELECT RAISE(ABORT, 'poison'); END`)
	return err
}
