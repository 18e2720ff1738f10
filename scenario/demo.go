package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// DemoOptions say how the demo is run.
type DemoOptions struct {
	Seed   uint64
	Out    io.Writer
	Colour bool
}

// demoLimit is the catch-up that the demo asks for after every fault but a server restart, where the herd is spread
// on purpose.
const demoLimit = 2 * time.Second

// demoRestartLimit is the catch-up after a server restart: the drain's spread and the connect come on top.
const demoRestartLimit = 5 * time.Second

// demoTakes is how long somebody is asked to watch.
const demoTakes = 90 * time.Second

// demoFaults are played one after the other on the first client's link, or on the server.
func demoFaults() []Fault {
	hang := func(on bool) func(context.Context, *World, *Client) error {
		return onLink(func(l *faultnet.Link) {
			l.Update(func(c *faultnet.Conditions) { c.Hang = on })
			if on {
				l.Reset()
			}
		})
	}
	return []Fault{
		faultReset,
		{
			Name: "30 s silent cut", Lasts: 30 * time.Second, FromEnd: true,
			Begin: onLink((*faultnet.Link).Cut), End: onLink((*faultnet.Link).Heal),
		},
		faultHalfOpenUp,
		faultHalfOpenDown,
		{Name: "accept-then-hang", Lasts: 4 * time.Second, FromEnd: true, Begin: hang(true), End: hang(false)},
		{
			Name: "server restart", FromEnd: true,
			Begin: func(ctx context.Context, w *World, _ *Client) error { return w.StopServer(ctx, true) },
			End:   func(ctx context.Context, w *World, _ *Client) error { return w.StartServer(ctx) },
		},
		{
			Name: "500 ms RTT", Lasts: 8 * time.Second, Unnoticed: true,
			Begin: onLink(func(l *faultnet.Link) {
				l.Set(faultnet.Symmetric(500 * time.Millisecond))
				if planted == bugRestless {
					l.Reset()
				}
			}),
			End: onLink(func(l *faultnet.Link) { l.Set(demoLink()) }),
		},
	}
}

func demoLink() faultnet.Conditions { return faultnet.Symmetric(60 * time.Millisecond) }

// Demo runs a server, two clients and a fault proxy for each in this process, breaks the network in seven ways while
// both keep sending, tells what happens line by line, and says in the end whether anything was lost, doubled,
// reordered or left out, and how long each fault was felt. It takes about 80 s.
func Demo(ctx context.Context, o DemoOptions) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "chatsdk-demo-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := NewRealWorld(ctx, dir, WorldOptions{Seed: o.Seed, Link: demoLink()})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	r, err := playDemo(ctx, w, o)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(o.Out, "\n%s", r)
	return r.OK, nil
}

// playDemo is the demo in a world that has no client yet.
func playDemo(ctx context.Context, w *World, o DemoOptions) (r Report, err error) {
	r = Report{ID: "demo", Name: "demo", Clock: "real", Seed: o.Seed}
	d := &demo{out: o.Out, colour: o.Colour, began: time.Now()}
	d.say("", "a server and two clients start; every message goes through a proxy that breaks on demand")
	for i := range 2 {
		if _, err := w.AddClient(ctx, clientName(i)); err != nil {
			return r, err
		}
		d.say(clientName(i), "signed in, connected and caught up")
	}
	stopTelling := d.tell(ctx, w)
	work := startWork(ctx, w, time.Second)
	pause(ctx, 8*time.Second)
	for _, f := range demoFaults() {
		d.playOne(ctx, w, f, &r)
	}
	if err := errors.Join(work.stop(), settle(ctx, w)); err != nil {
		r.problem("%v", err)
	}
	stopTelling()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	r.judgeClients(w, Thresholds{Reconnects: -1, Resends: -1})
	if r.Verdict, err = w.Verdict(ctx); err != nil {
		return r, err
	}
	if r.Took = time.Since(d.began); r.Took > demoTakes {
		r.problem("it took %v, at most %v are promised", r.Took.Round(time.Second), demoTakes)
	}
	r.OK = r.Verdict.OK && len(r.Problems) == 0 && r.Verdict.Counts.Stored > 0
	return r, nil
}

// demo writes the time line.
type demo struct {
	colour bool
	began  time.Time

	mu  sync.Mutex // guards out: lines must not mix
	out io.Writer
}

func (d *demo) say(who, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if d.colour && who == "!" {
		text = "\x1b[31m" + text + "\x1b[0m"
	}
	fmt.Fprintf(d.out, "%6.1fs  %-6s %s\n", time.Since(d.began).Seconds(), who, text)
}

// tell prints each change of the clients' connections until the returned function is called.
func (d *demo) tell(ctx context.Context, w *World) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, c := range w.Clients() {
		updates := c.Chat.Watch(ctx)
		wg.Go(func() {
			for u := range updates {
				if v := u.Connection; v != nil && v.From != v.To {
					d.say(c.Name, "%v (%s), shown up to message %d", v.To, v.Reason, c.shown())
				}
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// playOne plays one fault and tells how it was felt.
func (d *demo) playOne(ctx context.Context, w *World, f Fault, r *Report) {
	d.say("!", "fault: %s", f.Name)
	calm := watchCalm(w.Clients()[0])
	m, err := play(ctx, w, w.Clients()[0], f)
	limit := demoLimit
	if f.Name == "server restart" {
		limit = demoRestartLimit
	}
	switch {
	case err != nil:
		r.problem("%s: %v", f.Name, err)
	case f.Unnoticed:
		pause(ctx, 3*time.Second) // what was sent last is answered
		m := calm()
		r.calm(f.Name, m)
		d.say("", "%s: over, with %d reconnects and %d messages sent again", f.Name, m.Reconnects, m.Resends)
		return
	default:
		r.recovery(f.Name, m, limit)
		d.say("", "%s: caught up after %v", f.Name, ms(m.CatchUp))
	}
	pause(ctx, 3*time.Second)
}

func (c *Client) shown() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.shown
}
