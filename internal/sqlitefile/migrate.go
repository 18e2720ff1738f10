package sqlitefile

import (
	"context"
	"database/sql"
	"fmt"
)

// NewerError says that a newer program wrote the database.
type NewerError struct {
	Version, Known int
}

// Error says which versions they are and what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has version %d and this program knows %d: use the newer program that wrote it", e.Version, e.Known)
}

// Migrate brings the database of tx forward to len(migrations), each by one version (PRAGMA user_version). A newer
// database is a *NewerError, and nothing of it is touched.
func Migrate(ctx context.Context, tx *sql.Tx, migrations []string) error {
	var version int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return fmt.Errorf("read database version: %w", err)
	}
	if version > len(migrations) {
		return &NewerError{Version: version, Known: len(migrations)}
	}
	for i, m := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, m); err != nil {
			return fmt.Errorf("migrate database to version %d: %w", version+i+1, err)
		}
	}
	if version == len(migrations) {
		return nil
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, len(migrations)))
	return err
}
