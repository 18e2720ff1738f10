package profile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/chatsdk/chatsdk/upload"
)

// uploadStore is the profile as an upload.Store.
type uploadStore struct{ p *Profile }

var _ upload.Store = (*uploadStore)(nil)

// Where meta keeps the present account of the uploads, and the highest place that one ever had.
const (
	metaUploadAccount = "upload-account"
	metaUploadOrder   = "upload-order"
)

// Load returns what a former run left.
func (s *uploadStore) Load(ctx context.Context) (upload.Saved, error) {
	var out upload.Saved
	err := s.p.view(ctx, func(db *sql.DB) error {
		var order string
		err := db.QueryRow(`SELECT coalesce((SELECT value FROM meta WHERE key = ?), '0'), coalesce((SELECT value FROM meta WHERE key = ?), '')`,
			metaUploadOrder, metaUploadAccount).Scan(&order, &out.Account)
		if err != nil {
			return err
		}
		if out.Order, err = strconv.ParseUint(order, 10, 64); err != nil {
			return &Error{s.p.dir, ErrCorrupt, fmt.Errorf("place of the last upload: %w", err)}
		}
		rows, err := db.Query(`SELECT place, id, data FROM uploads ORDER BY place`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var place int64
			var id string
			var data sql.RawBytes
			if err := rows.Scan(&place, &id, &data); err != nil {
				return err
			}
			out.Order = max(out.Order, uint64(place))
			u, err := decodeUpload(place, id, data)
			if err != nil {
				out.Aside = append(out.Aside, upload.Aside{ID: id, Reason: err.Error(), Raw: append([]byte(nil), data...)})
				continue
			}
			out.Uploads = append(out.Uploads, u)
		}
		return rows.Err()
	})
	return out, s.fail(err)
}

// Commit writes in.
func (s *uploadStore) Commit(ctx context.Context, in upload.Tx) error {
	if planted == bugSplitCheckpoint {
		for _, u := range in.Put {
			u.HashState = nil
			if err := s.p.write(ctx, func(tx *sql.Tx) error { return s.putUploads(tx, []upload.Upload{u}) }); err != nil {
				return s.fail(err)
			}
		}
	}
	err := s.p.write(ctx, func(tx *sql.Tx) error {
		if err := s.putUploads(tx, in.Put); err != nil {
			return err
		}
		for _, id := range in.Remove {
			if _, err := tx.Exec(`DELETE FROM uploads WHERE id = ?`, id); err != nil {
				return err
			}
		}
		if in.Account == "" {
			return nil
		}
		return putMeta(tx, metaUploadAccount, in.Account)
	})
	return s.fail(err)
}

// putUploads writes rows, and the highest place if it rose.
func (s *uploadStore) putUploads(tx *sql.Tx, uploads []upload.Upload) error {
	if len(uploads) == 0 {
		return nil
	}
	st, err := tx.Prepare(`INSERT INTO uploads (place, id, data) VALUES (?1, ?2, ?3)
		ON CONFLICT (id) DO UPDATE SET place = ?1, data = ?3`)
	if err != nil {
		return err
	}
	defer st.Close()
	var last uint64
	for i := range uploads {
		u := &uploads[i]
		last = max(last, u.Order)
		if _, err := st.Exec(int64(u.Order), u.ID, encodeUpload(u)); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO meta (key, value) VALUES (?1, ?2)
		ON CONFLICT DO UPDATE SET value = ?2 WHERE CAST(value AS INTEGER) < CAST(?2 AS INTEGER)`, metaUploadOrder, strconv.FormatUint(last, 10))
	return err
}

func putMeta(tx *sql.Tx, key, value string) error {
	_, err := tx.Exec(`INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2`, key, value)
	return err
}

// Durable is true.
func (s *uploadStore) Durable() bool { return true }

// fail says in the uploads' words that the disk can't be written.
func (s *uploadStore) fail(err error) error {
	if cantWrite(err) {
		return fmt.Errorf("%w: %w", upload.ErrDisk, err)
	}
	return err
}

// cantWrite says whether an error means that the disk can't be written now.
func cantWrite(err error) bool {
	return errors.Is(err, ErrDiskFull) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrDisk)
}
