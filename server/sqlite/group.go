package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"github.com/chatsdk/chatsdk/server"
)

// maxGroup bounds the entries of calls that share a transaction, so that others who write don't wait long for it.
const maxGroup = 256

// appendCall is one call of Append. What came of it is to be read once done is closed.
type appendCall struct {
	user, device string
	entries      []server.Entry
	done         chan struct{}
	out          []server.Outcome
	err          error
}

// group holds the calls of Append that wait for the writer. Whoever of them becomes it does the work of all: a commit
// waits for the disk, and one serves many as well as one. There is no goroutine for it, and nobody waits for company.
type group struct {
	mu      sync.Mutex // guards waiting; held for moments
	waiting []*appendCall
}

// run returns when c was done by somebody, or when ctx ends.
func (g *group) run(ctx context.Context, db *DB, c *appendCall) ([]server.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	for {
		select {
		case <-c.done:
			return c.out, c.err
		case <-ctx.Done():
			g.leave(c) // unless somebody does its work just now, whose outcome is unknown then
			return nil, ctx.Err()
		case db.lock <- struct{}{}:
			g.lead(ctx, db)
		}
	}
}

func (g *group) leave(c *appendCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, c); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}

// take removes the calls of the next transaction, in the order in which they came.
func (g *group) take() []*appendCall {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, entries := 0, 0
	for n < len(g.waiting) && (n == 0 || entries+len(g.waiting[n].entries) <= maxGroup) {
		entries += len(g.waiting[n].entries)
		n++
	}
	calls := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return calls
}

// lead does the work of those who wait, as the holder of the lock, which it gives back. The end of its own call mustn't end theirs.
func (g *group) lead(ctx context.Context, db *DB) {
	defer db.lock.Release()
	calls := g.take()
	if len(calls) == 0 { // somebody did it all between
		return
	}
	ctx = context.WithoutCancel(ctx)
	err := db.appendAll(ctx, calls)
	if err != nil && len(calls) > 1 && !errors.Is(err, server.ErrUnavailable) {
		for _, c := range calls { // one of them is why: the others shouldn't pay for it
			c.err = db.appendAll(ctx, []*appendCall{c})
		}
	} else {
		for _, c := range calls {
			c.err = err
		}
	}
	for _, c := range calls {
		if planted == bugAckUncommitted {
			c.err = nil
		}
		if c.err != nil {
			c.out = nil
		}
		close(c.done)
	}
}

// appendAll stores all of what calls bring, or nothing. The lock is held.
func (db *DB) appendAll(ctx context.Context, calls []*appendCall) error {
	return db.txLocked(ctx, db.write, func(tx *sql.Tx) (err error) {
		for _, c := range calls {
			if c.out, err = (appending{ctx, tx, c.user, c.device}).all(c.entries); err != nil {
				return err
			}
		}
		return nil
	})
}
