package outbox_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// checks are the named tests that return what they find, so that a planted bug can be shown to them.
var checks = map[string]func(t *testing.T) error{
	"ack is kept":                   checkAckKept,
	"lost replies store once":       checkLostReplies,
	"accounts stay apart":           checkAccounts,
	"numbers are given once":        checkNumbers,
	"edit against the sender":       checkEdit,
	"dependencies come first":       checkDependencies,
	"expiry goes by time that went": checkExpiry,
	"settle asks":                   checkSettle,
	"retry is the same message":     checkRetry,
	"handed over and in doubt":      checkHandedInDoubt,
	"handed over and no room":       checkHandedNoRoom,
	"store is watched":              checkStoreWatched,
	"a connection follows at once":  checkNextConnection,
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
var planted = map[outbox.Bug]string{
	outbox.BugForgetAck:        "ack is kept",
	outbox.BugNewID:            "lost replies store once",
	outbox.BugOtherAccount:     "accounts stay apart",
	outbox.BugSameNumber:       "numbers are given once",
	outbox.BugEditRaces:        "edit against the sender",
	outbox.BugIgnoreDependency: "dependencies come first",
	outbox.BugExpireOnJump:     "expiry goes by time that went",
	outbox.BugSettleAsSent:     "settle asks",
	outbox.BugRetryAnew:        "retry is the same message",
	outbox.BugHandedLost:       "handed over and in doubt",
	outbox.BugHandedOvertakes:  "handed over and no room",
	outbox.BugStoreUntried:     "store is watched",
	outbox.BugQuickReady:       "a connection follows at once",
}

// TestPlantedBugsAreFound switches each bug on and demands that its check fails.
func TestPlantedBugsAreFound(t *testing.T) {
	if len(planted) != int(outbox.LastBug)-1 {
		t.Fatalf("%d of %d bugs have a check", len(planted), int(outbox.LastBug)-1)
	}
	for bug, name := range planted {
		t.Run(name, func(t *testing.T) {
			outbox.Plant(t, bug)
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
