package token_test

import (
	"context"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/token"
)

// Each bug must turn the named test red.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, row := range []struct {
		bug   token.Bug
		test  string
		check func(context.Context) error
	}{
		{token.BugLateReplyCounts, "TestLateReplyCannotOverwriteAnAccount", func(ctx context.Context) error {
			return checkLateReply(ctx, 1500*time.Millisecond, true)
		}},
		{token.BugRefreshPerCaller, "TestThousandCallersCauseOneRefresh", checkThousandCallers},
		{token.BugMarginOfFixedLength, "TestLifetimes", checkLifetimes},
		{token.BugNotWrittenAhead, "TestCrashBetweenRotationAndSave", checkCrash},
		{token.BugPublishedBeforeSave, "TestNewTokensAreKeptBeforeTheyAreHandedOut", checkKeptFirst},
		{token.BugGrantDeadUnread, "TestVerdictOnAReplacedGrantCountsForNothing", checkStoreIsReadBeforeTheVerdict},
		{token.BugTroubleSignsOut, "TestOutcomes", func(context.Context) error { return checkOutcomes() }},
		{token.BugNewKeyOnRetry, "TestLostReplyIsAskedForAgain", checkLostReply},
		{token.BugNoLoopGuard, "TestRefusedNewTokensDoNotLoop", checkLoopGuard},
		{token.BugEndIsRefusal, "TestTokenRefusedAfterItsEndIsReplaced", checkRefusedAfterEnd},
		{token.BugEndedIsNew, "TestTokenThatWasAcceptedIsReplaced", checkAcceptedIsReplaced},
		{token.BugStaleFailsCaller, "TestValidTokenIsServedWhileRefreshingFails", checkValidTokenIsServed},
		{token.BugPortalBelieved, "TestWhatIsNoReplyOfTheServerCountsForNothing", checkPortals},
		{token.BugNoNegativeCache, "TestFailureIsSharedUntilTheNextSlot", checkFailureIsShared},
		{token.BugRefreshOffline, "TestOfflineSendsNothing", checkOffline},
		{token.BugClockLookedAtOnce, "TestSleepIsNoticedWithoutASchedule", checkSleepIsNoticed},
	} {
		t.Run(row.test, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				defer token.Plant(row.bug)()
				err := row.check(t.Context())
				if err == nil {
					t.Errorf("%s doesn't find planted bug %d", row.test, row.bug)
				}
				t.Log(err)
			})
		})
	}
}

// TestPlantedBugsOutsideOfVirtualTimeAreFound is the same for those that real sockets and files show.
func TestPlantedBugsOutsideOfVirtualTimeAreFound(t *testing.T) {
	for _, row := range []struct {
		bug   token.Bug
		test  string
		check func(context.Context) error
	}{
		{token.BugSentTwice, "TestRefreshIsSentOnce", checkSentOnce},
		{token.BugNoPeek, "TestAnotherProcessesSignOutIsSeenSoon", func(ctx context.Context) error {
			return checkSignOutIsSeen(ctx, t.TempDir())
		}},
		{token.BugDamageIsSignOut, "TestDamagedStoreIsNotSignedOut", func(ctx context.Context) error {
			return checkDamagedIsNotSignedOut(ctx, t.TempDir())
		}},
		{token.BugCopyOutlivesSession, "TestDamageUndoesNoSignOut", func(ctx context.Context) error {
			return checkDamageAfterSignOut(ctx, t.TempDir())
		}},
	} {
		t.Run(row.test, func(t *testing.T) {
			defer token.Plant(row.bug)()
			err := row.check(t.Context())
			if err == nil {
				t.Errorf("%s doesn't find planted bug %d", row.test, row.bug)
			}
			t.Log(err)
		})
	}
}
