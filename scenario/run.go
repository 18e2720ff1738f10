package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// RunOptions say how a scenario is run.
type RunOptions struct {
	Seed uint64
	Dir  string    // where servers and profiles keep their data; "" means a temporary folder that is removed
	Out  io.Writer // what happens, line by line; nil means nowhere

	// Watch is given the world before anything happens in it, to look on; nil means that nobody does. It must not block. When the
	// run is over the world is closed.
	Watch func(*World)

	Secrets *Secrets // see WorldOptions
}

// limit bounds each wait of a run for something that has to come: far beyond every threshold, so that a miss is
// reported as a miss with its figure, and a hang as a hang.
const limit = time.Minute

// RunReal runs a scenario on sockets of the loopback interface.
func RunReal(ctx context.Context, s Scenario, o RunOptions) (Report, error) {
	dir, done, err := o.folder(s)
	if err != nil {
		return Report{}, err
	}
	defer done()
	w, err := NewRealWorld(ctx, filepath.Join(dir, "server"), s.world(o, dir))
	if err != nil {
		return Report{}, err
	}
	return run(ctx, w, s, o, dir, "real")
}

// folder makes a folder of the scenario's own; done removes what isn't to stay.
func (o RunOptions) folder(s Scenario) (dir string, done func(), err error) {
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "chatsdk-suite-")
		return dir, func() { _ = os.RemoveAll(dir) }, err
	}
	dir = filepath.Join(o.Dir, s.ID)
	return dir, func() {}, os.MkdirAll(dir, 0o700)
}

// world is the world that the scenario is played in.
func (s Scenario) world(o RunOptions, dir string) WorldOptions {
	w := WorldOptions{Seed: o.Seed, Link: s.Link, Limits: s.Limits, AccessTTL: s.AccessTTL, Secrets: o.Secrets}
	if s.Files {
		w.Files = filepath.Join(dir, "files")
	}
	if s.Thresholds.HTTP != nil || s.Files {
		w.Record, w.Faults = &HTTPRecord{}, newHTTPFaults(o.Seed)
	}
	return w
}

// RunVirtual runs a scenario on the in-memory network. Call it inside a testing/synctest bubble.
func RunVirtual(ctx context.Context, s Scenario, o RunOptions) (Report, error) {
	dir, done, err := o.folder(s)
	if err != nil {
		return Report{}, err
	}
	defer done()
	w, err := NewVirtualWorld(ctx, s.world(o, dir))
	if err != nil {
		return Report{}, err
	}
	return run(ctx, w, s, o, dir, "virtual")
}

// newHTTPFaults is an empty set.
func newHTTPFaults(seed uint64) *faultnet.HTTPFaults {
	h, err := faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: seed})
	if err != nil {
		panic("scenario: no HTTP faults can't be wrong: " + err.Error())
	}
	return h
}

// run plays the scenario in w, judges it and closes w.
func run(ctx context.Context, w *World, s Scenario, o RunOptions, dir, clock string) (r Report, err error) {
	defer func() { err = errors.Join(err, w.Close()) }()
	if o.Watch != nil {
		o.Watch(w)
	}
	s = s.withDefaults()
	r = Report{ID: s.ID, Name: s.Name, Clock: clock, Seed: o.Seed}
	if s.Thresholds.HTTP != nil {
		return runHTTP(ctx, w, s, o, r)
	}
	began := time.Now()
	if s.Play != nil {
		err = s.Play(ctx, w, s, &r, dir)
	} else {
		err = talkThrough(ctx, w, s, o, &r)
	}
	if err != nil {
		return r, err
	}
	if r.Verdict, err = w.Verdict(ctx); err != nil {
		return r, err
	}
	if r.Verdict.Counts.Stored == 0 {
		r.problem("nothing was sent: the run shows nothing")
	}
	r.Took = time.Since(began)
	r.OK = r.Verdict.OK && len(r.Problems) == 0
	return r, nil
}

// talkThrough lets the clients talk while the first one meets the faults.
func talkThrough(ctx context.Context, w *World, s Scenario, o RunOptions, r *Report) error {
	for i := range s.Clients {
		if err := bounded(ctx, func(ctx context.Context) error {
			_, err := w.AddClient(ctx, clientName(i))
			return err
		}); err != nil {
			return fmt.Errorf("start %s: %w", clientName(i), err)
		}
	}
	work := startWork(ctx, w, s.Every)
	pause(ctx, s.Warm)
	for _, f := range s.Faults {
		calm := watchCalm(w.Clients()[0])
		m, err := play(ctx, w, w.Clients()[0], f)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), work.stop())
		case err != nil:
			r.problem("%s: %v", f.Name, err)
		case f.Unnoticed:
			pause(ctx, s.Gap) // what was sent last is answered
			r.calm(f.Name, calm())
			continue
		default:
			r.recovery(f.Name, m, s.Thresholds.CatchUpWithin)
		}
		if o.Out != nil {
			fmt.Fprintf(o.Out, "  %s: detected %v, connected %v, caught up %v\n", f.Name, ms(m.Detect), ms(m.Connect), ms(m.CatchUp))
		}
		pause(ctx, s.Gap)
	}
	if err := errors.Join(work.stop(), settle(ctx, w)); err != nil {
		r.problem("%v", err)
	}
	if ctx.Err() != nil {
		return ctx.Err() // there is nothing to judge
	}
	r.judgeClients(w, s.Thresholds)
	return nil
}

func clientName(i int) string {
	names := []string{"ada", "grace", "edsger", "barbara", "donald"}
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("user%d", i)
}

// bounded calls f with the limit of a wait.
func bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// pause lets time go by, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// play makes one fault and waits until the client has come through it.
func play(ctx context.Context, w *World, c *Client, f Fault) (Recovery, error) {
	w.History.FaultBegan(f.Name, c.Name)
	since := time.Now()
	if err := f.Begin(ctx, w, c); err != nil {
		return Recovery{}, err
	}
	pause(ctx, f.Lasts)
	if f.End != nil {
		if err := f.End(ctx, w, c); err != nil {
			return Recovery{}, err
		}
	}
	w.History.FaultEnded(f.Name, c.Name)
	ended := time.Now()
	if f.Unnoticed {
		return Recovery{}, nil
	}
	var m Recovery
	err := bounded(ctx, func(ctx context.Context) (err error) {
		m, err = c.recovered(ctx, since)
		return err
	})
	if f.FromEnd {
		m.Connect -= ended.Sub(since)
		m.CatchUp -= ended.Sub(since)
	}
	return m, err
}

// work is clients that keep talking.
type work struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex // guards errs
	errs []error
}

// startWork makes each client send one message each every, the clients evenly spread over it.
func startWork(ctx context.Context, w *World, every time.Duration) *work {
	k := &work{}
	ctx, k.cancel = context.WithCancel(ctx)
	clients := w.Clients()
	for i, c := range clients {
		k.wg.Go(func() {
			pause(ctx, every*time.Duration(i)/time.Duration(len(clients)))
			for n := 1; ctx.Err() == nil; n++ {
				// A message that is being handed over when the talk ends is still sent: cancelled half-way nobody would
				// know whether to expect it.
				if err := c.Send(context.WithoutCancel(ctx), fmt.Sprintf("%s %d", c.Name, n)); err != nil {
					k.mu.Lock()
					k.errs = append(k.errs, err)
					k.mu.Unlock()
				}
				pause(ctx, every)
			}
		})
	}
	return k
}

// stop ends the talk and returns what Send refused.
func (k *work) stop() error {
	k.cancel()
	k.wg.Wait()
	return errors.Join(k.errs...)
}

// settle waits until every client has sent everything, and then until every client was shown everything.
func settle(ctx context.Context, w *World) error {
	return bounded(ctx, func(ctx context.Context) error {
		var errs []error
		for _, c := range w.Clients() {
			errs = append(errs, c.settledAll(ctx))
		}
		last, err := w.Last(ctx)
		errs = append(errs, err)
		for _, c := range w.Clients() {
			errs = append(errs, c.shownUpTo(ctx, last))
		}
		return errors.Join(errs...)
	})
}

// watchCalm returns what the client needlessly did from now on until the returned function is called.
func watchCalm(c *Client) func() Calm {
	read := func() (Calm, int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return Calm{Reconnects: c.seen.reconnect, Resends: c.resends, Dials: int(c.Link.Stats().Dials)}, len(c.acks)
	}
	before, acked := read()
	return func() Calm {
		after, _ := read()
		c.mu.Lock()
		defer c.mu.Unlock()
		m := Calm{
			Reconnects: after.Reconnects - before.Reconnects, Resends: after.Resends - before.Resends, Dials: after.Dials - before.Dials,
		}
		for _, d := range c.acks[acked:] {
			m.Acked++
			m.Slowest = max(m.Slowest, d)
		}
		return m
	}
}

// judgeClients compares what the clients did with the thresholds.
func (r *Report) judgeClients(w *World, t Thresholds) {
	var acks []time.Duration
	for _, c := range w.Clients() {
		c.mu.Lock()
		acks = append(acks, c.acks...)
		reconnects, resends := c.seen.reconnect, c.resends
		c.mu.Unlock()
		// Before a real proxy the system takes a connection at once, whatever the link: the path looks quick, and another dial
		// is right when nothing comes of the first.
		if dials := int(c.Link.Stats().Dials); t.Dials > 0 && dials > t.Dials && r.Clock != "real" {
			r.problem("%s began %d connections, at most %d are needed", c.Name, dials, t.Dials)
		}
		if t.Reconnects >= 0 && reconnects > t.Reconnects {
			r.problem("%s reconnected %d times, at most %d are needed", c.Name, reconnects, t.Reconnects)
		}
		if t.Resends >= 0 && resends > t.Resends {
			r.problem("%s sent %d messages again, at most %d need it", c.Name, resends, t.Resends)
		}
	}
	slices.Sort(acks)
	if len(acks) == 0 {
		return
	}
	worst := acks[len(acks)-1]
	r.Acks = Spread{N: len(acks), P50: Percentile(acks, 50), P95: Percentile(acks, 95), Max: worst}
	if t.AckWithin > 0 && worst > t.AckWithin {
		r.problem("the slowest message was acknowledged after %v, at most %v is allowed", ms(worst), t.AckWithin)
	}
}
