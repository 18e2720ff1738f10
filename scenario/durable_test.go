package scenario_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestDurableWorlds runs worlds of devices whose programs are killed and whose power fails. SOAK_SEEDS=N runs seeds 1 to
// N, SEED=S only S, and logs every fault and every change.
func TestDurableWorlds(t *testing.T) {
	first, last := seeds(t, 8)
	replay := os.Getenv("SEED") != ""
	atOnce := 0
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				o := scenario.DurableOptions{Seed: seed, Secrets: &scenario.Secrets{}}
				if replay {
					o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
				}
				r, err := scenario.RunDurable(t.Context(), o)
				t.Logf("seed %d: faults %v, up to %d at once, limited %v, %d queued at the heal, queues empty after %v and shown after %v of %v, %v",
					seed, r.Faults, r.AtOnce, r.Limited, r.Backlog, r.EmptyIn, r.CaughtUp, r.Allowed, r.Verdict)
				atOnce = max(atOnce, r.AtOnce)
				for _, p := range r.Problems {
					t.Errorf("seed %d: %s", seed, p)
				}
				wantNoSecrets(t, o.Secrets, r, err)
				if err != nil || !r.OK() {
					t.Errorf("seed %d failed: %v; run it again with SEED=%d go test ./scenario -run TestDurableWorlds -v", seed, err, seed)
				}
			})
		})
	}
	if last-first >= 7 && atOnce < 3 {
		t.Errorf("never were there more than %d faults at once", atOnce)
	}
}
