package main

import (
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// TestHandedOverFor hands a message to a program whose profile is nobody's yet, or somebody's: it says whose it is.
func TestHandedOverFor(t *testing.T) {
	const server = "http://127.0.0.1:1"
	for name, row := range map[string]struct {
		user   string
		locked profile.LockedError
		want   string
	}{
		"nobody's profile":             {want: ""},
		"nobody's profile, for a user": {user: "bob", want: "bob@" + server},
		"somebody's":                   {locked: profile.LockedError{Server: server, User: "ada"}, want: "ada@" + server},
	} {
		dir := t.TempDir()
		p, err := profile.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := sendOptions{sessionOptions: sessionOptions{profile: dir, server: server, user: row.user}}
		if _, err := o.handOver(t.Context(), &row.locked, outbox.Entry{Channel: "a", Text: "x"}); err != nil {
			t.Fatal(name, err)
		}
		handed, err := p.Outbox().(outbox.Inlet).Handed(t.Context(), 10)
		if err != nil || len(handed) != 1 || handed[0].Entry.Account != row.want {
			t.Errorf("%s: handed over %+v, %v, want it for %q", name, handed, err, row.want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
