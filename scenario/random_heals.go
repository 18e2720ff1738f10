package scenario

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// afterRestart is how long a server's restart is felt: its clients are spread on purpose.
	afterRestart = 10 * time.Second
	// afterLoss is how long a path's losses are remembered: patience with a silent link, learnt from them, is the exception
	// from the promise. Some 160 answers without a late one end it.
	afterLoss = 90 * time.Second
	// afterFault is how long any other fault is felt.
	afterFault = 3 * time.Second
)

// heals times what follows the end of each outage of one client: how long until it was shown everything that was stored
// then, and all that it had sent was acknowledged. Outages that something else fell into show nothing and don't count.
type heals struct {
	wg sync.WaitGroup // of those that wait

	mu     sync.Mutex // guards below
	faults []struck
	ends   []healed
	closed bool
}

// struck is a fault: what, whose link, "" for the server's, and from when to when.
type struck struct {
	name, who   string
	begin, over time.Time // over is zero while it lasts
}

// healed is the end of an outage.
type healed struct {
	fault int // of heals.faults
	took  time.Duration
	err   error
}

// begin notes a fault and returns its number.
func (h *heals) begin(name, who string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, struck{name: name, who: who, begin: time.Now()})
	return len(h.faults) - 1
}

// over notes the end of a fault.
func (h *heals) over(fault int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults[fault].over = time.Now()
}

// watch notes the end of an outage of c and begins to wait for it to be over for the application, too.
func (h *heals) watch(ctx context.Context, w *World, c *Client, fault int) {
	h.over(fault)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.wg.Go(func() {
		since := time.Now()
		err := bounded(ctx, func(ctx context.Context) error {
			last, err := w.Last(ctx)
			if err != nil {
				return err
			}
			c.mu.Lock()
			sent := len(c.offered)
			c.mu.Unlock()
			return c.awaitCounts(ctx, func(open, offered int, shown uint64) bool { return shown >= last && offered-open >= sent })
		})
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ends = append(h.ends, healed{fault: fault, took: time.Since(since), err: err})
	})
}

// judge waits for what is waited for, and then says how many ends of outages count, the longest, and what took too long.
func (h *heals) judge(within time.Duration) (n int, worst time.Duration, problems []string) {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.wg.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.ends {
		f := h.faults[e.fault]
		if h.disturbedLocked(e.fault, within) {
			continue
		}
		n++
		worst = max(worst, e.took)
		if e.took > within || e.err != nil {
			problems = append(problems, fmt.Sprintf("%s: caught up %v after the end of %q at %v, which had lasted %v; at most %v is allowed (%v)",
				f.who, ms(e.took), f.name, clockTime(f.over), ms(f.over.Sub(f.begin)), within, e.err))
		}
	}
	return n, worst, problems
}

// disturbedLocked says whether another fault was felt by the same client between the beginning of an outage and within
// after its end.
func (h *heals) disturbedLocked(fault int, within time.Duration) bool {
	f := h.faults[fault]
	for i, g := range h.faults {
		if i == fault || g.who != "" && g.who != f.who {
			continue
		}
		felt := afterFault
		switch {
		case g.who == "":
			felt = afterRestart
		case g.name == "loss":
			felt = afterLoss
		}
		if g.begin.Before(f.over.Add(within)) && (g.over.IsZero() || g.over.Add(felt).After(f.begin)) {
			return true
		}
	}
	return false
}
