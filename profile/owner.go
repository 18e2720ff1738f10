package profile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// OwnerError says that the profile is somebody else's. It matches ErrOwned.
type OwnerError struct {
	Dir          string
	Server, User string // whose it is
}

// Error says whose it is and what to do.
func (e *OwnerError) Error() string {
	return fmt.Sprintf("%v: %s is the profile of %s at %s (%s)", ErrOwned, e.Dir, e.User, e.Server, e.Hint())
}

// Hint says what a person can do.
func (e *OwnerError) Hint() string { return "use another folder for another user or server" }

// Unwrap gives ErrOwned.
func (e *OwnerError) Unwrap() error { return ErrOwned }

// Owner says for which user of which server the profile was claimed; ok is false before.
func (p *Profile) Owner(ctx context.Context) (server, user string, ok bool, err error) {
	err = p.view(ctx, func(db *sql.DB) error {
		err := db.QueryRow(`SELECT server, user FROM owner`).Scan(&server, &user)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return server, user, ok, err
}

// Claim makes the profile that of a user of a server, for good, so that nobody's messages go out in another's name and
// no place in one server's channels is taken for one in another's. Claiming it again for the same changes nothing; for
// anybody else it is an *OwnerError.
func (p *Profile) Claim(ctx context.Context, server, user string) error {
	return p.write(ctx, func(tx *sql.Tx) error {
		if planted == bugOwnerReplaced {
			_, err := tx.Exec(`INSERT OR REPLACE INTO owner (id, server, user) VALUES (1, ?, ?)`, server, user)
			return err
		}
		is := &OwnerError{Dir: p.dir}
		_, err := tx.Exec(`INSERT INTO owner (id, server, user) VALUES (1, ?, ?) ON CONFLICT DO NOTHING`, server, user)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(`SELECT server, user FROM owner`).Scan(&is.Server, &is.User); err != nil {
			return err
		}
		if is.Server != server || is.User != user {
			return is
		}
		p.held.owned(server, user)
		return nil
	})
}
