package profile

import (
	"context"
	"database/sql"
)

// Bug names a planted mistake.
type Bug = bug

// Planted mistakes, for tests.
const (
	NoSync          = bugNoSync
	SplitCommit     = bugSplitCommit
	DeviceAnew      = bugDeviceAnew
	EvictOff        = bugEvictOff
	NewerIgnored    = bugNewerIgnored
	SplitCheckpoint = bugSplitCheckpoint
	OwnerReplaced   = bugOwnerReplaced
)

// Plant turns a mistake on until the returned function is called.
func Plant(b Bug) (undo func()) {
	planted = b
	return func() { planted = bugNone }
}

// Version is that of a database of this program.
func Version() int { return len(migrations) }

// FileName is the database's name in its folder.
const FileName = fileName

// Exec runs a statement as the stores do.
func Exec(ctx context.Context, p *Profile, statement string) error {
	return p.view(ctx, func(db *sql.DB) error {
		_, err := db.Exec(statement)
		return err
	})
}

// EntryColumns takes a record apart that may be damaged.
func EntryColumns(record []byte) (id string, data []byte, ok bool) { return entryColumns(record) }
