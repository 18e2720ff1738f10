package upload_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// checks are the named tests that return what they find, so that a planted bug can be shown to them.
var checks = map[string]func(t *testing.T) error{
	"the server's offset counts":        checkOffset,
	"a refused token keeps the copy":    checkToken,
	"a checksum is of its own chunk":    checkChecksum,
	"a checksum is of all up to here":   checkPrefix,
	"a copy of another file is left":    checkDiverged,
	"the hash goes back with the file":  checkRewound,
	"a lost creation makes one copy":    checkLostCreation,
	"a half-open connection is noticed": checkHalfOpen,
	"the file is looked at in the end":  checkLastLook,
	"it is written down before":         checkWrittenFirst,
	"the URL comes before the bytes":    checkURLFirst,
	"a lock has a way of its own":       checkLocked,
	"the token stays at home":           checkOrigins,
	"accounts stay apart":               checkAccounts,
	"a cancelled copy is dropped":       checkCancel,
	"every other copy is dropped":       checkDropsGoOn,
	"a portal isn't the server":         checkPortal,
	"a lost creation leaves nothing":    checkLostAndLeft,
	"no offset is believed blindly":     checkAhead,
	"a stuck file lets others go":       checkTurns,
	"the queue stays short":             checkQueue,
	"noise brakes by half at most":      checkNoise,
	"a told network sets the first":     checkFirstChunk,
}

// TestChecks runs each of them against the code as it is.
func TestChecks(t *testing.T) {
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				if err := check(t); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// planted says which check finds which bug.
var planted = map[upload.Bug]string{
	upload.BugOwnOffset:     "the server's offset counts",
	upload.BugDropURL:       "a refused token keeps the copy",
	upload.BugWrongRange:    "a checksum is of its own chunk",
	upload.BugHashAhead:     "the hash goes back with the file",
	upload.BugNewKey:        "a lost creation makes one copy",
	upload.BugStallByTime:   "a half-open connection is noticed",
	upload.BugNoLastLook:    "the file is looked at in the end",
	upload.BugPostFirst:     "it is written down before",
	upload.BugURLLate:       "the URL comes before the bytes",
	upload.BugLockedFails:   "a lock has a way of its own",
	upload.BugTokenAnywhere: "the token stays at home",
	upload.BugOtherAccount:  "accounts stay apart",
	upload.BugForgetCancel:  "a cancelled copy is dropped",
	upload.BugTrustAhead:    "no offset is believed blindly",
	upload.BugDropByKey:     "a lost creation leaves nothing",
	upload.BugBelievePortal: "a portal isn't the server",
	upload.BugDropInLine:    "every other copy is dropped",
	upload.BugKeepTurn:      "a stuck file lets others go",
	upload.BugNewestBase:    "the queue stays short",
	upload.BugNoFloor:       "noise brakes by half at most",
	upload.BugChunkUntold:   "a told network sets the first",
}

// TestPlantedBugsAreFound switches each bug on and demands that its check fails.
func TestPlantedBugsAreFound(t *testing.T) {
	if len(planted) != int(upload.LastBug)-1 {
		t.Fatalf("%d of %d bugs have a check", len(planted), int(upload.LastBug)-1)
	}
	for bug, name := range planted {
		t.Run(name, func(t *testing.T) {
			upload.Plant(t, bug)
			bubble.Run(t, func(t *testing.T) {
				err := checks[name](t)
				if err == nil {
					t.Errorf("bug %d isn't found", bug)
				}
				t.Logf("found: %.200v", err)
			})
		})
	}
}
