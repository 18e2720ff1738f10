package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/ncruces/go-sqlite3"
)

// AddUser makes an account.
func (db *DB) AddUser(ctx context.Context, u server.User) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO users (name, hash, created) VALUES (?, ?, ?)`,
			u.Name, u.PasswordHash, millis(u.CreatedAt))
		return exists(err)
	})
}

// exists names the error of a row that is there already.
func exists(err error) error {
	if errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) || errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		return server.ErrExists
	}
	return err
}

// missing names the error of a row that isn't there.
func missing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return server.ErrNotFound
	}
	return classify(err)
}

// User finds an account.
func (db *DB) User(ctx context.Context, name string) (server.User, error) {
	u := server.User{Name: name}
	var created int64
	err := db.read.QueryRowContext(ctx, `SELECT hash, created FROM users WHERE name = ?`, name).Scan(&u.PasswordHash, &created)
	if err != nil {
		return server.User{}, missing(err)
	}
	u.CreatedAt = fromMillis(created)
	return u, nil
}

// AddSession keeps a new session.
func (db *DB) AddSession(ctx context.Context, s server.Session) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (id, user, device, refresh, created, expires) VALUES (?, ?, ?, ?, ?, ?)`,
			s.ID, s.User, s.Device, s.RefreshHash, millis(s.CreatedAt), millis(s.ExpiresAt))
		return exists(err)
	})
}

// queryer is a pool or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func session(ctx context.Context, q queryer, id string) (server.Session, error) {
	s := server.Session{ID: id}
	var created, expires, ended int64
	err := q.QueryRowContext(ctx, `SELECT user, device, refresh, created, expires, ended FROM sessions WHERE id = ?`, id).
		Scan(&s.User, &s.Device, &s.RefreshHash, &created, &expires, &ended)
	if err != nil {
		return server.Session{}, missing(err)
	}
	s.CreatedAt, s.ExpiresAt = fromMillis(created), fromMillis(expires)
	if ended != 0 {
		s.EndedAt = fromMillis(ended)
	}
	return s, nil
}

// Session finds a session.
func (db *DB) Session(ctx context.Context, id string) (server.Session, error) {
	return session(ctx, db.read, id)
}

// RotateSession puts another refresh token in the place of the present one.
func (db *DB) RotateSession(ctx context.Context, id string, oldHash, newHash []byte, now, expiresAt time.Time) (server.Session, error) {
	var s server.Session
	err := db.tx(ctx, db.write, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE sessions SET refresh = ?, expires = ?
			WHERE id = ? AND refresh = ? AND ended = 0 AND expires > ?`,
			newHash, millis(expiresAt), id, oldHash, millis(now))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, server.ErrNotFound)
		}
		s, err = session(ctx, tx, id)
		return err
	})
	return s, err
}

// EndSession ends a session.
func (db *DB) EndSession(ctx context.Context, id string, at time.Time) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE sessions SET ended = ? WHERE id = ? AND ended = 0`, millis(at), id)
		return err
	})
}

// DeleteSessions forgets sessions that expired before t.
func (db *DB) DeleteSessions(ctx context.Context, t time.Time) (int, error) {
	var n int64
	err := db.tx(ctx, db.write, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires < ?`, millis(t))
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return int(n), err
}
