package api_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// TestPlantedMistakesAreFound plants each mistake and wants the check of the test that is there for it to fail.
func TestPlantedMistakesAreFound(t *testing.T) {
	defer api.Plant(api.BugNone)
	for name, row := range map[string]struct {
		bug   api.Bug
		check check
		test  string
	}{
		"no generation":               {api.BugNoGeneration, checkStale, "TestStaleResultsDontCloseTheCircuit"},
		"no generation, by model":     {api.BugNoGeneration, someModel, "TestBreakerModel"},
		"POST sent again":             {api.BugRetrySent, checkUnsafe, "TestUnsafeIsNotSentAgain"},
		"POST sent again, by effect":  {api.BugRetrySent, someLossyPosts, "TestNoDuplicateEffects"},
		"jitter below Retry-After":    {api.BugJitterBelow, someRetryAfter, "TestRetryAfterIsNeverViolated"},
		"date by our clock":           {api.BugDateAbsolute, someRetryAfter, "TestRetryAfterIsNeverViolated"},
		"cancelled calls count":       {api.BugCancelCounts, checkCancel, "TestCancelledIsNobodysFault"},
		"body not drained":            {api.BugNoDrain, checkDrain, "TestUnwantedAnswersAreDrained"},
		"key made anew":               {api.BugFreshKey, checkKey, "TestKeyStaysTheSame"},
		"key trusted":                 {api.BugKeyTrusted, checkUnsafe, "TestUnsafeIsNotSentAgain"},
		"token fetched once":          {api.BugTokenOnce, checkTokenEach, "TestTokenIsAskedForBeforeEachAttempt"},
		"token sent anywhere":         {api.BugTokenAnywhere, checkOrigin, "TestSecretsStayWithTheirOrigin"},
		"renewed for every 401":       {api.BugRenewAlways, checkRenew, "TestRefusedTokenIsRenewedOnce"},
		"retried while offline":       {api.BugRetryOffline, checkOffline, "TestOfflineSleepsNot"},
		"budget for path loss":        {api.BugBudgetPath, checkBudgetPath, "TestLostRequestsCostNoBudget"},
		"oversleeps the circuit":      {api.BugOversleep, someOutage, "TestOutage"},
		"hung probe":                  {api.BugHungProbe, checkHungProbe, "TestHungProbeLosesItsLease"},
		"panic keeps the permit":      {api.BugPanicKeeps, checkPanicProbe, "TestPanicInAProbeGivesItsPermitBack"},
		"no patience for a token":     {api.BugTokenImpatient, checkTokenLater, "TestTokenIsWaitedFor"},
		"body not rewound":            {api.BugNoRewind, checkRewind, "TestBodyGoesWholeEachTime"},
		"old time for successes":      {api.BugOldSuccess, checkGuardWindow, "TestGuardCountsSuccessesInTheirTime"},
		"alarm not set anew":          {api.BugAlarmForgets, checkAlarm, "TestAlarmServesOneAttemptAfterTheOther"},
		"paced for ever":              {api.BugPacedForEver, checkPaceEnds, "TestPacingEndsWithItsQuota"},
		"portal taken for the server": {api.BugPortalCounts, checkPortalNews, "TestPortalIsNoNewsOfTheServer"},
		"slept through the outage":    {api.BugRetryOffline, checkWaitEndsWithNetwork, "TestWaitEndsWithItsNetwork"},
		"deaf to a changed network":   {api.BugChangeUnheard, checkWaitEndsWithNetwork, "TestWaitEndsWithItsNetwork"},
		"budget by time":              {api.BugBudgetByTime, someFleet("all 503"), "TestCrowdOfQuietClients"},
		"alarm of an earlier one":     {api.BugAlarmEarly, checkAlarm, "TestAlarmServesOneAttemptAfterTheOther"},
		"nobody is asked":             {api.BugTimeoutUntold, checkToldTimeout, "TestTimeoutOfAnUnmeasuredPath"},
		"an outage's end forgets":     {api.BugBackForgets, checkToldTimeout, "TestTimeoutOfAnUnmeasuredPath"},
		"first look goes on":          {api.BugLateLook, checkContext, "TestContextOfAnAttempt"},
		"first look goes on for ever": {api.BugLateLook, checkContextOver, "TestContextEndsWithTheAnswer"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				api.Plant(row.bug)
				defer api.Plant(api.BugNone)
				err := row.check()
				if err == nil {
					t.Fatalf("%s doesn't find it", row.test)
				}
				t.Logf("%s: %v", row.test, err)
			})
		})
	}
}

// someModel, someRetryAfter and someLossyPosts are the random tests with fixed seeds.
func someModel() error {
	for seed := range uint64(100) {
		if err := checkBreakerModel(seed); err != nil {
			return err
		}
	}
	return nil
}

func someRetryAfter() error {
	for seed := range uint64(20) {
		if err := checkRetryAfter(seed); err != nil {
			return err
		}
	}
	return nil
}

func someLossyPosts() error {
	r, err := lossyPosts(1, 200, false)
	if err == nil {
		err = r.wrong()
	}
	return err
}
