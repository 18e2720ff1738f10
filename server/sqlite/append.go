package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/chatsdk/chatsdk/server"
)

// Append takes entries of one device. Calls that wait for the disk at the same time share a transaction.
func (db *DB) Append(ctx context.Context, user, device string, entries []server.Entry) ([]server.Outcome, error) {
	c := &appendCall{user: user, device: device, entries: entries, done: make(chan struct{})}
	return db.group.run(ctx, db, c)
}

// all takes the entries of one call.
func (a appending) all(entries []server.Entry) ([]server.Outcome, error) {
	out := make([]server.Outcome, len(entries))
	for i, e := range entries {
		var err error
		if out[i], err = a.one(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appending is one run of Append. An entry is judged before anything of it is written, so that one which is kept out
// leaves nothing behind; an error of its methods ends the whole transaction.
type appending struct {
	ctx    context.Context // of the call, for the length of its transaction
	tx     *sql.Tx
	user   string
	device string
}

func (a appending) one(e server.Entry) (server.Outcome, error) {
	out, err := a.judge(e)
	if err != nil {
		return out, err
	}
	if e.DeviceSeq != 0 {
		last, err := a.lastDeviceSeq(e.Channel)
		if err != nil {
			return out, err
		}
		settled := out.Duplicate || out.Err != nil || e.Refused
		switch {
		case e.DeviceSeq == last+1, planted == bugTakeGaps && e.DeviceSeq > last:
			if err := a.takeDeviceSeq(e); err != nil {
				return out, err
			}
		case settled && (out.Duplicate || e.DeviceSeq <= last):
		default:
			return server.Outcome{Err: &server.SeqGapError{Expected: last + 1}}, nil
		}
	}
	if out.Duplicate || out.Err != nil || e.Refused {
		return out, nil
	}
	return a.insert(e)
}

const (
	messageOfUser    = `SELECT channel, seq, text, attachments, time FROM messages WHERE user = ? AND id = ?`
	messageOfAnybody = `SELECT channel, seq, text, attachments, time FROM messages WHERE user >= substr(?, 1, 0) AND id = ?` // a mistake, for tests
)

// judge says what the tables say of an entry, whatever its DeviceSeq.
func (a appending) judge(e server.Entry) (server.Outcome, error) {
	if e.Refused {
		return server.Outcome{}, nil
	}
	var channel, text string
	var attachments []byte
	var out server.Outcome
	var ms int64
	query := messageOfUser
	if planted == bugIDOfServer {
		query = messageOfAnybody
	}
	err := a.tx.QueryRowContext(a.ctx, query, a.user, e.ID).Scan(&channel, &out.Seq, &text, &attachments, &ms)
	if planted == bugForgetIDs {
		err = sql.ErrNoRows
	}
	known := err == nil
	switch {
	case known && channel == e.Channel && text == e.Text && bytes.Equal(attachments, e.Attachments):
		out.Time, out.Duplicate = fromMillis(ms), true
		return out, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return out, err
	}
	_, err = channelFor(a.ctx, a.tx, e.Channel, a.user)
	switch {
	case errors.Is(err, server.ErrNotMember):
		return server.Outcome{Err: server.ErrNotMember}, nil
	case err != nil && !errors.Is(err, server.ErrNotFound):
		return server.Outcome{}, err
	case known:
		return server.Outcome{Err: server.ErrIDReused}, nil
	}
	if ok, err := a.usable(e); err != nil || !ok {
		return server.Outcome{Err: server.ErrUploadUnusable}, err
	}
	return server.Outcome{}, nil
}

func (a appending) lastDeviceSeq(channel string) (uint64, error) {
	var last uint64
	err := a.tx.QueryRowContext(a.ctx, `SELECT last FROM device_seqs WHERE user = ? AND device = ? AND channel = ?`,
		a.user, a.device, channel).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return last, err
}

func (a appending) takeDeviceSeq(e server.Entry) error {
	if planted == bugForgetNumber {
		return nil
	}
	_, err := a.tx.ExecContext(a.ctx, `INSERT INTO device_seqs (user, device, channel, last, used) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT DO UPDATE SET last = ?4, used = ?5`, a.user, a.device, e.Channel, e.DeviceSeq, millis(e.Time))
	return err
}

func (a appending) insert(e server.Entry) (server.Outcome, error) {
	out := server.Outcome{Time: fromMillis(millis(e.Time))}
	if err := makePublic(a.ctx, a.tx, e.Channel, e.Time); err != nil {
		return out, err
	}
	err := a.tx.QueryRowContext(a.ctx, `UPDATE channels SET last = last + 1 WHERE name = ? RETURNING last`, e.Channel).Scan(&out.Seq)
	if err != nil {
		return out, err
	}
	var attachments any // nil is NULL
	if e.Attachments != nil {
		attachments = []byte(e.Attachments)
	}
	_, err = a.tx.ExecContext(a.ctx, `INSERT INTO messages (channel, seq, user, id, text, attachments, time) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.Channel, out.Seq, a.user, e.ID, e.Text, attachments, millis(e.Time))
	if err != nil {
		return out, err
	}
	if err := a.attach(e, out.Seq); err != nil {
		return out, err
	}
	_, err = a.tx.ExecContext(a.ctx, `INSERT INTO outgoing (channel, seq) VALUES (?, ?)`, e.Channel, out.Seq)
	return out, err
}
