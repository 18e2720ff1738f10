package scenario_test

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestRandomWorlds runs worlds of 10 clients for 10 virtual minutes. SOAK_SEEDS=N runs seeds 1 to N, with SOAK_FROM=M
// from M on; SEED=S runs only S, and logs every fault and every change of a connection.
func TestRandomWorlds(t *testing.T) {
	first, last := seeds(4)
	replay := os.Getenv("SEED") != ""
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				o := scenario.RandomOptions{Seed: seed, Secrets: &scenario.Secrets{}}
				if replay {
					o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
				}
				r, err := scenario.RunRandom(t.Context(), o)
				t.Logf("seed %d: faults %v, healed in %v, %v", seed, r.Faults, r.HealedIn, r.Verdict)
				for _, p := range r.Problems {
					t.Errorf("seed %d: %s", seed, p)
				}
				wantNoSecrets(t, o.Secrets, r, err)
				if err != nil || !r.OK() {
					t.Errorf("seed %d failed: %v; run it again with SEED=%d go test ./scenario -run TestRandomWorlds -v", seed, err, seed)
				}
			})
		})
	}
}

// seeds says which seeds to run: 1 to few, or as the environment says.
func seeds(few uint64) (first, last uint64) {
	first, last = 1, few
	if n, err := strconv.ParseUint(os.Getenv("SOAK_SEEDS"), 10, 64); err == nil {
		last = n
	}
	if n, err := strconv.ParseUint(os.Getenv("SOAK_FROM"), 10, 64); err == nil {
		first = n
	}
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		first, last = s, s
	}
	return first, last
}
