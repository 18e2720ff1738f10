package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// kind is one thing that goes wrong on a client's link.
type kind struct {
	name  string
	begin func(*faultnet.Link)
	lasts time.Duration
	end   func(*faultnet.Link) // or nil if it is over at once; recovery is counted from the end, before it nothing can be done
}

// The faults that are measured, all on a connection without traffic of the application.
var (
	kindReset        = kind{name: "reset", begin: (*faultnet.Link).Reset}
	kindSilentDrop   = kind{name: "silent drop", begin: func(l *faultnet.Link) { l.Strand(true, true) }}
	kindHalfOpenUp   = kind{name: "half-open up", begin: func(l *faultnet.Link) { l.Strand(true, false) }}
	kindHalfOpenDown = kind{name: "half-open down", begin: func(l *faultnet.Link) { l.Strand(false, true) }}
	otherKinds       = []kind{ // all but the reset
		kindSilentDrop,
		kindHalfOpenUp,
		kindHalfOpenDown,
		{name: "accept-then-hang", begin: hang, lasts: 5 * time.Second, end: (*faultnet.Link).Heal},
		{name: "30 s outage", begin: (*faultnet.Link).Cut, lasts: 30 * time.Second, end: (*faultnet.Link).Heal},
	}
)

func hang(l *faultnet.Link) {
	l.Update(func(c *faultnet.Conditions) { c.Hang = true })
	l.Reset()
}

const (
	// warmUp is the time before a trial: the path is learnt in the first seconds of a connection, and the client's
	// shortest time between two standby dials, 10 s, is over, so that the flap budget isn't what is measured.
	warmUp = 12 * time.Second
	// waitOfOurs is the most random time added to it: a fault must not keep step with probes, one each 500 ms.
	waitOfOurs = 3 * time.Second
	// waitOfJS is the same for centrifuge-js, which waits for the server's pings, one each 25 s.
	waitOfJS = 25 * time.Second
	// spread is the time over which clients start, so that they don't queue for the processor.
	spread = 10 * time.Second
	// trialLimit bounds the wait for a recovery: beyond the slowest known, 35 s of silence and 20 s of backoff.
	trialLimit = 75 * time.Second
	// openLimit bounds the wait for a client's first connection.
	openLimit = 30 * time.Second
)

// group is clients of one sort at one RTT.
type group struct {
	phase  string // "reset" or "other": users of the two phases have different names
	client string // "chatsdk ws", "chatsdk wss", "centrifuge-js ws"
	rtt    time.Duration
	kinds  []kind
	wait   time.Duration // the most random time before each fault
	open   func(ctx context.Context, name string) (subject, error)
}

// results are the trials of one kind in a group.
type results struct {
	recoveries []recovery
	failures   []string // trials without a recovery, and why
}

// outcome is what a group showed. Its methods may be called concurrently.
type outcome struct {
	group group

	mu       sync.Mutex // guards below
	byKind   map[string]*results
	failures []string // clients that never connected
	needless int      // reconnects that no fault asked for
}

func (o *outcome) add(kind string, r recovery, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got := o.byKind[kind]
	if got == nil {
		got = &results{}
		o.byKind[kind] = got
	}
	if err != nil {
		got.failures = append(got.failures, err.Error())
		return
	}
	got.recoveries = append(got.recoveries, r)
}

// run gives each of n clients one trial of each kind, every client its kinds in an order of its own.
func (g group) run(ctx context.Context, n int, rng *rand.Rand) *outcome {
	o := &outcome{group: g, byKind: map[string]*results{}}
	var wg sync.WaitGroup
	for i := range n {
		// Each client has a part of the time to start in, which makes it sure that they don't crowd.
		delay := spread*time.Duration(i)/time.Duration(n) + time.Duration(rng.Int64N(int64(spread)/int64(n)))
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		name := fmt.Sprintf("%s-%s-%d-%d", g.id(), g.phase, g.rtt.Milliseconds(), i)
		wg.Go(func() {
			pause(ctx, delay)
			if err := g.runOne(ctx, name, own, o); err != nil {
				o.mu.Lock()
				o.failures = append(o.failures, err.Error())
				o.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return o
}

// id is the group's client as part of a user's name.
func (g group) id() string {
	b := []byte(g.client)
	for i := range b {
		if b[i] == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}

func (g group) runOne(ctx context.Context, name string, rng *rand.Rand, o *outcome) error {
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s, err := g.open(opening, name)
	if err != nil {
		return err
	}
	faults := 0
	for _, i := range rng.Perm(len(g.kinds)) {
		pause(ctx, warmUp+time.Duration(rng.Int64N(int64(g.wait))))
		if ctx.Err() != nil {
			break
		}
		r, err := trial(ctx, s, g.kinds[i])
		o.add(g.kinds[i].name, r, err)
		faults++
	}
	o.mu.Lock()
	o.needless += max(0, s.progress().reconnected()-faults)
	o.mu.Unlock()
	return s.close()
}

// trial makes one fault and waits until the client has come through it.
func trial(ctx context.Context, s subject, k kind) (recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, k.lasts+trialLimit)
	defer cancel()
	since := time.Now()
	k.begin(s.link())
	var lasted time.Duration
	if k.end != nil {
		pause(ctx, k.lasts)
		lasted = time.Since(since)
		k.end(s.link())
	}
	r, err := s.progress().recovered(ctx, since)
	r.connect -= lasted
	r.caughtUp -= lasted
	return r, err
}
