package profile

import (
	"bytes"
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
	LogTrusted      = bugLogTrusted
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

// LogDamaged says whether a log can't have come about by a crash.
func LogDamaged(log []byte) bool { return logDamaged(bytes.NewReader(log)) }

// EntryColumns takes a record apart that may be damaged.
func EntryColumns(record []byte) (id string, data []byte, ok bool) { return entryColumns(record) }
