package sqlite_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/chatsdk/chatsdk/server/storetest"
)

// TestPlantedUploads makes a mistake in the store at a time: the check of the conformance suite that is named beside it
// finds it.
func TestPlantedUploads(t *testing.T) {
	for _, c := range []struct {
		bug   sqlite.Bug
		check string
	}{
		{sqlite.KeyOfServer, "a key is its user's"},
		{sqlite.QuotaOutside, "concurrent creations and the quota"},
		{sqlite.ForeignAttachable, "uploads are attached by their owner when finished"},
		{sqlite.SweepPosted, "uploads expire unless they are posted"},
	} {
		t.Run(c.check, func(t *testing.T) {
			check := storetest.UploadChecks[c.check]
			if err := check(t.Context(), openDir(t, t.TempDir())); err != nil {
				t.Fatalf("without it: %v", err)
			}
			defer sqlite.Plant(c.bug)()
			var err error
			for range 50 { // a race has to be run
				if err = check(t.Context(), openDir(t, t.TempDir())); err != nil {
					break
				}
			}
			if err == nil {
				t.Fatal("not found")
			}
			t.Log(err)
		})
	}
}
