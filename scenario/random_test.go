package scenario_test

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestRandomWorlds runs worlds of 10 clients for 10 virtual minutes. SOAK_SEEDS=N runs seeds 1 to N, with SOAK_FROM=M
// from M on; SEED=S runs only S, and logs every fault and every change of a connection.
func TestRandomWorlds(t *testing.T) {
	first, last := seeds(t, 4)
	replay := os.Getenv("SEED") != ""
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				o := scenario.RandomOptions{Seed: seed, Secrets: &scenario.Secrets{}}
				if replay {
					o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
				}
				r, err := scenario.RunRandom(t.Context(), o)
				t.Logf("seed %d: faults %v, healed in %v, each of %d ends of outages within %v, %v", seed, r.Faults, r.HealedIn, r.Heals, r.Worst, r.Verdict)
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

// TestLateHealIsFound plants outages that end later than they are said to.
func TestLateHealIsFound(t *testing.T) {
	for _, plant := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			if plant {
				defer scenario.Plant(scenario.BugLateHeal)()
			}
			r, err := scenario.RunRandom(t.Context(), scenario.RandomOptions{Seed: 3, Clients: 4, Lasts: 2 * time.Minute})
			if err != nil || r.Heals == 0 {
				t.Fatalf("%d ends of outages, %v", r.Heals, err)
			}
			found := strings.Contains(strings.Join(r.Problems, "\n"), "after the end of")
			if found != plant || r.OK() == plant {
				t.Errorf("planted %v: ok %v, %d ends of outages within %v, %q", plant, r.OK(), r.Heals, r.Worst, r.Problems)
			}
		})
	}
}

// seeds says which seeds to run: 1 to few, or as the environment says.
func seeds(t *testing.T, few uint64) (first, last uint64) {
	t.Helper()
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
	if last < first {
		t.Fatalf("no seeds from %d to %d: SOAK_SEEDS is the last one", first, last)
	}
	return first, last
}
