package quality_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/quality"
)

// TestPlantedMistakesAreFound plants each mistake and wants the check of the test that is there for it to fail.
func TestPlantedMistakesAreFound(t *testing.T) {
	for name, row := range map[string]struct {
		bug   quality.Bug
		check func() error
		test  string
	}{
		"counters kept over a reconnect": {quality.BugKeepCounters, checkCounters, "TestCountersBelongToTheirSocket"},
		"timeouts not counted":           {quality.BugTimeoutsLost, checkTimeouts, "TestTimeoutsAddUp"},
		"RTT with a handshake in it":     {quality.BugHandshakeRTT, checkHandshake, "TestHandshakeIsNoRoundTrip"},
		"no hysteresis":                  {quality.BugNoHysteresis, checkEdge, "TestPathAtAnEdgeKeepsItsLevel"},
		"sleep counted as silence":       {quality.BugSleepSilence, checkSleep, "TestSleepIsNoSilence"},
		"late timer counted as silence":  {quality.BugSleepSilence, checkLate, "TestLateTimerIsNoSilence"},
		"old evidence kept":              {quality.BugNoChangePoint, checkChange, "TestChangeIsSeen"},
		"a refusal is offline":           {quality.BugErrorOffline, checkRefused, "TestServerDownIsNotOffline"},
		"a portal is the server":         {quality.BugPortalOnline, checkPortal, "TestPortalIsNotOffline"},
		"the peer is believed":           {quality.BugBelievePeer, checkPeer, "TestLyingPeerIsDoubted"},
		"evidence never gets old":        {quality.BugNoAge, checkAge, "TestOldEvidenceIsNone"},
		"an outage is a round trip":      {quality.BugOutageRTT, checkOutage, "TestAnswerAfterAnOutageIsNoRoundTrip"},
		"probes never get rarer":         {quality.BugNoBackOff, checkReturns, "TestProbesForAReturnGetRarer"},
		"counters run backwards":         {quality.BugBackwards, checkBackwards, "TestCountersThatRunBackwardsAreRefused"},
	} {
		finds(t, name, row.bug, row.test, func(*testing.T) error { return row.check() })
	}
}

// TestPlantedMistakesOfTheMonitorAreFound does the same to the monitor.
func TestPlantedMistakesOfTheMonitorAreFound(t *testing.T) {
	for name, row := range map[string]struct {
		bug   quality.Bug
		check func(*testing.T) error
		test  string
	}{
		"set-up measured as a round trip":     {quality.BugProbeSetup, checkSetup, "TestSetUpOfAConnectionIsNoRoundTrip"},
		"any page is the server":              {quality.BugAnyPage, checkPages, "TestPortalIsCaptiveAndNeverOffline"},
		"probes beside calls":                 {quality.BugAlwaysProbe, checkCalls, "TestNoProbeWhileCallsFlow"},
		"sleep not noticed":                   {quality.BugNoWake, checkWake, "TestSleepIsNoticed"},
		"lost ends are waited for":            {quality.BugLostEnds, checkLostEnds, "TestLostEndIsNoSilence"},
		"counters read for nobody":            {quality.BugPollAlways, checkPoll, "TestCountersAreReadWhileSomebodyWantsThem"},
		"a fresh probe by the old connection": {quality.BugOneConnection, checkChanged, "TestNetworkChanged"},
		"failed transports stay":              {quality.BugDialsStay, checkClose, "TestCloseLeavesNothing"},
		"everybody has the same seed":         {quality.BugInPhase, checkPhase, "TestMonitorsDoNotStayInPhase"},
		"plain HTTP wins":                     {quality.BugPlainWins, checkPlain, "TestPortalThatAnswersPlainHTTPAlone"},
	} {
		finds(t, name, row.bug, row.test, row.check)
	}
}

// finds plants a mistake and wants the check of a test to fail.
func finds(t *testing.T, name string, bug quality.Bug, test string, check func(*testing.T) error) {
	t.Run(name, func(t *testing.T) {
		quality.Plant(bug)
		defer quality.Plant(quality.BugNone)
		err := check(t)
		if err == nil {
			t.Fatalf("%s doesn't find it", test)
		}
		t.Logf("%s: %v", test, err)
	})
}

func holds(t *testing.T, check func() error) {
	t.Helper()
	if err := check(); err != nil {
		t.Error(err)
	}
}
