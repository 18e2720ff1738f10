package profile

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"github.com/chatsdk/chatsdk/outbox"
)

// outboxStore is the profile as an outbox.Store.
type outboxStore struct {
	p       *Profile
	put     *sql.Stmt // or nil before the first use, as get; used while p.lock is held
	get     *sql.Stmt
	settled int // about how many settled rows there are; guarded by p.lock
}

var (
	_ outbox.Store = (*outboxStore)(nil)
	_ outbox.Inlet = (*outboxStore)(nil)
)

// forgetBatch is how far the settled entries may outgrow outbox.KeepSettled, so that they go many at a time.
const forgetBatch = outbox.KeepSettled / 10

// metaAccount is where meta keeps the queue's present account.
const metaAccount = "outbox-account"

// loadAtOnce bounds the entries that Load makes room for before it has seen them: where places are missing between them,
// there are fewer than it looks.
const loadAtOnce = 16_384

// Load returns what a former run left.
func (s *outboxStore) Load(ctx context.Context) (outbox.Saved, error) {
	out := outbox.Saved{Counts: map[outbox.Lane]outbox.Count{}}
	err := s.p.view(ctx, func(db *sql.DB) error {
		var first uint64
		err := db.QueryRow(`SELECT (SELECT count(*) FROM outbox_entries WHERE state IN (2, 4, 5)),
			coalesce((SELECT max(place) FROM outbox_entries), 0), coalesce((SELECT min(place) FROM outbox_entries), 0),
			coalesce((SELECT value FROM meta WHERE key = ?), '')`, metaAccount).
			Scan(&s.settled, &out.Order, &first, &out.Account)
		if err != nil {
			return err
		}
		if err := s.loadCounts(db, out.Counts); err != nil {
			return err
		}
		// Nobody comes back to the pages that are passed over: keeping them costs more than reading them.
		if _, err := db.Exec(`PRAGMA cache_size = 32`); err != nil {
			return err
		}
		defer func() { _, _ = db.Exec(`PRAGMA cache_size = -2000`) }() // SQLite's default
		// By scanning: an index would cost every write, and a look-up for each of many rows costs more than passing over
		// the settled ones, which are few.
		rows, err := db.Query(`SELECT place, id, data FROM outbox_entries NOT INDEXED WHERE state IN (0, 1, 3) ORDER BY place`)
		if err != nil {
			return err
		}
		out.Entries = make([]outbox.Entry, 0, min(max(int(out.Order-first)+1-s.settled, 0), loadAtOnce))
		out.Aside, err = readEntries(rows, &out.Entries, nil)
		return err
	})
	if err != nil {
		return out, s.fail(err)
	}
	handed, err := s.handedAside()
	out.Aside += len(handed)
	return out, err
}

func (s *outboxStore) loadCounts(db *sql.DB, counts map[outbox.Lane]outbox.Count) error {
	rows, err := db.Query(`SELECT account, channel, last, sent FROM outbox_counts`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l outbox.Lane
		var c outbox.Count
		if err := rows.Scan(&l.Account, &l.Channel, &c.Last, &c.Sent); err != nil {
			return err
		}
		counts[l] = c
	}
	return rows.Err()
}

// readEntries appends rows of place, id and data to entries, and closes them. What can't be read is counted, and told to
// bad if that isn't nil.
func readEntries(rows *sql.Rows, entries *[]outbox.Entry, bad func(outbox.Aside)) (aside int, err error) {
	defer rows.Close()
	var data sql.RawBytes
	var place int64
	var id string
	to := []any{&place, &id, &data}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return 0, err
		}
		e, err := decodeEntry(place, id, data)
		if err != nil {
			aside++
			if bad != nil {
				bad(outbox.Aside{ID: id, Reason: err.Error(), Raw: append([]byte(nil), data...)})
			}
			continue
		}
		*entries = append(*entries, e)
	}
	return aside, rows.Err()
}

// Get finds an entry.
func (s *outboxStore) Get(ctx context.Context, id string) (e outbox.Entry, ok bool, err error) {
	err = s.p.view(ctx, func(db *sql.DB) (err error) {
		if s.get == nil {
			if s.get, err = db.Prepare(`SELECT place, id, data FROM outbox_entries WHERE id = ?`); err != nil {
				return err
			}
		}
		rows, err := s.get.Query(id)
		if err != nil {
			return err
		}
		var found []outbox.Entry
		_, err = readEntries(rows, &found, nil)
		if len(found) > 0 {
			e, ok = found[0], true
		}
		return err
	})
	return e, ok, s.fail(err)
}

// Commit writes in.
func (s *outboxStore) Commit(ctx context.Context, in outbox.Tx) error {
	if err := s.prepare(ctx); err != nil {
		return s.fail(err)
	}
	if len(in.Put) == 1 && len(in.Counts) == 0 && in.Account == "" && !in.Put[0].State.Settled() {
		if err := s.putOne(ctx, &in.Put[0]); err != nil {
			return s.fail(err)
		}
		return s.done(in)
	}
	err := s.p.write(ctx, func(tx *sql.Tx) error {
		if err := s.putEntries(tx, in.Put); err != nil {
			return err
		}
		for l, c := range in.Counts {
			_, err := tx.Exec(`INSERT INTO outbox_counts (account, channel, last, sent) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT DO UPDATE SET last = ?3, sent = ?4`, l.Account, l.Channel, c.Last, c.Sent)
			if err != nil {
				return err
			}
		}
		if in.Account != "" {
			if err := putMeta(tx, metaAccount, in.Account); err != nil {
				return err
			}
		}
		return s.forget(tx)
	})
	if err != nil {
		return s.fail(err)
	}
	return s.done(in)
}

// prepare compiles the statement that nearly every commit is made of.
func (s *outboxStore) prepare(ctx context.Context) error {
	return s.p.view(ctx, func(db *sql.DB) (err error) {
		if s.put == nil {
			s.put, err = db.Prepare(`INSERT INTO outbox_entries (place, id, state, data) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT (id) DO UPDATE SET place = ?1, state = ?3, data = ?4`)
		}
		return err
	})
}

// putOne writes what isn't settled and comes alone, as one caller's Enqueue does. A statement on its own is a transaction
// too; opening and ending one by name took a third of the time.
func (s *outboxStore) putOne(ctx context.Context, e *outbox.Entry) error {
	if err := s.p.lock.Acquire(ctx); err != nil {
		return err
	}
	defer s.p.lock.Release()
	return s.p.fail(putEntry(s.put, e))
}

func putEntry(st *sql.Stmt, e *outbox.Entry) error {
	_, err := st.Exec(int64(e.Order), e.ID, int64(e.State), encodeEntry(e))
	return err
}

func (s *outboxStore) putEntries(tx *sql.Tx, entries []outbox.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	st := tx.Stmt(s.put)
	defer st.Close()
	for i := range entries {
		e := &entries[i]
		if over(e.State) {
			s.settled++
		}
		if err := putEntry(st, e); err != nil {
			return err
		}
	}
	return nil
}

// over says that nothing is to be done about an entry any more.
func over(s outbox.State) bool { return s.Settled() && s != outbox.Parked }

// forget drops the oldest settled entries when there are too many.
func (s *outboxStore) forget(tx *sql.Tx) error {
	if s.settled < outbox.KeepSettled+forgetBatch {
		return nil
	}
	_, err := tx.Exec(`DELETE FROM outbox_entries WHERE state IN (2, 4, 5) AND place <=
		(SELECT place FROM outbox_entries WHERE state IN (2, 4, 5) ORDER BY place DESC LIMIT 1 OFFSET ?)`, outbox.KeepSettled)
	if err != nil {
		return fmt.Errorf("forget settled entries: %w", err)
	}
	return tx.QueryRow(`SELECT count(*) FROM outbox_entries WHERE state IN (2, 4, 5)`).Scan(&s.settled)
}

// entriesPage is how many entries are read at a time; nothing is held while they are looked at.
const entriesPage = 500

// Entries yields all entries in order.
func (s *outboxStore) Entries(ctx context.Context) iter.Seq2[outbox.Entry, error] {
	return func(yield func(outbox.Entry, error) bool) {
		for after := int64(0); ; {
			page, _, last, err := s.page(ctx, after)
			if err != nil {
				yield(outbox.Entry{}, s.fail(err))
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if last == after {
				return
			}
			after = last
		}
	}
}

// SetAside returns the rows that can't be read, and what was handed over and can't be done.
func (s *outboxStore) SetAside(ctx context.Context) ([]outbox.Aside, error) {
	var all []outbox.Aside
	for after := int64(0); ; {
		_, bad, last, err := s.page(ctx, after)
		if err != nil {
			return nil, s.fail(err)
		}
		if all = append(all, bad...); last == after {
			break
		}
		after = last
	}
	handed, err := s.handedAside()
	return append(all, handed...), err
}

// page reads the rows behind a place, good and bad ones, and returns the last one's place; after itself if there is none.
func (s *outboxStore) page(ctx context.Context, after int64) (good []outbox.Entry, bad []outbox.Aside, last int64, err error) {
	err = s.p.view(ctx, func(db *sql.DB) error {
		err := db.QueryRow(`SELECT coalesce(max(place), ?1) FROM (SELECT place FROM outbox_entries WHERE place > ?1 ORDER BY place LIMIT ?2)`,
			after, entriesPage).Scan(&last)
		if err != nil {
			return err
		}
		rows, err := db.Query(`SELECT place, id, data FROM outbox_entries WHERE place > ? AND place <= ? ORDER BY place`, after, last)
		if err != nil {
			return err
		}
		_, err = readEntries(rows, &good, func(a outbox.Aside) { bad = append(bad, a) })
		return err
	})
	return good, bad, last, err
}

// Durable is true.
func (s *outboxStore) Durable() bool { return true }

// fail says in the queue's words that the disk can't be written.
func (s *outboxStore) fail(err error) error {
	if cantWrite(err) {
		return fmt.Errorf("%w: %w", outbox.ErrDisk, err)
	}
	return err
}
