package scenario_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestRandomWorlds runs worlds of 10 clients for 10 virtual minutes. SOAK_SEEDS=N runs seeds 1 to N, SEED=S only S.
func TestRandomWorlds(t *testing.T) {
	first, last := seeds(4)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				r, err := scenario.RunRandom(t.Context(), scenario.RandomOptions{Seed: seed})
				t.Logf("seed %d: faults %v, healed in %v, %v", seed, r.Faults, r.HealedIn, r.Verdict)
				for _, p := range r.Problems {
					t.Errorf("seed %d: %s", seed, p)
				}
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
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		first, last = s, s
	}
	return first, last
}
