package profile_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// withQueue is the first version that had a queue.
const withQueue = 4

// TestOldVersionsKeepTheQueue fills a queue as each version that had one did, and opens it with the present one: all
// that was accepted is there, as it was.
func TestOldVersionsKeepTheQueue(t *testing.T) {
	for version := withQueue; version <= profile.Version(); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			dir := t.TempDir()
			p, err := profile.OpenVersion(dir, version)
			if err != nil {
				t.Fatal(err)
			}
			device, _ := p.Device()
			in := outbox.Tx{Account: "ada@http://a", Counts: map[outbox.Lane]outbox.Count{{Account: "ada@http://a", Channel: "a"}: {Last: 9, Sent: 7}}}
			for state := outbox.Queued; state <= outbox.Expired; state++ {
				e := queueEntry(int(state) + 1)
				e.State, e.Account, e.Err, e.After = state, "ada@http://a", "why", []string{queueEntry(99).ID}
				e.DeviceSeq, e.Seq, e.Version = 3, 4, 5
				e.Attachments, e.Needs = []byte(`[{"a":1}]`), []outbox.Need{{Name: "n"}, {Name: "m", Result: []byte(`{}`)}}
				e.ExpiresIn, e.ExpiresAt = time.Hour, e.CreatedAt.Add(time.Hour)
				in.Put = append(in.Put, e)
			}
			if err := p.Outbox().Commit(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			before := queueOf(t, p)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			p = open(t, dir)
			if after := queueOf(t, p); !reflect.DeepEqual(before, after) {
				t.Errorf("it was\n%+v, and is\n%+v", before, after)
			}
			if same, _ := p.Device(); same != device {
				t.Errorf("device %s became %s", device, same)
			}
			if _, err := p.Uploads().Load(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// queueOf is all that a profile has of a queue.
func queueOf(t *testing.T, p *profile.Profile) (all struct {
	Saved   outbox.Saved
	Entries []outbox.Entry
},
) {
	t.Helper()
	var err error
	if all.Saved, err = p.Outbox().Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.Outbox().Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all.Entries = append(all.Entries, e)
	}
	if len(all.Saved.Entries) != 3 || len(all.Entries) != 6 || len(all.Saved.Counts) != 1 || all.Saved.Account == "" {
		t.Fatalf("%+v", all)
	}
	return all
}

// destroys matches what takes rows, or what is in them, from the queue's tables.
var destroys = regexp.MustCompile(`(?i)\b(delete\s+from|drop\s+table(\s+if\s+exists)?|replace\s+into|update|alter\s+table)\s+"?outbox_`)

// TestNoMigrationTakesFromTheQueue reads them: what a queue accepted is owed, and a migration that has to rewrite it gets a
// test of its own, and a line here that says why.
func TestNoMigrationTakesFromTheQueue(t *testing.T) {
	for i, m := range profile.Migrations() {
		if bad := destroys.FindString(m); bad != "" {
			t.Errorf("migration to version %d: %q", i+1, bad)
		}
	}
	for _, bad := range []string{"DELETE FROM outbox_entries", "drop table if exists outbox_counts", "ALTER TABLE outbox_entries DROP COLUMN data"} {
		if !destroys.MatchString(bad) {
			t.Errorf("%q isn't found", bad)
		}
	}
}

// TestFailedMigrationChangesNothing has a migration fail half-way: the queue stays as the version before left it.
func TestFailedMigrationChangesNothing(t *testing.T) {
	dir := t.TempDir()
	p, err := profile.OpenVersion(dir, withQueue)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(t, p, 3, nil), p.Close()); err != nil {
		t.Fatal(err)
	}
	before := content(t, dir)
	undo := profile.AddMigration(`DELETE FROM outbox_entries; CREATE TABLE meta (x)`) // there is one: it fails
	_, err = profile.Open(dir)
	undo()
	if err == nil || !strings.Contains(err.Error(), "migrate database") {
		t.Fatalf("open: %v", err)
	}
	if !maps.Equal(content(t, dir), before) {
		t.Error("something of it was changed")
	}
	saved, err := open(t, dir).Outbox().Load(t.Context())
	if err != nil || len(saved.Entries) != 3 {
		t.Errorf("%d of 3 are left, %v", len(saved.Entries), err)
	}
}
