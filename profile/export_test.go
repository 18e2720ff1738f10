package profile

import (
	"bytes"
	"context"
	"database/sql"
	"slices"

	"github.com/ncruces/go-sqlite3/vfs"
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

// OpenVersion opens the profile as the package did when it knew n migrations.
func OpenVersion(dir string, n int) (*Profile, error) {
	all := migrations
	defer func() { migrations = all }()
	migrations = migrations[:n]
	return Open(dir)
}

// AddMigration adds one until the returned function is called.
func AddMigration(statements string) (undo func()) {
	all := migrations
	migrations = append(slices.Clip(slices.Clone(all)), statements)
	return func() { migrations = all }
}

// Migrations are the statements of all of them.
func Migrations() []string { return migrations }

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

// RoomyLog gives a log room, as those of profiles have.
func RoomyLog(file vfs.File) vfs.File { return &roomyLog{File: file} }
