package scenario_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestDemo plays the demo in virtual time, as it is and with mistakes: each has to turn it red, and say why.
func TestDemo(t *testing.T) {
	for name, c := range map[string]struct {
		plant func() func()
		want  string // in the report, "" if it is to be green
	}{
		"as it is":                       {nil, ""},
		"slow is taken for dead":         {func() func() { return scenario.Plant(scenario.BugRestless) }, "500 ms RTT: 1 reconnects"},
		"the store reorders what it got": {scenario.PlantBatchReversed, "reordered"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				if c.plant != nil {
					defer c.plant()()
				}
				var out bytes.Buffer
				r, err := scenario.DemoVirtual(t.Context(), scenario.DemoOptions{Seed: 1, Out: &out})
				if err != nil {
					t.Fatal(err)
				}
				if green := c.want == ""; r.OK != green || !strings.Contains(r.String(), c.want) {
					t.Errorf("ok %v, want %v and %q in the report:\n%s\n%s", r.OK, green, c.want, out.String(), r)
				}
				t.Logf("\n%s", r)
			})
		})
	}
}
