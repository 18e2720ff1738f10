package profile

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
)

// pragmas begin the one connection. The profile belongs to one process, so the connection keeps the file for itself:
// then SQLite needs no shared memory beside the log, which also lets a file system made for tests hold it. With FULL a
// commit waits for the disk. What another process holds is held for good, so waiting is short.
var pragmas = []string{
	"locking_mode(exclusive)", "busy_timeout(250)", "journal_mode(wal)", "synchronous(full)", "foreign_keys(on)",
}

// open opens the database, brings it forward and makes the stores.
func (p *Profile) open(ctx context.Context) (err error) {
	if p.held != nil && planted != bugLogTrusted {
		if fault := silentFault(p.dir, p.held.me.User != ""); fault != nil {
			return &Error{p.dir, ErrCorrupt, fault}
		}
	}
	with := pragmas
	if planted == bugNoSync {
		with = append(slices.Clone(pragmas), "synchronous(off)")
	}
	if p.db, err = driver.Open(sqlitefile.DSN(filepath.Join(p.dir, fileName), roomy(p.opts.VFS), with...)); err != nil {
		return p.fail(err)
	}
	sqlitefile.Limit(p.db, 1)
	err = p.write(ctx, func(tx *sql.Tx) error {
		err := sqlitefile.Migrate(ctx, tx, migrations)
		if err != nil && planted != bugNewerIgnored {
			return err
		}
		p.device, err = readDevice(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	server, user, _, err := p.Owner(ctx)
	if err != nil {
		return err
	}
	p.held.owned(server, user)
	p.inbox = &inboxStore{p}
	p.tokens = &tokenStore{p, sqlitefile.NewLock()}
	p.outbox = &outboxStore{p: p}
	p.upload = &uploadStore{p}
	return nil
}

// write runs f in a transaction while nobody else uses the database. When it returns nil, what f wrote survives power
// loss. An error of f is handed back; one of the database as an *Error. ctx bounds the wait for its turn only: a
// transaction cut short would cost the connection, and nobody would know what became of it.
func (p *Profile) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	if err := p.lock.Acquire(ctx); err != nil {
		return err
	}
	defer p.lock.Release()
	return p.fail(p.blame(ctx, sqlitefile.Tx(context.WithoutCancel(ctx), p.db, f)))
}

// view runs f, which only reads, while nobody else uses the database. Errors and ctx are as with write. The queries of
// f must not use a context that ends.
func (p *Profile) view(ctx context.Context, f func(db *sql.DB) error) error {
	if err := p.lock.Acquire(ctx); err != nil {
		return err
	}
	defer p.lock.Release()
	return p.fail(p.blame(ctx, f(p.db)))
}
