package profile

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

// evictShare says how far a channel may outgrow its bound before the oldest messages go, as a share of it, so that they
// go many at a time.
const evictShare = 8

// inboxStore is the profile as an inbox.Store.
type inboxStore struct{ p *Profile }

var _ inbox.Store = (*inboxStore)(nil)

// Load returns what is kept of each channel.
func (s *inboxStore) Load(ctx context.Context) (map[string]inbox.Saved, error) {
	out := map[string]inbox.Saved{}
	err := s.p.view(ctx, func(db *sql.DB) error {
		rows, err := db.Query(`SELECT channel, processed, shown, first, last FROM inbox_channels`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var channel string
			var v inbox.Saved
			if err := rows.Scan(&channel, &v.Processed, &v.Shown, &v.First, &v.Last); err != nil {
				return err
			}
			out[channel] = v
		}
		return rows.Err()
	})
	return out, err
}

// Commit writes in.
func (s *inboxStore) Commit(ctx context.Context, in inbox.Tx) error {
	if planted == bugSplitCommit {
		if err := s.p.write(ctx, func(tx *sql.Tx) error { return setMarks(tx, in.Marks) }); err != nil {
			return err
		}
		in.Marks = nil
	}
	return s.p.write(ctx, func(tx *sql.Tx) error {
		if len(in.Messages) > 0 {
			if err := s.add(tx, in.Messages); err != nil {
				return err
			}
		}
		return setMarks(tx, in.Marks)
	})
}

func setMarks(tx *sql.Tx, marks map[string]inbox.Mark) error {
	for channel, m := range marks {
		_, err := tx.Exec(`INSERT INTO inbox_channels (channel, processed, shown) VALUES (?1, ?2, ?3)
			ON CONFLICT DO UPDATE SET processed = ?2, shown = ?3`, channel, m.Processed, m.Shown)
		if err != nil {
			return err
		}
	}
	return nil
}

// add keeps messages of one channel and drops what makes room.
func (s *inboxStore) add(tx *sql.Tx, msgs []inbox.Message) error {
	channel := msgs[0].Channel
	first, last, err := kept(tx, channel)
	if err != nil {
		return err
	}
	begin, end := msgs[0].Seq, msgs[len(msgs)-1].Seq
	switch {
	case end <= last:
		return nil
	case begin > last+1 || last == 0: // a hole: what lies before it is fetched again if somebody asks
		if _, err := tx.Exec(`DELETE FROM inbox_messages WHERE channel = ?`, channel); err != nil {
			return err
		}
		first, last = begin, begin-1
	}
	if err := insert(tx, msgs[last+1-begin:]); err != nil {
		return err
	}
	if keep := uint64(s.p.opts.KeepMessages); end-first >= keep+keep/evictShare {
		first = end + 1 - keep
		below := first
		if planted == bugEvictOff {
			below++
		}
		if _, err := tx.Exec(`DELETE FROM inbox_messages WHERE channel = ? AND seq < ?`, channel, below); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO inbox_channels (channel, first, last) VALUES (?1, ?2, ?3)
		ON CONFLICT DO UPDATE SET first = ?2, last = ?3`, channel, first, end)
	return err
}

// kept returns the range of a channel's messages, zeros if there are none.
func kept(tx *sql.Tx, channel string) (first, last uint64, err error) {
	err = tx.QueryRow(`SELECT first, last FROM inbox_channels WHERE channel = ?`, channel).Scan(&first, &last)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return first, last, err
}

func insert(tx *sql.Tx, msgs []inbox.Message) error {
	st, err := tx.Prepare(`INSERT INTO inbox_messages (channel, seq, id, user, text, attachments, time) VALUES (?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, m := range msgs {
		var attachments any // nil is NULL
		if m.Attachments != nil {
			attachments = []byte(m.Attachments)
		}
		if _, err := st.Exec(m.Channel, m.Seq, m.ID, m.User, m.Text, attachments, m.Time.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
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
		first, last, err := kept(tx, channel)
		if err != nil {
			return err
		}
		if last = min(last, after); last < first {
			first, last = 0, 0
		}
		if _, err := tx.Exec(`DELETE FROM inbox_messages WHERE channel = ? AND seq > ?`, channel, after); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE inbox_channels SET processed = min(processed, ?1), shown = min(shown, ?1), first = ?2, last = ?3
			WHERE channel = ?4`, after, first, last, channel)
		return err
	})
}
