package profile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

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
