package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const (
	// readyLimit bounds the start of a process, on a machine that is busy with others.
	readyLimit = 30 * time.Second
	// quitLimit bounds the end of one that was asked to end.
	quitLimit = 15 * time.Second
	// restLimit bounds the wait for everybody to be shown everything once nobody is killed any more.
	restLimit = 90 * time.Second
	// serverShare is how many of the victims are clients for each time that it is the server.
	serverShare = 4
)

// KillOptions say how processes are killed. Program is required; zero values elsewhere take the default.
type KillOptions struct {
	Program []string // the chatsdk program and the arguments that go before every command
	Dir     string   // an empty folder for data, profiles and passwords
	Seed    uint64   // decides who is killed when; which instruction that hits, it doesn't
	Kills   int      // defaults to 200
	Clients int      // that talk; defaults to 4
	// MeanPause is the mean time between two kills, drawn uniformly from 0 to twice this. Defaults to 150ms.
	MeanPause time.Duration
	Link      faultnet.Conditions // of every client. The zero value adds nothing to the loopback interface
}

// KillReport is what came of it.
type KillReport struct {
	Seed        uint64
	ClientKills int
	ServerKills int
	Stored      uint64
	Verdict     Verdict
	Problems    []string
	Took        time.Duration
}

// OK says whether everything held.
func (r KillReport) OK() bool { return r.Verdict.OK && len(r.Problems) == 0 }

// String is the report in a few lines.
func (r KillReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d kills of clients and %d of the server (seed %d, %v): %d messages stored\n",
		r.ClientKills, r.ServerKills, r.Seed, r.Took.Round(time.Second), r.Stored)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	b.WriteString(r.Verdict.String())
	return b.String()
}

// RunKills starts a server and clients as processes of their own, each client behind a fault proxy and on a profile,
// lets the clients talk and kills one process after the other (SIGKILL) at random moments, each time starting it again.
// In the end everything that a client called queued has to be stored once, in order, and shown to everybody. Half of
// the restarts repeat what had no answer, under the same ids, as a careful application does.
func RunKills(ctx context.Context, o KillOptions) (r KillReport, err error) {
	if o.Kills <= 0 {
		o.Kills = 200
	}
	if o.Clients <= 0 {
		o.Clients = 4
	}
	if o.MeanPause <= 0 {
		o.MeanPause = 150 * time.Millisecond
	}
	began := time.Now()
	r = KillReport{Seed: o.Seed}
	k := &kills{o: o, rng: rand.New(rand.NewPCG(o.Seed, 3)), history: &History{}, report: &r}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { err = errors.Join(err, k.close()) }()
	if err := k.open(ctx); err != nil {
		return r, err
	}
	if err := k.killAll(ctx); err != nil {
		return r, err
	}
	if err := k.settle(ctx); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	err = k.judge(ctx)
	r.Took = time.Since(began)
	return r, err
}

// kills is one run of RunKills. One goroutine runs it; the talkers' output comes in on others.
type kills struct {
	o       KillOptions
	rng     *rand.Rand
	history *History
	report  *KillReport
	serve   func(addr, data string) []string // in place of the program's own server, or nil

	addr    string // of the server
	server  *program
	proxies []*faultnet.Proxy
	talkers []*talker
	said    int // messages offered
}

func (k *kills) path(name string) string { return filepath.Join(k.o.Dir, name) }

func (k *kills) argv(args ...string) []string { return slices.Concat(k.o.Program, args) }

// open starts the server, makes the accounts and starts the clients.
func (k *kills) open(ctx context.Context) error {
	if err := os.WriteFile(k.path("password"), []byte(password), 0o600); err != nil {
		return err
	}
	k.addr = "127.0.0.1:0"
	if err := k.startServer(ctx); err != nil {
		return err
	}
	for i := range k.o.Clients {
		name := clientName(i)
		add, err := startProgram(ctx, k.argv("user", "add", name, "--data", k.path("data"), "--password-file", k.path("password")), nil, nil)
		if err != nil {
			return err
		}
		if err := add.await(readyLimit); err != nil {
			return fmt.Errorf("user add %s: %w: %s", name, err, add.said())
		}
		p, err := faultnet.NewProxy(faultnet.ProxyOptions{
			Name: name, Listen: "127.0.0.1:0", Upstream: k.addr, Seed: k.o.Seed + uint64(i),
		})
		if err != nil {
			return err
		}
		p.Link().Set(k.o.Link)
		if err := p.Start(); err != nil {
			return err
		}
		k.proxies = append(k.proxies, p)
		t := newTalker(name, k.argv("chat", Channel, "--json", "--profile", k.path(name), "--server", "http://"+p.Addr(),
			"--user", name, "--password-file", k.path("password")), k.history)
		if err := t.start(ctx, false); err != nil {
			return err
		}
		k.talkers = append(k.talkers, t)
	}
	ready, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for _, t := range k.talkers {
		if err := t.await(ready, func() bool { return t.synced }); err != nil {
			return fmt.Errorf("start: %w", err)
		}
	}
	return nil
}

// listening is what the server says when it is ready.
var listening = regexp.MustCompile(`listening on http://(\S+)$`)

// startServer starts the server on its data and waits until it listens, on the same port each time.
func (k *kills) startServer(ctx context.Context) error {
	ready := make(chan string, 1)
	argv := k.argv("serve", "--listen", k.addr, "--data", k.path("data"), "--log-level", "error")
	if k.serve != nil {
		argv = k.serve(k.addr, k.path("data"))
	}
	p, err := startProgram(ctx, argv, nil,
		func(line string) {
			if m := listening.FindStringSubmatch(line); m != nil {
				select {
				case ready <- m[1]:
				default:
				}
			}
		})
	if err != nil {
		return err
	}
	k.server = p
	select {
	case addr := <-ready:
		k.addr = addr
		_, _, err := net.SplitHostPort(addr)
		return err
	case <-p.gone:
		return fmt.Errorf("the server ended: %s; it said\n%s", p.ending(), p.said())
	case <-time.After(readyLimit):
		return fmt.Errorf("the server isn't ready after %v; it said\n%s", readyLimit, p.said())
	}
}

// killAll lets the clients talk and kills until enough were killed.
func (k *kills) killAll(ctx context.Context) error {
	turn := 0 // of the server in each round of victims
	for n := range k.o.Kills {
		if n%(serverShare+1) == 0 {
			turn = k.rng.IntN(serverShare + 1)
		}
		if err := k.talk(ctx, time.Duration(k.rng.Int64N(int64(2*k.o.MeanPause)))); err != nil {
			return err
		}
		again := k.rng.IntN(2) == 0
		if n%(serverShare+1) == turn {
			k.server.kill()
			k.report.ServerKills++
			if err := k.startServer(ctx); err != nil {
				return err
			}
			continue
		}
		t := k.talkers[k.rng.IntN(len(k.talkers))]
		t.kill()
		k.report.ClientKills++
		if err := t.start(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// talk lets every client say something every few milliseconds for a while.
func (k *kills) talk(ctx context.Context, lasts time.Duration) error {
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		t := k.talkers[k.rng.IntN(len(k.talkers))]
		k.said++
		if err := t.say(fmt.Sprintf("%d from %s", k.said, t.name)); err != nil {
			return fmt.Errorf("%s takes no lines: %w; it said\n%s", t.name, err, t.proc.said())
		}
		pause(ctx, time.Duration(k.rng.Int64N(int64(10*time.Millisecond))))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// settle waits until every offer is answered, nothing is left to be sent, and everybody has been shown all that the server
// has.
func (k *kills) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	for _, t := range k.talkers {
		if err := t.await(ctx, func() bool { return len(t.offered) == 0 && len(t.open) == 0 && t.synced }); err != nil {
			return err
		}
	}
	for _, t := range k.talkers { // a message may have been kept in the moment in which the client was killed
		if err := t.emptied(ctx); err != nil {
			return err
		}
	}
	last, err := k.last(ctx)
	if err != nil {
		return err
	}
	for _, t := range k.talkers {
		shown := uint64(0)
		if err := t.await(ctx, func() bool { shown = uint64(len(t.shown)); return shown >= last }); err != nil {
			return fmt.Errorf("%w (%d of %d messages shown)", err, shown, last)
		}
	}
	return nil
}

// last asks the server how many messages the channel has.
func (k *kills) last(ctx context.Context) (uint64, error) {
	url := "http://" + k.addr
	tokens, err := login(ctx, url, nil, k.talkers[0].name, "judge")
	if err != nil {
		return 0, err
	}
	c, err := api.New(api.Options{BaseURL: url})
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }() // has nothing under way
	out, err := api.Do[struct{ Last uint64 }](ctx, c, api.Request{
		Path:   "/api/channels/" + Channel + "/messages?after=0&limit=1",
		Header: http.Header{"Authorization": {"Bearer " + tokens.Access.Reveal()}},
	})
	return out.Last, err
}

// judge ends everything in order, reads the server's table and checks the history.
func (k *kills) judge(ctx context.Context) error {
	members := make([]string, 0, len(k.talkers))
	for _, t := range k.talkers {
		members = append(members, t.name)
		for _, err := range []error{t.quit(), t.problems()} {
			if err != nil {
				k.report.Problems = append(k.report.Problems, err.Error())
			}
		}
	}
	k.server.kill()
	store, err := sqlite.Open(ctx, k.path("data"))
	if err != nil {
		return fmt.Errorf("read the server's data: %w", err)
	}
	defer func() { _ = store.Close() }() // it was only read
	if err := dumpTable(ctx, store, Channel, nil, k.history); err != nil {
		return err
	}
	if _, k.report.Stored, err = store.Messages(ctx, Channel, 0, 1, 1<<20); err != nil {
		return err
	}
	k.report.Verdict = Check(k.history, CheckOptions{Final: true, Members: map[string][]string{Channel: members}})
	return nil
}

// close leaves nothing running, whatever happened before.
func (k *kills) close() error {
	var wg sync.WaitGroup
	for _, t := range k.talkers {
		if t.proc != nil {
			wg.Go(t.proc.kill)
		}
	}
	if k.server != nil {
		wg.Go(k.server.kill)
	}
	wg.Wait()
	var errs []error
	for _, p := range k.proxies {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
