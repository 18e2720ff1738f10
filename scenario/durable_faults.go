package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// deviceFault happens to one device, begins and ends.
type deviceFault struct {
	name string
	has  []string // the parts of the device that no other fault may have meanwhile
	do   func(ctx context.Context, rng *rand.Rand, d *Device) error
}

// Parts of what a fault can happen to.
const (
	partLink    = "link"
	partProgram = "program"
	partServer  = "server"
)

var deviceFaults = []deviceFault{
	{"cut", []string{partLink}, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		d.Link.Cut()
		pause(ctx, outage(rng))
		d.Link.Heal()
		return nil
	}},
	{"reset", nil, func(_ context.Context, _ *rand.Rand, d *Device) error {
		d.Link.Reset()
		return nil
	}},
	{"lost reply", nil, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		loseReplies(ctx, rng, d)
		d.Link.Reset()
		return nil
	}},
	{"client restart", []string{partProgram}, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		return errors.Join(d.Stop(), startAgain(ctx, rng, d))
	}},
	{"client killed", []string{partProgram}, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		d.Crash(false)
		return startAgain(ctx, rng, d)
	}},
	{"power loss", []string{partProgram}, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		d.Crash(true)
		return startAgain(ctx, rng, d)
	}},
	{"lost reply and killed", []string{partProgram}, func(ctx context.Context, rng *rand.Rand, d *Device) error {
		loseReplies(ctx, rng, d)
		d.Crash(rng.IntN(2) == 0)
		return startAgain(ctx, rng, d)
	}},
}

// outage is how long a fault of a link lasts, and downtime how long the server is away.
func outage(rng *rand.Rand) time.Duration { return time.Duration(rng.IntN(20_000)) * time.Millisecond }

func downtime(rng *rand.Rand) time.Duration {
	return time.Duration(rng.IntN(10_000)) * time.Millisecond
}

// loseReplies lets requests through and no answer, for a moment that is often too short to be noticed.
func loseReplies(ctx context.Context, rng *rand.Rand, d *Device) {
	d.Link.Strand(false, true)
	pause(ctx, time.Duration(rng.IntN(1_500))*time.Millisecond)
}

// startAgain starts the program again after a while.
func startAgain(ctx context.Context, rng *rand.Rand, d *Device) error {
	pause(ctx, time.Duration(rng.IntN(5_000))*time.Millisecond)
	return d.Start(ctx)
}

// claim is a part of a device, or of the server, that a fault has.
type claim struct{ who, part string }

// breaking are the faults of one run that go on.
type breaking struct {
	p  *durable
	wg sync.WaitGroup

	mu    sync.Mutex // guards below
	taken map[claim]bool
	now   int // faults that go on
	err   error
}

// begin starts a fault unless one goes on that has a part which it needs.
func (b *breaking) begin(ctx context.Context, name, who string, has []string, do func(ctx context.Context) error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(has, func(part string) bool { return b.taken[claim{who, part}] }) {
		return false
	}
	for _, part := range has {
		b.taken[claim{who, part}] = true
	}
	r, h := b.p.report, b.p.w.History
	b.now++
	r.Faults[name]++
	r.AtOnce = max(r.AtOnce, b.now)
	b.p.w.log.InfoContext(ctx, "scenario: fault", slog.String("name", name), slog.String("who", who))
	h.FaultBegan(name, who)
	b.wg.Go(func() {
		err := do(ctx)
		h.FaultEnded(name, who)
		b.p.w.log.InfoContext(ctx, "scenario: fault ended", slog.String("name", name), slog.String("who", who))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.now--
		for _, part := range has {
			delete(b.taken, claim{who, part})
		}
		if err != nil {
			b.err = errors.Join(b.err, fmt.Errorf("fault %s: %w", name, err))
		}
	})
	return true
}

// end waits until all faults are over.
func (b *breaking) end() error {
	b.wg.Wait()
	return b.err
}

// breakThings makes faults of devices and of the server. They go on side by side, but for those that need the same part
// of the same device: a link is cut while the program behind it is killed, and while the server restarts.
func (p *durable) breakThings(ctx context.Context) error {
	devices := p.w.Devices()
	mix := slices.DeleteFunc(rangeOf(len(deviceFaults)+1), func(int) bool { return p.rng.IntN(3) == 0 })
	if len(mix) == 0 {
		mix = rangeOf(len(deviceFaults) + 1)
	}
	b := &breaking{p: p, taken: map[claim]bool{}}
	for began := time.Now(); time.Since(began) < p.o.Lasts; {
		pause(ctx, time.Duration(p.rng.IntN(8_000))*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return errors.Join(err, b.end())
		}
		k, rng := mix[p.rng.IntN(len(mix))], p.fork()
		if k == len(deviceFaults) {
			b.begin(ctx, "server restart", "", []string{partServer}, func(ctx context.Context) error {
				return p.restartServer(ctx, rng.IntN(2) == 0, downtime(rng))
			})
			continue
		}
		f, d := deviceFaults[k], devices[p.rng.IntN(len(devices))]
		b.begin(ctx, f.name, d.Name, f.has, func(ctx context.Context) error { return f.do(ctx, rng, d) })
	}
	return b.end()
}

func rangeOf(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (p *durable) restartServer(ctx context.Context, graceful bool, down time.Duration) error {
	err := p.w.StopServer(ctx, graceful)
	pause(ctx, down)
	return errors.Join(err, p.w.StartServer(ctx))
}

// lastOutage is how long the devices that it hits write on without a network, at least.
const lastOutage = 6 * time.Second

// cutOff takes the network from one device at least, so that there is something to send at the heal; sometimes the server
// is started again right before that.
func (p *durable) cutOff(ctx context.Context) error {
	devices := p.w.Devices()
	first := p.rng.IntN(len(devices))
	for i, d := range devices {
		if i == first || p.rng.IntN(2) == 0 {
			p.report.Faults["last outage"]++
			p.w.log.InfoContext(ctx, "scenario: last outage", slog.String("who", d.Name))
			d.Link.Cut()
		}
	}
	pause(ctx, lastOutage)
	if p.rng.IntN(3) > 0 {
		return nil
	}
	graceful, down := p.rng.IntN(2) == 0, downtime(p.rng)
	if graceful {
		p.grace = max(0, drainDelay-down)
	}
	p.report.Faults["server restart"]++
	p.w.log.InfoContext(ctx, "scenario: last restart of the server", slog.Bool("graceful", graceful), slog.Duration("down", down))
	return p.restartServer(ctx, graceful, down)
}
