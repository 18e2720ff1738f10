package profile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// handedIn is a file of the folder where things are handed over.
func handedIn(dir, name string) string { return filepath.Join(dir, "handover", name) }

// TestHandOver hands messages to a profile that is open, one of them twice, and leaves a file that is none.
func TestHandOver(t *testing.T) {
	dir := t.TempDir()
	open := reopener(t, dir)
	p := open()
	if _, err := profile.Open(dir); !errors.Is(err, profile.ErrLocked) {
		t.Fatalf("second opening: %v", err)
	}
	one, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: "x", ExpiresIn: time.Hour})
	if err != nil || one.ID == "" {
		t.Fatalf("hand over: %+v, %v", one, err)
	}
	if _, err := profile.HandOver(dir, outbox.HandCancel, outbox.Entry{ID: one.ID}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(handedIn(dir, "0.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(handedIn(dir, "half.json.123"), []byte("{"), 0o600); err != nil {
		t.Fatal(err) // of a process that was ended
	}
	inlet := p.Outbox().(outbox.Inlet)
	handed, err := inlet.Handed(t.Context(), 10)
	if err != nil || len(handed) != 3 || handed[0].Err == nil || handed[1].Op != outbox.HandSend ||
		!reflect.DeepEqual(handed[1].Entry, one) || handed[2].Op != outbox.HandCancel {
		t.Fatalf("handed: %+v, %v", handed, err)
	}
	tx := outbox.Tx{Put: []outbox.Entry{queueEntry(1)}, Taken: []string{handed[1].Key}, Refused: []string{handed[0].Key}}
	for range 2 { // the second time as after a crash
		if err := p.Outbox().Commit(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	p = open()
	inlet = p.Outbox().(outbox.Inlet)
	if handed, err = inlet.Handed(t.Context(), 10); err != nil || len(handed) != 1 || handed[0].Op != outbox.HandCancel {
		t.Errorf("after taking one: %+v, %v", handed, err)
	}
	aside, err := p.Outbox().SetAside(t.Context())
	if err != nil || len(aside) != 1 || string(aside[0].Raw) != "{" || !strings.Contains(aside[0].Reason, "0.json.bad: not understood") {
		t.Errorf("set aside: %+v, %v", aside, err)
	}
	if saved, err := p.Outbox().Load(t.Context()); err != nil || saved.Aside != 1 {
		t.Errorf("load: %+v, %v", saved, err)
	}
}

// TestHandedOverAndInvalid has a queue refuse what was handed over: it is kept, counted and told.
func TestHandedOverAndInvalid(t *testing.T) {
	dir := t.TempDir()
	bubble.Run(t, func(t *testing.T) {
		p := open(t, dir)
		after := queueEntry(1)
		after.After = []string{queueEntry(99).ID}
		for _, e := range []outbox.Entry{after, queueEntry(2)} {
			if _, err := profile.HandOver(dir, outbox.HandSend, e); err != nil {
				t.Fatal(err)
			}
		}
		q := queueOn(t, p)
		if q.Len() != 1 || q.State().Aside != 1 {
			t.Errorf("%+v", q.State())
		}
		aside, err := q.SetAside(t.Context())
		if err != nil || len(aside) != 1 || aside[0].ID != after.ID || !strings.Contains(aside[0].Reason, "refused") ||
			!strings.Contains(string(aside[0].Raw), after.Text) {
			t.Errorf("%+v, %v", aside, err)
		}
	})
}

// TestHandedOverCantBeRead: a failing disk, or too many open files, says nothing about what was handed over.
func TestHandedOverCantBeRead(t *testing.T) {
	dir := t.TempDir()
	bubble.Run(t, func(t *testing.T) {
		p := open(t, dir)
		var ids []string
		for n := range 3 {
			e, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: fmt.Sprint(n)})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.ID)
		}
		names, err := filepath.Glob(handedIn(dir, "*.json"))
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		// A folder in the file's place: it can be opened, and reading it fails.
		err = errors.Join(os.Rename(names[1], names[1]+".away"), os.Mkdir(names[1], 0o700))
		if err != nil {
			t.Fatal(err)
		}
		q := queueOn(t, p)
		if q.Len() != 1 || q.State().Aside != 0 {
			t.Errorf("with a file that can't be read: %+v", q.State())
		}
		if err := errors.Join(os.Remove(names[1]), os.Rename(names[1]+".away", names[1])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		var got []string
		for _, e := range q.Entries() {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, ids) {
			t.Errorf("queued %v, want %v", got, ids)
		}
	})
}

// TestHandedOverInOrder: whatever clock the names are made by, what was handed over first comes first, and what an older
// version left comes before.
func TestHandedOverInOrder(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	left := `{"schema":1,"op":"send","id":"0190b6a4-5f3c-7c1e-8a2b-000000000009","channel":"a","text":"old"}`
	err := errors.Join( // of an older version, whose clock was far ahead
		os.Mkdir(filepath.Join(dir, "handover"), 0o700),
		os.WriteFile(handedIn(dir, "ffffffff-ffff-7fff-ffff-ffffffffffff.json"), []byte(left), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	now, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: "now"})
	if err != nil {
		t.Fatal(err)
	}
	var back outbox.Entry
	synctest.Test(t, func(t *testing.T) { // the clock is set back to 2000
		if back, err = profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: "back"}); err != nil {
			t.Fatal(err)
		}
	})
	handed, err := p.Outbox().(outbox.Inlet).Handed(t.Context(), 10)
	if err != nil || len(handed) != 3 || handed[0].Entry.Text != "old" || handed[1].Entry.ID != now.ID || handed[2].Entry.ID != back.ID {
		t.Fatalf("%+v, %v", handed, err)
	}
	// A refused one keeps its name.
	if err := p.Outbox().Commit(t.Context(), outbox.Tx{Refused: []string{handed[2].Key}, Taken: []string{handed[1].Key}}); err != nil {
		t.Fatal(err)
	}
	if _, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: "next"}); err != nil {
		t.Fatal(err)
	}
	next, err := p.Outbox().(outbox.Inlet).Handed(t.Context(), 10)
	if err != nil || len(next) != 2 || next[1].Entry.Text != "next" || next[1].Key <= handed[2].Key {
		t.Fatalf("%+v, %v", next, err)
	}
}

// TestHandedOverByMany has many hand over at once: everything is there, each one's in its order.
func TestHandedOverByMany(t *testing.T) {
	const many, each = 8, 20
	dir := t.TempDir()
	p := open(t, dir)
	var wg sync.WaitGroup
	for k := range many {
		wg.Go(func() {
			for n := range each {
				if _, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: fmt.Sprint(k), Text: fmt.Sprint(n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	handed, err := p.Outbox().(outbox.Inlet).Handed(t.Context(), 1000)
	if err != nil || len(handed) != many*each {
		t.Fatalf("%d of %d, %v", len(handed), many*each, err)
	}
	next := map[string]int{}
	for _, h := range handed {
		if h.Entry.Text != fmt.Sprint(next[h.Entry.Channel]) {
			t.Fatalf("%s of %s comes after %d others", h.Entry.Text, h.Entry.Channel, next[h.Entry.Channel])
		}
		next[h.Entry.Channel]++
	}
}

// queueOn is a queue that sends nothing, after its first look at what was handed over.
func queueOn(t *testing.T, p *profile.Profile) *outbox.Queue {
	t.Helper()
	q, err := outbox.New(outbox.Options{
		Store: p.Outbox(),
		Send:  func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, errors.New("offline") },
	})
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	time.Sleep(time.Second)
	return q
}
