package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk/server"
)

// AddChannel makes a channel.
func (db *DB) AddChannel(ctx context.Context, c server.Channel, members []string) error {
	if c.Owner != "" {
		members = append([]string{c.Owner}, members...)
	}
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO channels (name, private, owner, created) VALUES (?, ?, ?, ?)`,
			c.Name, toInt(c.Private), c.Owner, millis(c.CreatedAt))
		if err != nil {
			return exists(err)
		}
		for _, m := range members {
			_, err := tx.ExecContext(ctx, `INSERT INTO members (channel, user) VALUES (?, ?) ON CONFLICT DO NOTHING`, c.Name, m)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// channelFor finds a channel and whether the user may use it.
func channelFor(ctx context.Context, q queryer, name, user string) (server.Channel, error) {
	c := server.Channel{Name: name}
	var created int64
	var member bool
	err := q.QueryRowContext(ctx, `SELECT private, owner, created, last,
		private = 0 OR EXISTS (SELECT 1 FROM members WHERE channel = ?1 AND user = ?2) FROM channels WHERE name = ?1`, name, user).
		Scan(&c.Private, &c.Owner, &created, &c.Last, &member)
	switch {
	case err != nil:
		return server.Channel{}, missing(err)
	case !member:
		return server.Channel{}, server.ErrNotMember
	}
	c.CreatedAt = fromMillis(created)
	return c, nil
}

// OpenChannel finds a channel for a user, or makes a public one.
func (db *DB) OpenChannel(ctx context.Context, name, user string, now time.Time) (server.Channel, error) {
	c, err := channelFor(ctx, db.read, name, user)
	if !errors.Is(err, server.ErrNotFound) {
		return c, err
	}
	err = db.tx(ctx, db.write, func(tx *sql.Tx) error {
		if err := makePublic(ctx, tx, name, now); err != nil {
			return err
		}
		c, err = channelFor(ctx, tx, name, user)
		return err
	})
	return c, err
}

// makePublic makes a public channel, unless the name is taken.
func makePublic(ctx context.Context, tx *sql.Tx, name string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO channels (name, private, owner, created) VALUES (?, 0, '', ?) ON CONFLICT DO NOTHING`,
		name, millis(now))
	return err
}

// CanRead tells whether a user may read a channel.
func (db *DB) CanRead(ctx context.Context, channel, user string) error {
	_, err := channelFor(ctx, db.read, channel, user)
	if errors.Is(err, server.ErrNotFound) {
		return nil
	}
	return err
}
