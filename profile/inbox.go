package profile

import (
	"context"
	"database/sql"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

// inboxStore is the profile as an inbox.Store.
type inboxStore struct{ p *Profile }

var _ inbox.Store = (*inboxStore)(nil)

func newInboxStore(p *Profile) *inboxStore { return &inboxStore{p} }

// Load returns the processed marks.
func (s *inboxStore) Load(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	err := s.p.view(ctx, func(db *sql.DB) error {
		rows, err := db.Query(`SELECT channel, processed FROM inbox_channels`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var channel string
			var seq uint64
			if err := rows.Scan(&channel, &seq); err != nil {
				return err
			}
			out[channel] = seq
		}
		return rows.Err()
	})
	return out, err
}

// Commit writes tx.
func (s *inboxStore) Commit(ctx context.Context, in inbox.Tx) error {
	return s.p.write(ctx, func(tx *sql.Tx) error {
		for _, m := range in.Messages {
			var attachments any // nil is NULL
			if m.Attachments != nil {
				attachments = []byte(m.Attachments)
			}
			_, err := tx.Exec(`INSERT INTO inbox_messages (channel, seq, id, user, text, attachments, time)
				VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				m.Channel, m.Seq, m.ID, m.User, m.Text, attachments, m.Time.UnixMilli())
			if err != nil {
				return err
			}
		}
		for channel, seq := range in.Processed {
			_, err := tx.Exec(`INSERT INTO inbox_channels (channel, processed) VALUES (?1, ?2)
				ON CONFLICT DO UPDATE SET processed = max(processed, ?2)`, channel, seq)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Page returns kept messages.
func (s *inboxStore) Page(ctx context.Context, channel string, after uint64, limit int) (out []inbox.Message, err error) {
	err = s.p.view(ctx, func(db *sql.DB) error {
		rows, err := db.Query(`SELECT seq, id, user, text, attachments, time FROM inbox_messages
			WHERE channel = ? AND seq > ? ORDER BY seq LIMIT ?`, channel, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			m := inbox.Message{Channel: channel}
			var attachments []byte
			var ms int64
			if err := rows.Scan(&m.Seq, &m.ID, &m.User, &m.Text, &attachments, &ms); err != nil {
				return err
			}
			m.Attachments, m.Time = attachments, time.UnixMilli(ms).UTC()
			out = append(out, m)
		}
		return rows.Err()
	})
	return out, err
}

// Forget drops what comes after.
func (s *inboxStore) Forget(ctx context.Context, channel string, after uint64) error {
	return s.p.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM inbox_messages WHERE channel = ? AND seq > ?`, channel, after); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE inbox_channels SET processed = min(processed, ?) WHERE channel = ?`, after, channel)
		return err
	})
}
