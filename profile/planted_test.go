package profile_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/inbox/inboxtest"
	"github.com/chatsdk/chatsdk/profile"
)

// TestPlantedBugsAreFound turns each mistake on and wants the check of the named test to see it.
func TestPlantedBugsAreFound(t *testing.T) {
	power := func(*testing.T) error { return powerLoss(1, 60) }
	bound := func(t *testing.T) error {
		for _, check := range inboxtest.Checks {
			if check.Name == "bound" {
				p := open(t, t.TempDir())
				return check.Run(func() inbox.Store { return p.Inbox() })
			}
		}
		return nil
	}
	for _, row := range []struct {
		name, test string
		bug        profile.Bug
		check      func(*testing.T) error
	}{
		{"no sync", "TestPowerLossKeepsEveryCommit", profile.NoSync, power},
		{"split commit", "TestPowerLossKeepsEveryCommit", profile.SplitCommit, power},
		{"device anew", "TestKillKeepsEveryCommit", profile.DeviceAnew, func(*testing.T) error { return killed() }},
		{"split checkpoint", "TestUploadPowerLoss", profile.SplitCheckpoint, func(*testing.T) error { return uploadPowerLoss(1) }},
		{"evict off by one", "TestInboxStore", profile.EvictOff, bound},
		{"newer ignored", "TestNewerVersionIsLeftAlone", profile.NewerIgnored, newer},
		{"owner replaced", "TestOwnerStays", profile.OwnerReplaced, owned},
		{"log trusted", "TestLogWithoutDatabaseIsDamage", profile.LogTrusted, lostDatabase},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer profile.Plant(row.bug)()
			err := row.check(t)
			if err == nil {
				t.Fatalf("%s doesn't see it", row.test)
			}
			t.Logf("%s: %v", row.test, err)
		})
	}
}
