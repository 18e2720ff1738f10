package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// RandomOptions say how large a random world is. The zero value is the promise's: 10 clients, 10 minutes, one message
// a second each.
type RandomOptions struct {
	Seed    uint64
	Clients int           // defaults to 10
	Lasts   time.Duration // defaults to 10m
	Every   time.Duration // pause between two messages of a client; defaults to 1s
	Logger  *slog.Logger  // nil means nothing is logged
	Secrets *Secrets      // see WorldOptions
}

// healWithin is how soon after the end of the last outage every client has to be caught up.
const healWithin = 2 * time.Second

// drainDelay is what a server that is stopping asks for with 503. Whoever asked just before it was gone comes back that
// much later: the exception from the promise, since a herd must be spread.
const drainDelay = 2 * time.Second

// RandomReport is what a random world showed.
type RandomReport struct {
	Seed     uint64
	Faults   map[string]int
	HealedIn time.Duration // from the end of the last outage until every client was caught up
	Heals    int           // ends of one client's outages that nothing else fell into
	Worst    time.Duration // the longest that one of them took to be caught up
	Verdict  Verdict
	Problems []string
}

// OK says whether everything held.
func (r RandomReport) OK() bool { return r.Verdict.OK && len(r.Problems) == 0 }

// RunRandom lets clients talk through a random sequence of faults on each link and of the server, heals everything and
// asks two things: that nothing was lost, doubled, reordered or left out (safety), and that everybody is caught up
// within 2 s of the end of the last outage, and each client within 2 s of the end of one of its own (liveness). Call it inside a testing/synctest bubble. The seed decides the
// faults; which of two goroutines that are due at the same moment runs first, it doesn't.
func RunRandom(ctx context.Context, o RandomOptions) (r RandomReport, err error) {
	if o.Clients <= 0 {
		o.Clients = 10
	}
	if o.Lasts <= 0 {
		o.Lasts = 10 * time.Minute
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	r = RandomReport{Seed: o.Seed, Faults: map[string]int{}}
	plan := newPlan(o)
	w, err := NewVirtualWorld(ctx, WorldOptions{Seed: o.Seed, Link: plan.link(), Logger: o.Logger, Secrets: o.Secrets})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for i := range o.Clients {
		c, err := w.AddClient(ctx, clientName(i))
		if err != nil {
			return r, fmt.Errorf("start client %d: %w", i, err)
		}
		c.Link.Set(plan.link()) // every client has a path of its own
	}
	work := startWork(ctx, w, o.Every)
	within := healWithin
	var ends heals
	for _, f := range plan.faults(w, &ends) {
		pause(ctx, f.wait)
		within = healWithin + f.grace
		r.Faults[f.name]++
		w.log.InfoContext(ctx, "scenario: fault", slog.String("name", f.name), slog.String("who", f.who))
		w.History.FaultBegan(f.name)
		if err := f.do(ctx); err != nil {
			return r, fmt.Errorf("fault %s: %w", f.name, err)
		}
		w.History.FaultEnded(f.name)
	}
	for _, c := range w.Clients() {
		c.Link.Heal()
	}
	healed := time.Now()
	w.log.InfoContext(ctx, "scenario: healed")
	if err := work.stop(); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	if err := settle(ctx, w); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	if r.HealedIn = time.Since(healed); r.HealedIn > within {
		r.Problems = append(r.Problems, fmt.Sprintf("caught up %v after the last outage, at most %v is allowed", ms(r.HealedIn), within))
	}
	var late []string
	r.Heals, r.Worst, late = ends.judge(healWithin)
	r.Problems = append(r.Problems, late...)
	r.Verdict, err = w.Verdict(ctx)
	return r, err
}

// plan draws what happens in a random world.
type plan struct {
	o   RandomOptions
	rng *rand.Rand
	mix []int // which faults this world has: a random part of all, since some hide behind others
}

// step is one fault after a wait.
type step struct {
	wait  time.Duration
	grace time.Duration // how much later than usual everybody may be caught up, if it is the last
	name  string
	who   string // whose link it is on, "" for the server's
	do    func(ctx context.Context) error
}

func newPlan(o RandomOptions) *plan {
	p := &plan{o: o, rng: rand.New(rand.NewPCG(o.Seed, 2))}
	for len(p.mix) == 0 {
		for k := range len(linkFaults) + 1 {
			if p.rng.IntN(2) == 0 {
				p.mix = append(p.mix, k)
			}
		}
	}
	return p
}

// link draws a path: round trips up to the 300 ms that the promise covers, with a little jitter.
func (p *plan) link() faultnet.Conditions {
	c := faultnet.Symmetric(time.Duration(20+p.rng.IntN(260)) * time.Millisecond)
	jitter := time.Duration(p.rng.IntN(10)) * time.Millisecond
	c.Up.Jitter, c.Down.Jitter = jitter, jitter
	return c
}

// linkFaults happen to one client's link. An outage has an end, after which the link is as before.
var linkFaults = []struct {
	name   string
	outage bool
	begin  func(*faultnet.Link, *rand.Rand)
}{
	{"reset", false, func(l *faultnet.Link, _ *rand.Rand) { l.Reset() }},
	{"silent drop", false, func(l *faultnet.Link, _ *rand.Rand) { l.Strand(true, true) }},
	{"half-open up", false, func(l *faultnet.Link, _ *rand.Rand) { l.Strand(true, false) }},
	{"half-open down", false, func(l *faultnet.Link, _ *rand.Rand) { l.Strand(false, true) }},
	{"cut", true, func(l *faultnet.Link, _ *rand.Rand) { l.Cut() }},
	{"cut up", true, func(l *faultnet.Link, _ *rand.Rand) { l.Update(func(c *faultnet.Conditions) { c.Up.Down = true }) }},
	{"cut down", true, func(l *faultnet.Link, _ *rand.Rand) { l.Update(func(c *faultnet.Conditions) { c.Down.Down = true }) }},
	{"stall", true, func(l *faultnet.Link, _ *rand.Rand) {
		l.Update(func(c *faultnet.Conditions) { c.Up.Stall, c.Down.Stall = true, true })
	}},
	{"hang", true, func(l *faultnet.Link, _ *rand.Rand) {
		l.Update(func(c *faultnet.Conditions) { c.Hang = true })
		l.Reset()
	}},
	{"unreachable", true, func(l *faultnet.Link, _ *rand.Rand) {
		l.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
		l.Reset()
	}},
	{"loss", true, func(l *faultnet.Link, r *rand.Rand) {
		loss := 0.01 + 0.1*r.Float64()
		l.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = loss, loss })
	}},
}

// faults draws the sequence. Everything random is drawn here, before the world runs, so that it is the seed's alone.
func (p *plan) faults(w *World, ends *heals) []step {
	var out []step
	clients := w.Clients()
	for t := time.Duration(0); t < p.o.Lasts; {
		wait := time.Duration(1+p.rng.IntN(15)) * time.Second
		t += wait
		k := p.mix[p.rng.IntN(len(p.mix))]
		if k == len(linkFaults) {
			down := time.Duration(p.rng.IntN(10)) * time.Second
			graceful := p.rng.IntN(2) == 0
			t += down
			restart := step{wait: wait, name: "server restart", do: func(ctx context.Context) error {
				n := ends.begin("server restart", "")
				defer func() { ends.over(n) }()
				err := w.StopServer(ctx, graceful)
				pause(ctx, down)
				return errors.Join(err, w.StartServer(ctx))
			}}
			if graceful && down < drainDelay {
				restart.grace = drainDelay - down
			}
			out = append(out, restart)
			continue
		}
		f, c := linkFaults[k], clients[p.rng.IntN(len(clients))]
		lasts := time.Duration(p.rng.IntN(40_000)) * time.Millisecond
		own := rand.New(rand.NewPCG(p.rng.Uint64(), p.rng.Uint64()))
		out = append(out, step{wait: wait, name: f.name, who: c.Name, do: func(ctx context.Context) error {
			n := ends.begin(f.name, c.Name)
			f.begin(c.Link, own)
			if !f.outage {
				ends.over(n)
				return nil
			}
			end := func() {
				c.Link.Heal()
				c.Link.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = 0, 0 })
			}
			time.AfterFunc(lasts, func() {
				if planted == bugLateHeal {
					time.AfterFunc(3*time.Second, end)
				} else {
					end()
				}
				ends.watch(ctx, w, c, n)
			})
			return nil
		}})
	}
	return out
}
