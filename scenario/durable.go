package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	AtOnce   int           // the most faults that went on at one moment
	Backlog  int           // messages that all devices together had queued at the last heal
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
	// leastBacklog is what one device writes at least in the last outage: a message every 2 s or more often.
	leastBacklog = int(lastOutage / (2 * time.Second))
)

// durableChannels are those that the devices talk in, so that a queue has more than one order to keep.
var durableChannels = []string{Channel, "lobby", "ops"}

// RunDurable lets devices with profiles talk in three channels through random faults, of which several go on at once: of
// their links, of the server, of their programs and of their power. In the end some devices are offline while they write
// on. Then everything is healed, and two things are asked: that nothing was lost, doubled, reordered or left out, and that
// every queue is empty and everybody caught up within 2 s. Where the server's limits are near what is sent, a queue also
// has the time that the limit asks for what it sends from then on, which may be twice what it held: what was under way is
// asked for again. A world in which too little was sent or queued for that to mean anything is a problem too. Call it
// inside a testing/synctest bubble.
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
	wo := WorldOptions{
		Seed: o.Seed, Link: (&plan{rng: p.rng}).link(), Logger: o.Logger, Secrets: o.Secrets, Channels: durableChannels,
	}
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
	if err = p.breakThings(ctx); err == nil {
		err = p.cutOff(ctx)
	}
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
	if r.Verdict, err = p.w.Verdict(ctx); err == nil {
		p.checkTested()
	}
	return r, err
}

// checkTested asks that there was something to lose: a quarter of what the devices would have sent if their programs had
// never been down, and as much queued at the heal as one device writes in the last outage.
func (p *durable) checkTested() {
	r := p.report
	if least := p.o.Devices * int(p.o.Lasts/p.o.Every) / 4; r.Verdict.Counts.Stored < least {
		r.Problems = append(r.Problems, fmt.Sprintf("only %d messages were stored, at least %d had to be: the world shows nothing", r.Verdict.Counts.Stored, least))
	}
	if n := r.Verdict.Counts.Channels; n != len(durableChannels) {
		r.Problems = append(r.Problems, fmt.Sprintf("%d of %d channels were talked in", n, len(durableChannels)))
	}
	if r.Backlog < leastBacklog {
		r.Problems = append(r.Problems, fmt.Sprintf("only %d messages were queued at the heal, at least %d had to be: it shows nothing", r.Backlog, leastBacklog))
	}
}

// durable is one run of RunDurable.
type durable struct {
	o      DurableOptions
	rng    *rand.Rand // not for what runs beside it: that gets a source of its own
	w      *World
	report *DurableReport
	grace  time.Duration // for what the last restart of the server asks its clients to wait
}

// fork makes an independent source.
func (p *durable) fork() *rand.Rand { return rand.New(rand.NewPCG(p.rng.Uint64(), p.rng.Uint64())) }

// talk lets every device send at random moments until the returned function is called. What a program refuses because
// it is down was promised to nobody.
func (p *durable) talk(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, d := range p.w.Devices() {
		rng := p.fork()
		wg.Go(func() {
			for n := 1; ; n++ {
				pause(ctx, time.Duration(rng.Int64N(int64(2*p.o.Every))))
				if ctx.Err() != nil {
					return
				}
				// Cancelled half-way nobody would know whether to expect it.
				_ = d.SendTo(context.WithoutCancel(ctx), durableChannels[rng.IntN(len(durableChannels))], fmt.Sprintf("%s %d", d.Name, n))
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// heal ends all faults and asks that everything comes to rest in time.
func (p *durable) heal(ctx context.Context) {
	r := p.report
	backlog, before := map[string]int{}, map[string]int{}
	for _, d := range p.w.Devices() {
		d.Link.Heal()
		if s, ok := d.queue(); ok {
			backlog[d.Name] = s.Queued + s.Sending
			r.Backlog += backlog[d.Name]
		}
		before[d.Name] = p.w.store.cameFrom(d.User)
	}
	healed := time.Now()
	p.w.log.InfoContext(ctx, "scenario: healed")
	r.EmptyIn = p.wait(ctx, healed, emptyQueues)
	r.CaughtUp = p.wait(ctx, healed, settleDevices)
	r.Allowed = healWithin + p.grace
	for _, d := range p.w.Devices() {
		came := p.w.store.cameFrom(d.User) - before[d.Name]
		if came > 2*backlog[d.Name] {
			r.Problems = append(r.Problems, fmt.Sprintf("%s sent %d entries for the %d that it had queued", d.Name, came, backlog[d.Name]))
		}
		if r.Limited { // the limit counts what is repeated too, and the queue keeps a little below it
			r.Allowed = max(r.Allowed, healWithin+p.grace+time.Duration(float64(came)/(tightRate*outbox.PaceShare)*float64(time.Second)))
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
