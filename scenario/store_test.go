package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// burst sends ten messages at once over a path of 100 ms, so that they go in batches, and returns the verdict.
func burst(ctx context.Context) (v scenario.Verdict, err error) {
	w, err := scenario.NewVirtualWorld(ctx, scenario.WorldOptions{Seed: 1, Link: faultnet.Symmetric(100 * time.Millisecond)})
	if err != nil {
		return v, err
	}
	defer func() { err = w.Close() }()
	c, err := w.AddClient(ctx, "ada")
	if err != nil {
		return v, err
	}
	for n := range 10 {
		if err := c.Send(ctx, fmt.Sprintf("message %d", n)); err != nil {
			return v, err
		}
	}
	time.Sleep(10 * time.Second)
	return w.Verdict(ctx)
}

// TestWorldKnowsDeviceNumbers: the check of each device's order has something to work on in worlds, and finds a server
// that doesn't keep it.
func TestWorldKnowsDeviceNumbers(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		v, err := burst(t.Context())
		if err != nil || !v.OK || v.Counts.Stored != 10 {
			t.Errorf("a burst of ten: %v, %v", v, err)
		}
	})
	bubble.Run(t, func(t *testing.T) {
		defer scenario.PlantBatchReversed()()
		v, err := burst(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range v.Violations {
			if x.Kind == scenario.ViolationReordered && strings.Contains(x.String(), "has device number") {
				return
			}
		}
		t.Errorf("a store that reverses batches wasn't found by device numbers: %v %+v", v, v.Violations)
	})
}
