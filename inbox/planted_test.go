package inbox_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/inbox"
)

// TestPlantedBugsAreFound turns each mistake on and wants the check of the named test to see it.
func TestPlantedBugsAreFound(t *testing.T) {
	inBody := func(w *world) error { return crashInBody(w, 64) }
	busy := func(w *world) error { return crashBusy(w, false) }
	for _, row := range []struct {
		name, test string
		bug        inbox.Bug
		check      func(*world) error
	}{
		{"processed when received", "TestCrashInBody", inbox.ProcessedWhenReceived, inBody},
		{"processed when shown", "TestCrashInBody", inbox.ProcessedWhenShown, inBody},
		{"gap skipped", "TestGapIsFilled", inbox.GapSkipped, gapFilled},
		{"replay unmarked", "TestCrashWhileBusy", inbox.ReplayUnmarked, busy},
		{"reserve late", "TestCrashWhileBusy", inbox.ReserveLate, busy},
		{"reserve more", "TestCrashWhileBusy", inbox.ReserveMore, busy},
		{"marks lost at close", "TestCleanStopShowsNothingAgain", inbox.MarksLostAtClose, cleanStop},
		{"page off by one", "TestCatchUpInFewRoundTrips", inbox.PageOffByOne, manyMessages},
		{"short page", "TestCatchUpInFewRoundTrips", inbox.ShortPage, manyMessages},
		{"history boundary", "TestHistoryBackwards", inbox.HistoryBoundary, backwards},
		{"kept ignored", "TestKeptMessagesAreShownOffline", inbox.KeptIgnored, offlineReplay},
		{"forget mark only", "TestLostMessagesAreForgotten", inbox.ForgetMarkOnly, lostMessages},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer inbox.Plant(row.bug)()
			err := inBubble(t, row.check)
			if err == nil {
				t.Fatalf("%s doesn't see it", row.test)
			}
			t.Logf("%s: %v", row.test, err)
		})
	}
}
