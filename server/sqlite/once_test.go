package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// onceChecks are what exactly-once and in order rest on, each with a mistake that it has to see.
var onceChecks = []struct {
	name  string
	bug   sqlite.Bug
	check func(context.Context, *sqlite.DB) error
}{
	{"an id again is the same message", sqlite.ForgetIDs, sameAgain},
	{"an id is its user's", sqlite.IDOfServer, idOfUser},
	{"a number is kept with its message", sqlite.ForgetNumber, numbersRise},
	{"a gap in the numbers waits", sqlite.TakeGaps, gapWaits},
	{"what wasn't committed isn't answered", sqlite.AckUncommitted, noAckBeforeCommit},
}

func TestOnceAndInOrder(t *testing.T) {
	for _, c := range onceChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.Context(), openDir(t, t.TempDir())); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPlantedOnce makes each mistake and wants the check of TestOnceAndInOrder beside it to see it.
func TestPlantedOnce(t *testing.T) {
	for _, c := range onceChecks {
		t.Run(c.name, func(t *testing.T) {
			defer sqlite.Plant(c.bug)()
			err := c.check(t.Context(), openDir(t, t.TempDir()))
			if err == nil {
				t.Fatal("not found")
			}
			t.Log(err)
		})
	}
}

// note is a message for general, with the number of its device.
func note(text string, number uint64) server.Entry {
	return server.Entry{Channel: "general", ID: uuid.NewString(), DeviceSeq: number, Text: text, Time: time.Now().UTC().Truncate(time.Millisecond)}
}

// stored are the texts of general in order.
func stored(ctx context.Context, db *sqlite.DB) (texts []string, err error) {
	for m, err := range db.AllMessages(ctx, "general") {
		if err != nil {
			return nil, err
		}
		texts = append(texts, m.User+" "+m.Text)
	}
	return texts, nil
}

func wantStored(ctx context.Context, db *sqlite.DB, want ...string) error {
	got, err := stored(ctx, db)
	if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		err = fmt.Errorf("stored %q, want %q", got, want)
	}
	return err
}

func one(ctx context.Context, db *sqlite.DB, user string, e server.Entry) (server.Outcome, error) {
	out, err := db.Append(ctx, user, "phone", []server.Entry{e})
	if err != nil {
		return server.Outcome{}, err
	}
	if len(out) != 1 {
		return server.Outcome{}, fmt.Errorf("%d outcomes for one entry", len(out))
	}
	return out[0], out[0].Err
}

func sameAgain(ctx context.Context, db *sqlite.DB) error {
	e := note("hi", 1)
	first, err := one(ctx, db, "ada", e)
	if err != nil {
		return err
	}
	again, err := one(ctx, db, "ada", e)
	switch {
	case err != nil:
		return fmt.Errorf("the same again: %w", err)
	case !again.Duplicate || again.Seq != first.Seq || !again.Time.Equal(first.Time):
		return fmt.Errorf("the same again is %+v, was %+v", again, first)
	}
	return wantStored(ctx, db, "ada hi")
}

func idOfUser(ctx context.Context, db *sqlite.DB) error {
	e := note("hi", 0)
	if _, err := one(ctx, db, "ada", e); err != nil {
		return err
	}
	if out, err := one(ctx, db, "bob", e); err != nil || out.Duplicate {
		return fmt.Errorf("bob's message with the id of one of ada's: %+v, %w", out, err)
	}
	return wantStored(ctx, db, "ada hi", "bob hi")
}

func numbersRise(ctx context.Context, db *sqlite.DB) error {
	for n := range uint64(3) {
		if _, err := one(ctx, db, "ada", note(fmt.Sprint(n+1), n+1)); err != nil {
			return fmt.Errorf("number %d: %w", n+1, err)
		}
	}
	if seqs, err := db.DeviceSeqs(ctx, "ada", "phone", 10); err != nil || seqs["general"] != 3 {
		return fmt.Errorf("the last number is %v, %w", seqs, err)
	}
	return wantStored(ctx, db, "ada 1", "ada 2", "ada 3")
}

func gapWaits(ctx context.Context, db *sqlite.DB) error {
	if _, err := one(ctx, db, "ada", note("1", 1)); err != nil {
		return err
	}
	third := note("3", 3)
	out, err := one(ctx, db, "ada", third)
	var gap *server.SeqGapError
	if !errors.As(err, &gap) || gap.Expected != 2 {
		return fmt.Errorf("number 3 before 2: %+v, %w", out, err)
	}
	for _, e := range []server.Entry{note("2", 2), third} {
		if _, err := one(ctx, db, "ada", e); err != nil {
			return err
		}
	}
	return wantStored(ctx, db, "ada 1", "ada 2", "ada 3")
}

// noAckBeforeCommit sends to a store that can't write, which has to say so, and again when it can.
func noAckBeforeCommit(ctx context.Context, db *sqlite.DB) error {
	e := note("hi", 1)
	if err := sqlite.SetQueryOnly(db, true); err != nil {
		return err
	}
	if out, err := db.Append(ctx, "ada", "phone", []server.Entry{e}); err == nil {
		return fmt.Errorf("nothing was written, and the answer is %+v", out)
	}
	if err := sqlite.SetQueryOnly(db, false); err != nil {
		return err
	}
	if out, err := one(ctx, db, "ada", e); err != nil || out.Duplicate {
		return fmt.Errorf("when it can write: %+v, %w", out, err)
	}
	return wantStored(ctx, db, "ada hi")
}
