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

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/server"
)

// DurableOptions say how large a random world of devices with profiles is. The zero value is the promise's.
type DurableOptions struct {
	Seed    uint64
	Devices int           // defaults to 4
	Lasts   time.Duration // of the faults; defaults to 3m
	Every   time.Duration // mean pause between two messages of a device; defaults to 1s
	Logger  *slog.Logger  // nil means nothing is logged
	Secrets *Secrets      // see WorldOptions
}

// DurableReport is what a random world of devices showed.
type DurableReport struct {
	Seed     uint64
	Faults   map[string]int
	Limited  bool          // the server's limits were near what the devices send
	EmptyIn  time.Duration // from the last heal until every queue was empty
	CaughtUp time.Duration // from the last heal until everybody was shown everything
	Allowed  time.Duration // for both
	Verdict  Verdict
	Problems []string
}

// OK says whether everything held.
func (r DurableReport) OK() bool { return r.Verdict.OK && len(r.Problems) == 0 }

const (
	// shortTTL makes access tokens run out several times in a world.
	shortTTL = 20 * time.Second
	// tightRate and tightBurst are below what a device has queued after an outage.
	tightRate, tightBurst = 5, 8
)

// RunDurable lets devices with profiles talk through a random sequence of faults: of their links, of the server, of
// their programs and of their power. Then everything is healed, and two things are asked: that nothing was lost, doubled,
// reordered or left out, and that every queue is empty and everybody caught up within 2 s. Where the server's limits are
// near what is sent, a queue also has the time that the limit asks for what it sends from then on, which may be twice
// what it held: what was under way is asked for again. Call it inside a testing/synctest bubble.
func RunDurable(ctx context.Context, o DurableOptions) (r DurableReport, err error) {
	if o.Devices <= 0 {
		o.Devices = 4
	}
	if o.Lasts <= 0 {
		o.Lasts = 3 * time.Minute
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	p := &durable{o: o, rng: rand.New(rand.NewPCG(o.Seed, 4)), report: &r}
	r = DurableReport{Seed: o.Seed, Faults: map[string]int{}, Limited: p.rng.IntN(2) == 0}
	wo := WorldOptions{Seed: o.Seed, Link: (&plan{rng: p.rng}).link(), Logger: o.Logger, Secrets: o.Secrets}
	if r.Limited {
		wo.Limits = server.Limits{MessagesPerSecond: tightRate, MessageBurst: tightBurst}
	}
	if p.rng.IntN(2) == 0 {
		wo.AccessTTL = shortTTL
		r.Faults["token expiry"] = int(o.Lasts / shortTTL)
	}
	if p.w, err = NewVirtualWorld(ctx, wo); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.w.Close()) }()
	for i := range o.Devices {
		d, err := p.w.AddDevice(ctx, clientName(i))
		if err != nil {
			return r, err
		}
		d.Link.Set((&plan{rng: p.rng}).link()) // every device has a path of its own
		if err := bounded(ctx, d.caughtUp); err != nil {
			return r, fmt.Errorf("start: %w", err)
		}
	}
	talk := p.talk(ctx)
	err = p.breakThings(ctx)
	talk()
	if err != nil {
		return r, err
	}
	p.heal(ctx)
	for _, d := range p.w.Devices() {
		if n := d.signedOut(); n > 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("%s was signed out %d times with a valid session", d.Name, n))
		}
	}
	r.Verdict, err = p.w.Verdict(ctx)
	return r, err
}

// durable is one run of RunDurable.
type durable struct {
	o      DurableOptions
	rng    *rand.Rand
	w      *World
	report *DurableReport
}

// talk lets every device send at random moments until the returned function is called. What a program refuses because
// it is down was promised to nobody.
func (p *durable) talk(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, d := range p.w.Devices() {
		rng := rand.New(rand.NewPCG(p.rng.Uint64(), p.rng.Uint64()))
		wg.Go(func() {
			for n := 1; ; n++ {
				pause(ctx, time.Duration(rng.Int64N(int64(2*p.o.Every))))
				if ctx.Err() != nil {
					return
				}
				// Cancelled half-way nobody would know whether to expect it.
				_ = d.Send(context.WithoutCancel(ctx), fmt.Sprintf("%s %d", d.Name, n))
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// deviceFault happens to one device, begins and ends.
type deviceFault struct {
	name string
	do   func(ctx context.Context, p *durable, d *Device) error
}

// outage is how long a fault of a device lasts.
func (p *durable) outage() time.Duration { return time.Duration(p.rng.IntN(20_000)) * time.Millisecond }

// restart starts the program again after a while.
func (p *durable) restart(ctx context.Context, d *Device) error {
	pause(ctx, time.Duration(p.rng.IntN(5_000))*time.Millisecond)
	return d.Start(ctx)
}

var deviceFaults = []deviceFault{
	{"cut", func(ctx context.Context, p *durable, d *Device) error {
		d.Link.Cut()
		pause(ctx, p.outage())
		d.Link.Heal()
		return nil
	}},
	{"reset", func(_ context.Context, _ *durable, d *Device) error {
		d.Link.Reset()
		return nil
	}},
	{"lost reply", loseReplies},
	{"client restart", func(ctx context.Context, p *durable, d *Device) error {
		return errors.Join(d.Stop(), p.restart(ctx, d))
	}},
	{"client killed", func(ctx context.Context, p *durable, d *Device) error {
		d.Crash(false)
		return p.restart(ctx, d)
	}},
	{"power loss", func(ctx context.Context, p *durable, d *Device) error {
		d.Crash(true)
		return p.restart(ctx, d)
	}},
	{"lost reply and killed", func(ctx context.Context, p *durable, d *Device) error {
		d.Link.Strand(false, true)
		pause(ctx, time.Duration(p.rng.IntN(1_500))*time.Millisecond)
		d.Crash(p.rng.IntN(2) == 0)
		return p.restart(ctx, d)
	}},
}

// loseReplies lets requests through and no answer, for a moment that is often too short to be noticed before the reset.
func loseReplies(ctx context.Context, p *durable, d *Device) error {
	d.Link.Strand(false, true)
	pause(ctx, time.Duration(p.rng.IntN(1_500))*time.Millisecond)
	d.Link.Reset()
	return nil
}

// breakThings makes faults, one after the other, each of a device or of the server.
func (p *durable) breakThings(ctx context.Context) error {
	devices := p.w.Devices()
	mix := slices.DeleteFunc(rangeOf(len(deviceFaults)+1), func(int) bool { return p.rng.IntN(3) == 0 })
	if len(mix) == 0 {
		mix = rangeOf(len(deviceFaults) + 1)
	}
	for began := time.Now(); time.Since(began) < p.o.Lasts; {
		pause(ctx, time.Duration(p.rng.IntN(8_000))*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return err
		}
		k := mix[p.rng.IntN(len(mix))]
		name, who, do := "server restart", "", p.restartServer
		if k < len(deviceFaults) {
			f, d := deviceFaults[k], devices[p.rng.IntN(len(devices))]
			name, who, do = f.name, d.Name, func(ctx context.Context) error { return f.do(ctx, p, d) }
		}
		p.report.Faults[name]++
		p.w.log.InfoContext(ctx, "scenario: fault", slog.String("name", name), slog.String("who", who))
		p.w.History.FaultBegan(name)
		if err := do(ctx); err != nil {
			return fmt.Errorf("fault %s: %w", name, err)
		}
		p.w.History.FaultEnded(name)
	}
	return nil
}

func rangeOf(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (p *durable) restartServer(ctx context.Context) error {
	err := p.w.StopServer(ctx, p.rng.IntN(2) == 0)
	pause(ctx, time.Duration(p.rng.IntN(10_000))*time.Millisecond)
	return errors.Join(err, p.w.StartServer(ctx))
}

// heal ends all faults and asks that everything comes to rest in time.
func (p *durable) heal(ctx context.Context) {
	r := p.report
	backlog, before := map[string]int{}, map[string]int{}
	for _, d := range p.w.Devices() {
		d.Link.Heal()
		if s, ok := d.queue(); ok {
			backlog[d.Name] = s.Queued + s.Sending
		}
		before[d.Name] = p.w.store.cameFrom(d.User)
	}
	healed := time.Now()
	p.w.log.InfoContext(ctx, "scenario: healed")
	r.EmptyIn = p.wait(ctx, healed, emptyQueues)
	r.CaughtUp = p.wait(ctx, healed, settleDevices)
	r.Allowed = healWithin
	for _, d := range p.w.Devices() {
		came := p.w.store.cameFrom(d.User) - before[d.Name]
		if came > 2*backlog[d.Name] {
			r.Problems = append(r.Problems, fmt.Sprintf("%s sent %d entries for the %d that it had queued", d.Name, came, backlog[d.Name]))
		}
		if r.Limited { // the limit counts what is repeated too, and the queue keeps a little below it
			r.Allowed = max(r.Allowed, healWithin+time.Duration(float64(came)/(tightRate*outbox.PaceShare)*float64(time.Second)))
		}
	}
	for what, took := range map[string]time.Duration{"every queue was empty": r.EmptyIn, "everybody was shown everything": r.CaughtUp} {
		if took > r.Allowed {
			r.Problems = append(r.Problems, fmt.Sprintf("%s %v after the last heal, at most %v is allowed", what, ms(took), ms(r.Allowed)))
		}
	}
}

// wait says how long after since f was done.
func (p *durable) wait(ctx context.Context, since time.Time, f func(context.Context, *World) error) time.Duration {
	if err := bounded(ctx, func(ctx context.Context) error { return f(ctx, p.w) }); err != nil {
		p.report.Problems = append(p.report.Problems, err.Error())
	}
	return time.Since(since)
}
