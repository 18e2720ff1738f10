package sqlite

import (
	"context"
	"database/sql"
	"iter"

	"github.com/chatsdk/chatsdk/server"
)

// maxLimit keeps a limit within what SQL takes.
const maxLimit = 1 << 30

// Messages reads a page of a channel.
func (db *DB) Messages(ctx context.Context, channel string, after uint64, limit, maxBytes int) (msgs []server.Message, last uint64, err error) {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one snapshot for both queries
	if err != nil {
		return nil, 0, classify(err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	err = tx.QueryRowContext(ctx, `SELECT coalesce((SELECT last FROM channels WHERE name = ?), 0)`, channel).Scan(&last)
	if err != nil || after >= last {
		return nil, last, classify(err)
	}
	rows, err := tx.QueryContext(ctx, `SELECT channel, seq, user, id, text, attachments, time FROM messages
		WHERE channel = ? AND seq > ? ORDER BY seq LIMIT ?`, channel, after, min(limit, maxLimit))
	if err != nil {
		return nil, 0, classify(err)
	}
	msgs, err = scanMessages(rows, maxBytes)
	return msgs, last, classify(err)
}

// scanMessages reads rows until maxBytes of texts and attachments are full, but one at least; 0 is no bound.
func scanMessages(rows *sql.Rows, maxBytes int) (msgs []server.Message, err error) {
	defer func() { _ = rows.Close() }() // Err has said it
	size := 0
	for rows.Next() {
		var m server.Message
		var ms int64
		var attachments []byte
		if err := rows.Scan(&m.Channel, &m.Seq, &m.User, &m.ID, &m.Text, &attachments, &ms); err != nil {
			return nil, err
		}
		size += len(m.Text) + len(attachments)
		if maxBytes > 0 && size > maxBytes && len(msgs) > 0 {
			return msgs, nil
		}
		m.Attachments, m.Time = attachments, fromMillis(ms)
		msgs = append(msgs, m)
	}
	return msgs, rows.Err()
}

// allPage is how many messages AllMessages reads at a time.
const allPage = 1000

// AllMessages goes through a channel's messages in the order of Seq, for checkers that compare the table with what
// clients saw.
func (db *DB) AllMessages(ctx context.Context, channel string) iter.Seq2[server.Message, error] {
	return func(yield func(server.Message, error) bool) {
		after := uint64(0)
		for {
			msgs, _, err := db.Messages(ctx, channel, after, allPage, 0)
			if err != nil {
				yield(server.Message{}, err)
				return
			}
			for _, m := range msgs {
				if !yield(m, nil) {
					return
				}
				after = m.Seq
			}
			if len(msgs) < allPage {
				return
			}
		}
	}
}

// DeviceSeqs tells the last number of a device in each of its channels.
func (db *DB) DeviceSeqs(ctx context.Context, user, device string, limit int) (map[string]uint64, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT channel, last FROM device_seqs WHERE user = ? AND device = ?
		ORDER BY used DESC, channel LIMIT ?`, user, device, min(limit, maxLimit))
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }() // Err has said it
	seqs := map[string]uint64{}
	for rows.Next() {
		var channel string
		var last uint64
		if err := rows.Scan(&channel, &last); err != nil {
			return nil, classify(err)
		}
		seqs[channel] = last
	}
	return seqs, classify(rows.Err())
}

// Outgoing reads what waits to be published, in the order of commits.
func (db *DB) Outgoing(ctx context.Context, limit int) ([]server.Message, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT m.channel, m.seq, m.user, m.id, m.text, m.attachments, m.time
		FROM (SELECT n, channel, seq FROM outgoing ORDER BY n LIMIT ?) o JOIN messages m ON m.channel = o.channel AND m.seq = o.seq
		ORDER BY o.n`, min(limit, maxLimit))
	if err != nil {
		return nil, classify(err)
	}
	msgs, err := scanMessages(rows, 0)
	return msgs, classify(err)
}

// Published takes messages off the list of Outgoing. It doesn't wait for the disk: after a power cut some may be
// published again, which the stream's readers know how to take.
func (db *DB) Published(ctx context.Context, msgs []server.Message) error {
	return db.tx(ctx, db.lazy, func(tx *sql.Tx) error {
		for _, m := range msgs {
			if _, err := tx.ExecContext(ctx, `DELETE FROM outgoing WHERE channel = ? AND seq = ?`, m.Channel, m.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}
