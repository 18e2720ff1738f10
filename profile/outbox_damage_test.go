package profile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// TestDamagedRowIsSetAside changes one byte of one row's text in the file: the others are read, and what is left of this
// one is handed out.
func TestDamagedRowIsSetAside(t *testing.T) {
	dir := t.TempDir()
	open := reopener(t, dir)
	p := open()
	for i, text := range []string{"first", "DAMAGE ME", "third"} {
		e := queueEntry(i + 1)
		e.Text = text
		if err := p.Outbox().Commit(t.Context(), outbox.Tx{Put: []outbox.Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "profile.db")
	file, err := os.ReadFile(path)
	if err != nil || bytes.Count(file, []byte("DAMAGE ME")) != 1 {
		t.Fatalf("the text isn't in the file once: %v", err)
	}
	if err := os.WriteFile(path, bytes.Replace(file, []byte("DAMAGE ME"), []byte("DAMAGE NE"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	store := open().Outbox()
	saved, err := store.Load(t.Context())
	if err != nil || len(saved.Entries) != 2 || saved.Aside != 1 || saved.Order != 3 {
		t.Fatalf("load: %+v, %v", saved, err)
	}
	aside, err := store.SetAside(t.Context())
	if err != nil || len(aside) != 1 || aside[0].ID != queueEntry(2).ID || !bytes.Contains(aside[0].Raw, []byte("DAMAGE NE")) ||
		!strings.Contains(aside[0].Reason, "damaged") {
		t.Fatalf("set aside: %+v, %v", aside, err)
	}
	if _, ok, err := store.Get(t.Context(), queueEntry(2).ID); ok || err != nil {
		t.Errorf("get: %v, %v", ok, err)
	}
}

// FuzzEntryData shows the reader of rows what a damaged or foreign file may hold.
func FuzzEntryData(f *testing.F) {
	e := queueEntry(1)
	e.After, e.Needs, e.Attachments = []string{"a"}, []outbox.Need{{Name: "b", Result: []byte("{}")}}, []byte("[]")
	f.Add(profile.EncodeEntry(&e)[1:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		data := profile.SealEntry(e.ID, body)
		got, err := profile.DecodeEntry(1, e.ID, data)
		if err != nil {
			return
		}
		again, err := profile.DecodeEntry(1, e.ID, profile.EncodeEntry(&got))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%+v, written and read again: %+v, %v", got, again, err)
		}
	})
}

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
	bad := filepath.Join(dir, "handover", "0.json")
	if err := os.WriteFile(bad, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "handover", "half.json.123"), []byte("{"), 0o600); err != nil {
		t.Fatal(err) // of a process that was ended
	}
	inlet := p.Outbox().(outbox.Inlet)
	handed, err := inlet.Handed(t.Context(), 10)
	if err != nil || len(handed) != 2 || handed[0].Op != outbox.HandSend || !reflect.DeepEqual(handed[0].Entry, one) || handed[1].Op != outbox.HandCancel {
		t.Fatalf("handed: %+v, %v", handed, err)
	}
	if _, err := os.Stat(bad + ".bad"); err != nil {
		t.Error(err)
	}
	tx := outbox.Tx{Put: []outbox.Entry{queueEntry(1)}, Taken: []string{handed[0].Key}}
	if err := p.Outbox().Commit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	inlet = open().Outbox().(outbox.Inlet)
	if handed, err = inlet.Handed(t.Context(), 10); err != nil || len(handed) != 1 || handed[0].Op != outbox.HandCancel {
		t.Errorf("after taking one: %+v, %v", handed, err)
	}
}
