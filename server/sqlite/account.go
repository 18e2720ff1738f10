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
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions
			(id, user, device, created, expires, ended, counter, confirmed, refreshed, replay, replayed, refresh)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, x''))`,
			append([]any{s.ID, s.User, s.Device, millis(s.CreatedAt)}, changeable(s)...)...)
		return exists(err)
	})
}

// changeable are the columns of a session that change, in the order of AddSession and ChangeSession.
func changeable(s server.Session) []any {
	return []any{
		millis(s.ExpiresAt), orZero(s.EndedAt), s.Counter, toInt(s.Confirmed), orZero(s.RefreshedAt),
		s.ReplayKeys, orZero(s.ReplayAt), s.RefreshHash,
	}
}

// orZero keeps the zero time as 0.
func orZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return millis(t)
}

func fromZero(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return fromMillis(ms)
}

// queryer is a pool or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func session(ctx context.Context, q queryer, id string) (server.Session, error) {
	s := server.Session{ID: id}
	var created, expires, ended, refreshed, replayed int64
	err := q.QueryRowContext(ctx, `SELECT user, device, created, expires, ended, counter, confirmed, refreshed, replay, replayed,
		nullif(refresh, x'') FROM sessions WHERE id = ?`, id).Scan(&s.User, &s.Device, &created, &expires, &ended,
		&s.Counter, &s.Confirmed, &refreshed, &s.ReplayKeys, &replayed, &s.RefreshHash)
	if err != nil {
		return server.Session{}, missing(err)
	}
	s.CreatedAt, s.ExpiresAt, s.EndedAt = fromMillis(created), fromMillis(expires), fromZero(ended)
	s.RefreshedAt, s.ReplayAt = fromZero(refreshed), fromZero(replayed)
	return s, nil
}

// Session finds a session.
func (db *DB) Session(ctx context.Context, id string) (server.Session, error) {
	return session(ctx, db.read, id)
}

// ChangeSession changes a session in one transaction.
func (db *DB) ChangeSession(ctx context.Context, id string, change func(server.Session) server.Session) (server.Session, error) {
	var s server.Session
	err := db.tx(ctx, db.write, func(tx *sql.Tx) error {
		was, err := session(ctx, tx, id)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE sessions SET expires = ?, ended = ?, counter = ?, confirmed = ?, refreshed = ?,
			replay = ?, replayed = ?, refresh = coalesce(?, x'') WHERE id = ?`, append(changeable(change(was)), id)...)
		if err != nil {
			return err
		}
		s, err = session(ctx, tx, id)
		return err
	})
	if err != nil {
		return server.Session{}, err
	}
	return s, nil
}

// ConfirmSession notes that the present pair of tokens was used. It doesn't wait for the disk.
func (db *DB) ConfirmSession(ctx context.Context, id string, counter uint64) error {
	return db.tx(ctx, db.lazy, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE sessions SET confirmed = 1 WHERE id = ? AND counter = ?`, id, counter)
		return err
	})
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
