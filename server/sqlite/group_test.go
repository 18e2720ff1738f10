package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// waiting is what came of calls of Append that waited for the writer together, each with one entry of a device of its
// own.
type waiting struct {
	out     [][]server.Outcome
	err     []error
	commits int
}

// appendTogether holds the writer until n calls wait for it, and the first gave up that should.
func appendTogether(t *testing.T, db *sqlite.DB, n int, text func(int) string, cancelled int) waiting {
	t.Helper()
	release, err := sqlite.HoldWriter(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	w := waiting{out: make([][]server.Outcome, n), err: make([]error, n)}
	if err := sqlite.CountCommits(t.Context(), db, &w.commits); err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for i := range n {
		mine := t.Context()
		if i < cancelled {
			mine = ctx
		}
		calls.Go(func() {
			e := entry(1)
			e.ID, e.Text = fmt.Sprintf("00000000-0000-7000-8000-%012d", i), text(i)
			w.out[i], w.err[i] = db.Append(mine, "alice", fmt.Sprint("d", i), []server.Entry{e})
		})
		synctest.Wait() // so that they came in this order
	}
	cancel()
	synctest.Wait()
	release()
	calls.Wait()
	return w
}

// TestCallsThatWaitShareACommit has 300 calls wait: all are taken in their order, in two transactions.
func TestCallsThatWaitShareACommit(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		db := openMemory(t)
		w := appendTogether(t, db, 300, func(i int) string { return fmt.Sprint("text ", i) }, 0)
		for i, err := range w.err {
			if err != nil || w.out[i][0].Seq != uint64(i+1) || w.out[i][0].Err != nil {
				t.Fatalf("call %d: %+v, %v", i, w.out[i], err)
			}
		}
		if w.commits != 2 {
			t.Errorf("%d commits for 300 calls that waited together, in groups of at most 256", w.commits)
		}
	})
}

// TestOneBadCallHurtsNobodyElse has one call of ten fail in the table, and three give up while they wait.
func TestOneBadCallHurtsNobodyElse(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		db := openMemory(t)
		if err := sqlite.Poison(t.Context(), db, "text 6"); err != nil {
			t.Fatal(err)
		}
		w := appendTogether(t, db, 10, func(i int) string { return fmt.Sprint("text ", i) }, 3)
		for i, err := range w.err {
			switch {
			case i < 3:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("call %d gave up: %v", i, err)
				}
			case i == 6:
				if err == nil || w.out[i] != nil {
					t.Errorf("call %d should fail: %+v", i, w.out[i])
				}
			case err != nil || w.out[i][0].Err != nil || w.out[i][0].Duplicate:
				t.Errorf("call %d: %+v, %v", i, w.out[i], err)
			}
		}
		stored, seq := 0, uint64(0)
		for m, err := range db.AllMessages(t.Context(), "a") {
			if err != nil || m.Seq != seq+1 {
				t.Fatalf("after %d: %+v, %v", seq, m, err)
			}
			stored, seq = stored+1, m.Seq
		}
		if stored != 6 {
			t.Errorf("%d messages stored, want 6: those of the calls that waited and had nothing wrong", stored)
		}
	})
}

// TestFailingDiskIsSaidToAll makes the store fail for everybody who waits.
func TestFailingDiskIsSaidToAll(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		db := openMemory(t)
		if err := sqlite.SetQueryOnly(db, true); err != nil {
			t.Fatal(err)
		}
		w := appendTogether(t, db, 5, func(int) string { return "text" }, 0)
		for i, err := range w.err {
			if !errors.Is(err, server.ErrUnavailable) || w.out[i] != nil {
				t.Errorf("call %d: %+v, %v", i, w.out[i], err)
			}
		}
	})
}
