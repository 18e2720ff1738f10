package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

const (
	// playLimit ends a scenario that hangs: the longest takes three minutes.
	playLimit = 10 * time.Minute
	// playLines, lineBytes and playProblems bound what is kept of a play.
	playLines    = 200
	lineBytes    = 500
	playProblems = 50
)

// The states of a play.
const (
	playRunning = "running"
	playPassed  = "passed"
	playFailed  = "failed"
	playStopped = "stopped"
	playError   = "error"
)

// play is a scenario that is played, or was, in a world of its own.
type play struct {
	of     scenario.Scenario
	began  time.Time
	cancel context.CancelFunc

	mu       sync.Mutex // guards below
	world    *scenario.World
	state    string
	took     time.Duration // when it is over
	line     []byte        // the last one, while its end hasn't come
	lines    []string
	heard    int // events of the world's history that are in lines
	problems []string
	seen     scenario.Progress
	broken   int  // promises
	stopped  bool // somebody said so
}

// begin plays a scenario, if none is played.
func (d *Demo) begin(s scenario.Scenario) error {
	ctx, cancel := context.WithTimeout(d.ctx, playLimit)
	p := &play{of: s, began: time.Now(), cancel: cancel, state: playRunning}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		cancel()
		return errClosing
	case d.play != nil && d.play.running():
		cancel()
		return conflict("scenario " + d.play.of.ID + " is being played: wait, or stop it first")
	}
	d.play = p
	d.wg.Go(func() {
		defer cancel()
		p.run(ctx, d.opts.Seed)
	})
	return nil
}

// stop ends what is played, if anything is.
func (d *Demo) stop() {
	d.mu.Lock()
	p := d.play
	d.mu.Unlock()
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.cancel()
}

func (p *play) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == playRunning
}

// run plays.
func (p *play) run(ctx context.Context, seed uint64) {
	r, err := scenario.RunReal(ctx, p.of, scenario.RunOptions{Seed: seed, Out: p, Watch: p.watch})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hearLocked()
	p.settleLocked()
	p.world, p.took = nil, time.Since(p.began)
	switch {
	case p.stopped || errors.Is(ctx.Err(), context.Canceled):
		p.state = playStopped
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		p.state, p.problems = playError, []string{fmt.Sprintf("it wasn't over after %v", playLimit)}
	case err != nil:
		p.state, p.problems = playError, []string{strings.ReplaceAll(err.Error(), "\n", "; ")}
	default:
		p.judgeLocked(r)
	}
}

// settleLocked says of the clients how it ended: nobody may have looked since long before.
func (p *play) settleLocked() {
	if p.world == nil {
		return
	}
	talk := p.world.History.Talk()
	clients := p.seen.Clients
	p.seen.Clients = nil
	for _, c := range clients {
		p.seen.Clients = append(p.seen.Clients, scenario.ClientProgress{Name: c.Name, Talk: talk[c.Name]})
	}
}

// judgeLocked takes what the run showed.
func (p *play) judgeLocked(r scenario.Report) {
	p.state = playFailed
	if r.OK {
		p.state = playPassed
	}
	for line := range strings.Lines(r.String()) {
		p.sayLocked(line)
	}
	counts := r.Verdict.Counts
	p.seen.Sent, p.seen.Stored, p.seen.Shown = counts.Accepted, counts.Stored, counts.Shown
	for _, n := range r.Verdict.Found {
		p.broken += n
	}
	p.problems = r.Problems
	for _, v := range r.Verdict.Violations {
		p.problems = append(p.problems, v.String())
	}
	p.problems = p.problems[:min(len(p.problems), playProblems)]
}

// watch is given the world.
func (p *play) watch(w *scenario.World) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.world = w
}

// look is the play as it is now.
func (p *play) look(ctx context.Context) *playState {
	p.mu.Lock()
	w := p.world
	p.mu.Unlock()
	var seen scenario.Progress
	failed := w == nil
	if w != nil {
		var err error
		seen, err = w.Progress(ctx)
		failed = err != nil // the world has ended meanwhile
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.world != nil && !failed && len(seen.Clients) >= len(p.seen.Clients) {
		p.seen = seen
	}
	p.hearLocked()
	return p.tellLocked()
}
