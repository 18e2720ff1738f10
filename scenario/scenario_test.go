package scenario_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestScenario1 is the slow network, with and without the harder form, in virtual time.
func TestScenario1(t *testing.T) { runVirtual(t, "1", "1-hard") }

// TestScenario5 is the lost WebSocket in virtual time; `chatsdk suite run 5` runs the same on sockets.
func TestScenario5(t *testing.T) { runVirtual(t, "5") }

// TestScenario6 is airplane mode and its siblings in virtual time.
func TestScenario6(t *testing.T) { runVirtual(t, "6", "6-ack", "6-month", "6-backup") }

// TestScenario8 is the large upload that is broken at 80%, and its siblings, in virtual time.
func TestScenario8(t *testing.T) {
	runVirtual(t, "8", "8-halfopen", "8-reply", "8-restart", "8-token", "8-crash", "8-changed")
}

// runVirtual runs scenarios with some seeds each.
func runVirtual(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		s, ok := scenario.Find(id)
		if !ok {
			t.Fatalf("there is no scenario %q", id)
		}
		last := uint64(3)
		if id == "6-month" {
			last = 1 // ten thousand messages take as long as everything else together
		}
		for seed := uint64(1); seed <= last; seed++ {
			t.Run(id, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					o := scenario.RunOptions{Seed: seed, Secrets: &scenario.Secrets{}}
					r, err := scenario.RunVirtual(t.Context(), s, o)
					wantNoSecrets(t, o.Secrets, r, err)
					if err != nil {
						t.Fatal(err)
					}
					if !r.OK {
						t.Errorf("%v", r)
					}
				})
			})
		}
	}
}

// TestMissedThresholdIsReported asks for what can't be: a check that can't fail shows nothing.
func TestMissedThresholdIsReported(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s, _ := scenario.Find("5")
		s.Thresholds = scenario.Thresholds{AckWithin: 1, CatchUpWithin: 1}
		r, err := scenario.RunVirtual(t.Context(), s, scenario.RunOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		// One for each of the four faults, one for the slowest message, one for the reconnects of the first client;
		// how many messages are sent again is up to the moment of the faults.
		if r.OK || len(r.Problems) < 6 {
			t.Errorf("thresholds of 1 ns and no reconnect gave %v", r)
		}
	})
}
