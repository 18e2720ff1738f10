package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
)

// measureReconnects runs the groups on one server for ws and one for wss, and the idle clients whose bytes are counted
// beside them. Resets come first, one round-trip time after the other: three round trips of 20 ms leave 6 ms for
// everything else, and among hundreds of other clients the wait for the processor would be what is measured.
func measureReconnects(ctx context.Context, c config, dir string, r *report) (err error) {
	plain, err := newWorld(ctx, filepath.Join(dir, "ws"), false, server.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.close()) }()
	secure, err := newWorld(ctx, filepath.Join(dir, "wss"), true, server.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, secure.close()) }()
	var n *node
	if c.js {
		if n, err = startNode(ctx); err != nil {
			return fmt.Errorf("centrifuge-js (leave it out with -js=false): %w", err)
		}
		defer func() { err = errors.Join(err, n.close()) }()
	}
	rng := rand.New(rand.NewPCG(c.seed, 1))
	var outcomes []*outcome
	for _, rtt := range c.rtts {
		fmt.Fprintf(os.Stderr, "%s: resets at %v\n", time.Now().Format(time.TimeOnly), rtt)
		stop := watchTimers()
		stopEcho, err := watchRTT(rtt)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, runGroups(ctx, c.n, rng, resetGroups(rtt, plain, secure, n))...)
		r.ResetLateness = append(r.ResetLateness, stop())
		if r.ResetRTT[rtt.Milliseconds()], err = stopEcho(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "%s: the other faults at all round-trip times\n", time.Now().Format(time.TimeOnly))
	stop := watchTimers()
	outcomes = append(outcomes, runGroups(ctx, c.n, rng, otherGroups(c.rtts, plain, n))...)
	r.Lateness = stop()
	for _, o := range outcomes {
		r.addOutcome(o)
	}
	r.compare()
	return ctx.Err()
}

// resetGroups lists who is reset at one round-trip time.
func resetGroups(rtt time.Duration, plain, secure *world, n *node) []group {
	kinds := []kind{kindReset}
	out := []group{
		oursGroup("reset", clientWS, plain, rtt, kinds),
		oursGroup("reset", clientWSS, secure, rtt, kinds),
	}
	if n != nil {
		out = append(out, jsGroup("reset", n, plain, rtt, kinds))
	}
	return out
}

// otherGroups lists who meets the other faults.
func otherGroups(rtts []time.Duration, plain *world, n *node) []group {
	var out []group
	for _, rtt := range rtts {
		out = append(out, oursGroup("other", clientWS, plain, rtt, otherKinds))
		if n != nil { // the others take it minutes
			out = append(out, jsGroup("other", n, plain, rtt, []kind{kindSilentDrop}))
		}
	}
	return out
}

func oursGroup(phase, client string, w *world, rtt time.Duration, kinds []kind) group {
	return group{
		phase: phase, client: client, rtt: rtt, kinds: kinds, wait: waitOfOurs,
		open: func(ctx context.Context, name string) (subject, error) {
			return openSDK(ctx, w, name, rtt, realtime.Foreground)
		},
	}
}

func jsGroup(phase string, n *node, w *world, rtt time.Duration, kinds []kind) group {
	return group{
		phase: phase, client: clientJS, rtt: rtt, kinds: kinds, wait: waitOfJS,
		open: func(ctx context.Context, name string) (subject, error) { return openJS(ctx, n, w, name, rtt) },
	}
}

// Who is measured.
const (
	clientWS  = "chatsdk ws"
	clientWSS = "chatsdk wss"
	clientJS  = "centrifuge-js ws"
)

// runGroups runs all groups side by side, n clients each.
func runGroups(ctx context.Context, n int, rng *rand.Rand, groups []group) []*outcome {
	out := make([]*outcome, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		wg.Go(func() { out[i] = g.run(ctx, n, own) })
	}
	wg.Wait()
	return out
}

// goal is a figure that was promised.
type goal struct {
	client, kind string
	rtt          time.Duration // 0 means any
	rtts         float64       // the most round trips, or 0
	within       time.Duration // the longest p95, or 0
}

// goals are the promises; whether they are kept is measured.
func goals() []goal {
	return []goal{
		{client: clientWS, kind: kindReset.name, rtts: 3.3},
		{client: clientWSS, kind: kindReset.name, rtts: 4.4},
		{client: clientWS, kind: kindSilentDrop.name, rtt: 100 * time.Millisecond, within: 1500 * time.Millisecond},
		{client: clientWS, kind: kindSilentDrop.name, rtt: 300 * time.Millisecond, within: 2 * time.Second},
		{client: clientWS, kind: kindHalfOpenUp.name, rtt: 100 * time.Millisecond, within: 2 * time.Second},
		{client: clientWS, kind: kindHalfOpenDown.name, rtt: 100 * time.Millisecond, within: 2 * time.Second},
	}
}

// limit is the goal in milliseconds, or 0 if it isn't about the row.
func (g goal) limit(client, kind string, x row) float64 {
	switch {
	case g.client != client || g.kind != kind || g.rtt != 0 && ms(g.rtt) != x.RTTMs:
		return 0
	case g.rtts > 0:
		return g.rtts * x.RealMs
	}
	return ms(g.within)
}

func (g goal) String() string {
	if g.rtts > 0 {
		return fmt.Sprintf("≤ %.1f RTT", g.rtts)
	}
	return fmt.Sprintf("p95 < %.1f s", g.within.Seconds())
}
