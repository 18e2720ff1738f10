package scenario_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestUploadWorlds runs random worlds of uploads. SOAK_SEEDS=N runs seeds 1 to N, with SOAK_FROM=M from M on; SEED=S runs
// only S, and logs every fault and every change of a connection.
func TestUploadWorlds(t *testing.T) {
	first, last := seeds(t, 6)
	replay := os.Getenv("SEED") != ""
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				o := scenario.UploadOptions{Seed: seed, Secrets: &scenario.Secrets{}}
				if replay {
					o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
				}
				r, err := scenario.RunUploads(t.Context(), o)
				t.Logf("%v", r)
				for _, p := range r.Problems {
					t.Errorf("seed %d: %s", seed, p)
				}
				wantNoSecrets(t, o.Secrets, r, err)
				if err != nil || !r.OK() {
					t.Errorf("seed %d failed: %v; run it again with SEED=%d go test ./scenario -run TestUploadWorlds -v", seed, err, seed)
				}
			})
		})
	}
}
