package profile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
	"github.com/chatsdk/chatsdk/token"
)

// tokenStore is the profile as a token.Store. One process has the profile, so its lock needn't be seen by others.
type tokenStore struct {
	p    *Profile
	lock sqlitefile.Lock
}

var _ token.Store = (*tokenStore)(nil)

// Format names the type only: %+v would reach the tokens.
func (s *tokenStore) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "profile.tokenStore") }

// Load returns what is kept.
func (s *tokenStore) Load(ctx context.Context) (data []byte, version uint64, err error) {
	err = s.p.view(ctx, func(db *sql.DB) error {
		err := db.QueryRow(`SELECT version, data FROM session`).Scan(&version, &data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return data, version, err
}

// CompareAndSwap keeps data instead of version.
func (s *tokenStore) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	err := s.p.write(ctx, func(tx *sql.Tx) error {
		var kept uint64
		err := tx.QueryRow(`SELECT version FROM session`).Scan(&kept)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if kept != version {
			return token.ErrConflict
		}
		_, err = tx.Exec(`INSERT INTO session (id, version, data) VALUES (1, ?1, ?2)
			ON CONFLICT DO UPDATE SET version = ?1, data = ?2`, version+1, data)
		return err
	})
	if err != nil {
		return 0, err
	}
	return version + 1, nil
}

// Lock waits for the lock.
func (s *tokenStore) Lock(ctx context.Context) (unlock func(), err error) {
	if err := s.lock.Acquire(ctx); err != nil {
		return nil, err
	}
	return sync.OnceFunc(s.lock.Release), nil
}
