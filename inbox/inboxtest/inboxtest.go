// Package inboxtest holds what every inbox.Store must pass.
//
// Only tests import it.
package inboxtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

// Open opens one place anew, as another run would, and closes the opening before. A store in memory returns the same one
// again.
type Open func() inbox.Store

// RunStore runs each check on a place of its own, which empty makes.
func RunStore(t *testing.T, empty func(t *testing.T) Open) {
	t.Helper()
	for _, check := range Checks {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(empty(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check is one thing that a store must do; Run says what is wrong.
type Check struct {
	Name string
	Run  func(Open) error
}

// Checks are all of them.
var Checks = []Check{
	{"empty", checkEmpty},
	{"fields", checkFields},
	{"run", checkRun},
	{"again", checkAgain},
	{"overlap", checkOverlap},
	{"hole", checkHole},
	{"before", checkBefore},
	{"marks", checkMarks},
	{"forget", checkForget},
	{"forget all", checkForgetAll},
	{"channels", checkChannels},
	{"bound", checkBound},
	{"ended context", checkContext},
}

func message(channel string, seq uint64) inbox.Message {
	return inbox.Message{
		Channel: channel, Seq: seq, ID: fmt.Sprint(channel, "-", seq), User: "ada", Text: fmt.Sprint("text ", seq),
		Time: time.UnixMilli(1_700_000_000_000 + int64(seq)).UTC(),
	}
}

func messages(channel string, from, to uint64) (out []inbox.Message) {
	for seq := from; seq <= to; seq++ {
		out = append(out, message(channel, seq))
	}
	return out
}

func commit(open Open, msgs []inbox.Message, marks map[string]inbox.Mark) error {
	if err := open().Commit(context.Background(), inbox.Tx{Messages: msgs, Marks: marks}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// wants looks at a channel by Load and by Page, in this opening and in a new one.
func wants(open Open, channel string, want inbox.Saved) error {
	s := open()
	saved, err := s.Load(context.Background())
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if got := saved[channel]; got != want {
		return fmt.Errorf("channel %s: %+v, want %+v", channel, got, want)
	}
	got, err := s.Page(context.Background(), channel, 0, 1<<30)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	var wanted []inbox.Message
	if want.Last > 0 {
		wanted = messages(channel, want.First, want.Last)
	}
	if len(got) != len(wanted) || len(got) > 0 && !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("channel %s: kept %v, want %d to %d", channel, seqs(got), want.First, want.Last)
	}
	return nil
}

func seqs(msgs []inbox.Message) (out []uint64) {
	for _, m := range msgs {
		out = append(out, m.Seq)
	}
	return out
}

func checkEmpty(open Open) error {
	s := open()
	saved, err := s.Load(context.Background())
	if err != nil || len(saved) != 0 {
		return fmt.Errorf("an empty store: %v, %w", saved, err)
	}
	return errors.Join(wants(open, "c", inbox.Saved{}), open().Forget(context.Background(), "c", 0), commit(open, nil, nil))
}

func checkFields(open Open) error {
	in := message("c", 7)
	in.Text, in.Attachments = "zero \x00 and \U0001F600", json.RawMessage(`[{"a":1}]`)
	if err := commit(open, []inbox.Message{in}, nil); err != nil {
		return err
	}
	got, err := open().Page(context.Background(), "c", 6, 1)
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], in) {
		return fmt.Errorf("kept %+v as %+v, %w", in, got, err)
	}
	return nil
}

func checkRun(open Open) error {
	if err := errors.Join(commit(open, messages("c", 5, 9), nil), commit(open, messages("c", 10, 12), nil)); err != nil {
		return err
	}
	page, err := open().Page(context.Background(), "c", 8, 3)
	if err != nil || fmt.Sprint(seqs(page)) != "[9 10 11]" {
		return fmt.Errorf("3 after 8: %v, %w", seqs(page), err)
	}
	return wants(open, "c", inbox.Saved{First: 5, Last: 12})
}

func checkAgain(open Open) error {
	for range 2 {
		if err := commit(open, messages("c", 1, 3), map[string]inbox.Mark{"c": {Processed: 1, Shown: 2}}); err != nil {
			return err
		}
	}
	return wants(open, "c", inbox.Saved{Mark: inbox.Mark{Processed: 1, Shown: 2}, First: 1, Last: 3})
}

func checkOverlap(open Open) error {
	changed := messages("c", 2, 5)
	changed[0].Text = "kept already"
	if err := errors.Join(commit(open, messages("c", 1, 3), nil), commit(open, changed, nil)); err != nil {
		return err
	}
	return wants(open, "c", inbox.Saved{First: 1, Last: 5})
}

func checkHole(open Open) error {
	if err := errors.Join(commit(open, messages("c", 1, 3), nil), commit(open, messages("c", 5, 6), nil)); err != nil {
		return err
	}
	return wants(open, "c", inbox.Saved{First: 5, Last: 6})
}

func checkBefore(open Open) error {
	if err := errors.Join(commit(open, messages("c", 5, 6), nil), commit(open, messages("c", 1, 2), nil)); err != nil {
		return err
	}
	return wants(open, "c", inbox.Saved{First: 5, Last: 6})
}

func checkMarks(open Open) error {
	for _, m := range []inbox.Mark{{Processed: 3, Shown: 9}, {Processed: 5, Shown: 5}} { // the second lowers one
		if err := commit(open, nil, map[string]inbox.Mark{"c": m, "d": {Processed: 1, Shown: 1}}); err != nil {
			return err
		}
		if err := wants(open, "c", inbox.Saved{Mark: m}); err != nil {
			return err
		}
	}
	return wants(open, "d", inbox.Saved{Mark: inbox.Mark{Processed: 1, Shown: 1}})
}

func checkForget(open Open) error {
	err := errors.Join(
		commit(open, messages("c", 3, 9), map[string]inbox.Mark{"c": {Processed: 8, Shown: 9}}),
		open().Forget(context.Background(), "c", 5),
		wants(open, "c", inbox.Saved{Mark: inbox.Mark{Processed: 5, Shown: 5}, First: 3, Last: 5}),
		commit(open, messages("c", 6, 7), nil),
	)
	if err != nil {
		return err
	}
	return wants(open, "c", inbox.Saved{Mark: inbox.Mark{Processed: 5, Shown: 5}, First: 3, Last: 7})
}

func checkForgetAll(open Open) error {
	err := errors.Join(commit(open, messages("c", 3, 9), nil), open().Forget(context.Background(), "c", 2))
	if err != nil {
		return err
	}
	if err := wants(open, "c", inbox.Saved{}); err != nil {
		return err
	}
	return errors.Join(commit(open, messages("c", 1, 2), nil), wants(open, "c", inbox.Saved{First: 1, Last: 2}))
}

func checkChannels(open Open) error {
	err := errors.Join(
		commit(open, messages("c", 1, 3), nil), commit(open, messages("d", 7, 8), nil), open().Forget(context.Background(), "c", 1))
	if err != nil {
		return err
	}
	return errors.Join(wants(open, "c", inbox.Saved{First: 1, Last: 1}), wants(open, "d", inbox.Saved{First: 7, Last: 8}))
}

// checkBound brings more than any store keeps, and wants the newest without a gap.
func checkBound(open Open) error {
	const n, step = 30_000, 2_000
	for seq := uint64(1); seq <= n; seq += step {
		if err := commit(open, messages("c", seq, seq+step-1), nil); err != nil {
			return err
		}
	}
	saved, err := open().Load(context.Background())
	if err != nil {
		return err
	}
	v := saved["c"]
	if v.Last != n || v.First < 2 || n-v.First < 1000 {
		return fmt.Errorf("after %d messages %+v: too few or too many", n, v)
	}
	return wants(open, "c", v)
}

func checkContext(open Open) error {
	s := open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Commit(ctx, inbox.Tx{Messages: messages("c", 1, 1)})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("commit with an ended context: %w", err)
	}
	if err == nil {
		return wants(open, "c", inbox.Saved{First: 1, Last: 1})
	}
	return wants(open, "c", inbox.Saved{})
}
