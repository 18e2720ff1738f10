package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/uploads"
)

const uploadColumns = `id, user, coalesce(key, ''), kind, parts, metadata, length, offset, hash, sha256, state, created, expires`

func scanUpload(row interface{ Scan(to ...any) error }) (uploads.Upload, error) {
	var u uploads.Upload
	var parts string
	var created, expires int64
	err := row.Scan(&u.ID, &u.User, &u.Key, &u.Kind, &parts, &u.Metadata, &u.Length, &u.Offset, &u.Hash, &u.SHA256, &u.State,
		&created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return uploads.Upload{}, uploads.ErrNotFound
	}
	if parts != "" {
		u.Parts = strings.Split(parts, " ")
	}
	u.CreatedAt, u.ExpiresAt = fromMillis(created), fromMillis(expires)
	return u, err
}

// CreateUpload keeps a new upload, or answers the one that its key made.
func (db *DB) CreateUpload(ctx context.Context, u uploads.Upload, q uploads.Quota) (kept uploads.Upload, made bool, err error) {
	if planted == bugQuotaOutside {
		if err := withinQuota(ctx, db.read, u.User, max(u.Length, 0), 1, q); err != nil {
			return uploads.Upload{}, false, err
		}
	}
	err = db.tx(ctx, db.write, func(tx *sql.Tx) error {
		made = false
		if u.Key != "" {
			// One that expires at any moment isn't worth going on with: the key is free again.
			_, err := tx.ExecContext(ctx, `UPDATE uploads SET key = NULL WHERE user = ? AND key = ? AND state = ? AND expires <= ?`,
				u.User, u.Key, uploads.Open, millis(u.CreatedAt))
			if err != nil {
				return err
			}
			kept, err = scanUpload(byKey(ctx, tx, u))
			if !errors.Is(err, uploads.ErrNotFound) {
				return err
			}
		}
		if planted != bugQuotaOutside {
			if err := withinQuota(ctx, tx, u.User, max(u.Length, 0), 1, q); err != nil {
				return err
			}
		}
		kept, made = u, true
		_, err := tx.ExecContext(ctx, `INSERT INTO uploads (id, user, key, kind, parts, metadata, length, offset, hash, sha256, state,
			created, expires) VALUES (?, ?, nullif(?, ''), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, u.ID, u.User, u.Key, u.Kind,
			strings.Join(u.Parts, " "), u.Metadata, u.Length, u.Offset, u.Hash, u.SHA256, u.State, millis(u.CreatedAt), millis(u.ExpiresAt))
		return err
	})
	return kept, made, err
}

func byKey(ctx context.Context, tx *sql.Tx, u uploads.Upload) *sql.Row {
	if planted == bugKeyOfServer {
		return tx.QueryRowContext(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE key = ?`, u.Key)
	}
	return tx.QueryRowContext(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE user = ? AND key = ?`, u.User, u.Key)
}

// withinQuota tells whether bytes and count more fit.
func withinQuota(ctx context.Context, from queryer, user string, bytes int64, count int, q uploads.Quota) error {
	var held int64
	var n int
	err := from.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN length < 0 THEN offset ELSE length END), 0),
		count(CASE WHEN NOT EXISTS (SELECT 1 FROM attached WHERE upload = uploads.id) THEN 1 END)
		FROM uploads WHERE user = ? AND state <> ?`, user, uploads.Gone).Scan(&held, &n)
	switch {
	case err != nil:
		return err
	case bytes > q.Bytes-held, n+count > q.Count:
		return uploads.ErrQuota
	}
	return nil
}

// Upload finds an upload.
func (db *DB) Upload(ctx context.Context, id string) (uploads.Upload, error) {
	u, err := scanUpload(db.read.QueryRowContext(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE id = ?`, id))
	return u, classify(err)
}

// AllUploads answers every upload, expired ones that are still known included, in the order of their creation, for checkers
// that compare the table with what clients know. It isn't paged.
func (db *DB) AllUploads(ctx context.Context) (all []uploads.Upload, err error) {
	rows, err := db.read.QueryContext(ctx, `SELECT `+uploadColumns+` FROM uploads ORDER BY created, id`)
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }() // Err has said it
	for rows.Next() {
		u, err := scanUpload(rows)
		if err != nil {
			return nil, classify(err)
		}
		all = append(all, u)
	}
	return all, classify(rows.Err())
}

// AdvanceUpload keeps what changed of an open upload.
func (db *DB) AdvanceUpload(ctx context.Context, u uploads.Upload, from int64, q uploads.Quota) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		var before int64
		err := tx.QueryRowContext(ctx, `SELECT length FROM uploads WHERE id = ? AND state = ? AND offset = ?`, u.ID, uploads.Open, from).
			Scan(&before)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return uploads.ErrConflict
		case err != nil:
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE uploads SET length = ?, offset = ?, hash = ?, sha256 = ?, state = ?, expires = ? WHERE id = ?`,
			u.Length, u.Offset, u.Hash, u.SHA256, u.State, millis(u.ExpiresAt), u.ID)
		if err != nil || before >= 0 {
			return err
		}
		q.Count = 1 << 30 // it is counted already
		return withinQuota(ctx, tx, u.User, 0, 0, q)
	})
}

// DeleteUpload forgets an upload that no message has attached.
func (db *DB) DeleteUpload(ctx context.Context, id string) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		var posted bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM attached WHERE upload = ?)`, id).Scan(&posted)
		switch {
		case err != nil:
			return err
		case posted:
			return uploads.ErrPosted
		}
		done, err := tx.ExecContext(ctx, `DELETE FROM uploads WHERE id = ? AND state <> ?`, id, uploads.Gone)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, uploads.ErrNotFound)
		}
		return nil
	})
}

// ExpireUploads makes uploads Gone whose time is over.
func (db *DB) ExpireUploads(ctx context.Context, t time.Time, limit int) (ids []string, err error) {
	keep := `NOT EXISTS (SELECT 1 FROM attached WHERE upload = uploads.id)`
	if planted == bugSweepPosted {
		keep = `1`
	}
	err = db.tx(ctx, db.write, func(tx *sql.Tx) error {
		ids = nil
		rows, err := tx.QueryContext(ctx, `UPDATE uploads SET state = ?1, key = NULL, hash = NULL WHERE id IN
			(SELECT id FROM uploads WHERE state <> ?1 AND expires < ?2 AND `+keep+` LIMIT ?3) RETURNING id`,
			uploads.Gone, millis(t), min(limit, maxLimit))
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // Err has said it
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}

// ForgetUploads deletes the rows of uploads that are gone since long.
func (db *DB) ForgetUploads(ctx context.Context, t time.Time) error {
	return db.tx(ctx, db.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM uploads WHERE state = ? AND expires < ?`, uploads.Gone, millis(t))
		return err
	})
}

// UploadReadable tells whether a message that the user may read has the upload attached.
func (db *DB) UploadReadable(ctx context.Context, id, user string) error {
	var ok bool
	err := db.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM attached a JOIN channels c ON c.name = a.channel
		WHERE a.upload = ?1 AND (c.private = 0 OR EXISTS (SELECT 1 FROM members m WHERE m.channel = c.name AND m.user = ?2)))`,
		id, user).Scan(&ok)
	if err == nil && !ok {
		return uploads.ErrNotFound
	}
	return classify(err)
}

// usable tells whether the uploads of an entry may be attached.
func (a appending) usable(e server.Entry) (bool, error) {
	for _, id := range e.Uploads {
		var ok bool
		err := a.tx.QueryRowContext(a.ctx, `SELECT EXISTS (SELECT 1 FROM uploads WHERE id = ? AND (user = ? OR ?) AND state = ? AND kind <> ?)`,
			id, a.user, planted == bugForeignAttachable, uploads.Finished, uploads.Partial).Scan(&ok)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// attach keeps the uploads of a message from expiring.
func (a appending) attach(e server.Entry, seq uint64) error {
	for _, id := range e.Uploads {
		_, err := a.tx.ExecContext(a.ctx, `INSERT INTO attached (upload, channel, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			id, e.Channel, seq)
		if err != nil {
			return err
		}
	}
	return nil
}
