package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
)

// measureReconnects runs every group at once, on one server for ws and one for wss, and the idle clients whose bytes
// are counted beside them.
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
	stop := watchTimers()
	outcomes := runGroups(ctx, c, groups(c, plain, secure, n))
	r.Lateness = stop()
	for _, o := range outcomes {
		r.addOutcome(o)
	}
	r.compare()
	return ctx.Err()
}

// groups lists who is measured.
func groups(c config, plain, secure *world, n *node) []group {
	var out []group
	for _, rtt := range c.rtts {
		ours := func(w *world) func(context.Context, string) (subject, error) {
			return func(ctx context.Context, name string) (subject, error) {
				return openSDK(ctx, w, name, rtt, realtime.Foreground)
			}
		}
		out = append(out,
			group{client: clientWS, rtt: rtt, kinds: kindsOfOurs, phase: phaseOfOurs, open: ours(plain)},
			group{client: clientWSS, rtt: rtt, kinds: []kind{kindReset}, phase: phaseOfOurs, open: ours(secure)})
		if n != nil {
			out = append(out, group{
				client: clientJS, rtt: rtt, kinds: kindsOfJS, phase: phaseOfJS,
				open: func(ctx context.Context, name string) (subject, error) { return openJS(ctx, n, plain, name, rtt) },
			})
		}
	}
	return out
}

// Who is measured.
const (
	clientWS  = "chatsdk ws"
	clientWSS = "chatsdk wss"
	clientJS  = "centrifuge-js ws"
)

// runGroups runs all groups side by side.
func runGroups(ctx context.Context, c config, groups []group) []*outcome {
	out := make([]*outcome, len(groups))
	rng := rand.New(rand.NewPCG(c.seed, 1))
	var wg sync.WaitGroup
	for i, g := range groups {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		wg.Go(func() { out[i] = g.run(ctx, c.n, own) })
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

// limit is the goal as a duration at the RTT, or 0 if the goal isn't about it.
func (g goal) limit(client, kind string, rtt time.Duration) time.Duration {
	switch {
	case g.client != client || g.kind != kind || g.rtt != 0 && g.rtt != rtt:
		return 0
	case g.rtts > 0:
		return time.Duration(g.rtts * float64(rtt))
	}
	return g.within
}

func (g goal) String() string {
	if g.rtts > 0 {
		return fmt.Sprintf("≤ %.1f RTT", g.rtts)
	}
	return fmt.Sprintf("p95 < %.1f s", g.within.Seconds())
}
