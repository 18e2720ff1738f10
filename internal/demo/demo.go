// Package demo lets people break a network and watch what becomes of two clients on it: a server, a fault proxy for each
// client, and their agents, for one page, which `chatsdk demo` serves. docs/demo.md has its API.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/scenario"
)

// startRTT is the round trip that each link adds at the beginning: that of a good network across a country.
const startRTT = 60 * time.Millisecond

// names are those of the clients.
var names = []string{"ada", "bob"}

// Options configure New. The zero value works.
type Options struct {
	Seed      uint64              // of what is random in the links, and of the scenarios
	Version   string              // told by the agents; see agent.Options
	Scenarios []scenario.Scenario // that can be played; nil means scenario.All
	Logger    *slog.Logger        // takes what is out of the ordinary; nil discards
}

// Demo is a server, two clients and what can be done to them. It may be used concurrently. End it with Close.
type Demo struct {
	opts    Options
	token   string
	run     string // its own random name: states are numbered within it
	dir     string
	listed  []scenarioState // what can be played
	world   *scenario.World
	clients []*client
	http    *http.Server

	turn   chan struct{}      // 1-slot lock: what is done is done one after the other
	ctx    context.Context    // ends with Close
	cancel context.CancelFunc // of ctx
	wg     sync.WaitGroup     // requests under way, the talk and what is played
	once   sync.Once
	err    error // of Close

	mu     sync.Mutex // guards below
	closed bool
	talk   context.CancelFunc // or nil while nobody talks
	play   *play              // the last one, or nil
	seq    uint64
	told   []byte // the state under seq, without it
}

// New starts the server and the clients in a temporary folder, which Close removes. It returns when they are connected.
func New(ctx context.Context, o Options) (*Demo, error) {
	if o.Scenarios == nil {
		o.Scenarios = scenario.All()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Demo{opts: o, token: rand.Text(), run: rand.Text(), listed: listed(o.Scenarios), turn: make(chan struct{}, 1)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %w", err), d.Close())
	}
	d.http = agent.NewServer(d.Handler(), o.Logger)
	return d, nil
}

func (d *Demo) start(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "chatsdk-demo-"); err != nil {
		return err
	}
	d.world, err = scenario.NewRealWorld(ctx, filepath.Join(d.dir, "server"), scenario.WorldOptions{
		Seed: d.opts.Seed, Link: faultnet.Symmetric(startRTT), Files: filepath.Join(d.dir, "files"),
	})
	if err != nil {
		return err
	}
	for i, name := range names {
		c, err := d.newClient(ctx, i, name)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		d.clients = append(d.clients, c)
	}
	return nil
}

// Token is what lets in, to the agents too.
func (d *Demo) Token() string { return d.token }

// Address is what a browser opens, with the page at base, such as http://127.0.0.1:7411.
func (d *Demo) Address(base string) string {
	return base + "/#token=" + d.token + "&panes=/" + strings.Join(names, ",/") + "&demo=" + strings.TrimSuffix(prefix, "/v1/")
}

// Serve answers on a listener of agent.Listen until Close, which it returns nil after. It closes the listener. Call it once.
func (d *Demo) Serve(ln net.Listener) error {
	if err := d.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends everything, streams first, and removes the folder. When it returns nothing runs any more. It is safe to call
// more than once.
func (d *Demo) Close() error {
	d.once.Do(func() {
		d.mu.Lock()
		d.closed = true
		d.mu.Unlock()
		d.cancel()
		var errs []error
		for _, c := range d.clients {
			errs = append(errs, c.agent.Close())
		}
		d.wg.Wait()
		if d.http != nil {
			errs = append(errs, d.http.Close())
		}
		for _, c := range d.clients {
			errs = append(errs, c.close())
		}
		if d.world != nil {
			errs = append(errs, d.world.Close())
		}
		if d.dir != "" {
			errs = append(errs, os.RemoveAll(d.dir))
		}
		d.err = errors.Join(errs...)
	})
	return d.err
}

// enter counts something in that Close waits for; false says that it is too late.
func (d *Demo) enter() (leave func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, false
	}
	d.wg.Add(1)
	return d.wg.Done, true
}

// act does something when its turn has come.
func (d *Demo) act(ctx context.Context, do func() error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ctx.Done():
		return errClosing
	}
	defer func() { <-d.turn }()
	return do()
}
