package profile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
)

// errSchema says that the tables aren't those that this program made.
var errSchema = errors.New("its tables aren't those that were made")

// blame says whether an error that SQLite lays at the program's door is the file's fault: damaged text of a table's
// definition, or a damaged value, makes sound statements wrong. Other errors are handed back as they are. The caller has
// the one connection for itself.
func (p *Profile) blame(ctx context.Context, err error) error {
	var of *sqlite3.Error
	switch {
	case err == nil || p.db == nil || sqlitefile.KindOf(err) != sqlitefile.Other:
		return err
	case strings.HasPrefix(err.Error(), "sql: Scan error"): // every table is strict, so what was written can be read
		return &Error{p.dir, ErrCorrupt, err}
	case !errors.As(err, &of):
		return err
	}
	ctx = context.WithoutCancel(ctx)
	is, version, unreadable := schemaOf(ctx, p.db)
	switch {
	case sqlitefile.KindOf(unreadable) == sqlitefile.Corrupt:
		return &Error{p.dir, ErrCorrupt, unreadable}
	case unreadable != nil || version > len(migrations):
		return err
	}
	if was, failed := schemaAt(ctx, version); failed == nil && !slices.Equal(is, was) {
		return &Error{p.dir, ErrCorrupt, fmt.Errorf("%w: %w", errSchema, err)}
	}
	return err
}

// schemaOf reads a database's definitions and version.
func schemaOf(ctx context.Context, db *sql.DB) (defs []string, version int, err error) {
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return nil, 0, err
	}
	rows, err := db.QueryContext(ctx, `SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1`)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var def sql.RawBytes
		if err := rows.Scan(&def); err != nil {
			return nil, 0, err
		}
		defs = append(defs, string(def))
	}
	return defs, version, rows.Err()
}

// schemaAt is what the migrations up to a version make.
func schemaAt(ctx context.Context, version int) ([]string, error) {
	db, err := driver.Open(":memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	sqlitefile.Limit(db, 1)
	for _, m := range migrations[:version] {
		if _, err := db.ExecContext(ctx, m); err != nil {
			return nil, err
		}
	}
	defs, _, err := schemaOf(ctx, db)
	return defs, err
}
