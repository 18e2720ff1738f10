package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/chatsdk/chatsdk"
)

// ErrClosed says that the agent is closed. It matches net.ErrClosed too.
var ErrClosed = fmt.Errorf("agent: closed: %w", net.ErrClosed)

// Agent serves what a client knows. It may be used concurrently. Make one with New and end it with Close.
type Agent struct {
	opts    Options
	client  *chatsdk.Client
	run     string // its own random name: ids of events are of a run
	head    []byte // of each snapshot, what never changes
	metrics *metrics
	spool   *spool
	handler http.Handler

	messages chan chatsdk.Message // from the readers to the owner

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the owner, the readers, and requests under way
	once   sync.Once
	err    error // of Close

	mu      sync.Mutex // guards below
	closed  bool
	streams int
	servers []*http.Server
	ring    *ring
}

// New makes an agent and starts what follows the client: a goroutine that owns the events, and a reader for each channel.
// Nothing is served yet; see Serve and Handler.
func New(o Options) (*Agent, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Agent{opts: o, client: o.Client, run: rand.Text(), messages: make(chan chatsdk.Message), ring: newRing()}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	first := o.Client.State()
	if a.head, err = json.Marshal(struct {
		Schema  int    `json:"schema"`
		Run     string `json:"run"`
		Version string `json:"version"`
		Server  string `json:"server"`
	}{schema, a.run, o.Version, first.Server}); err != nil {
		return nil, err
	}
	if a.metrics, err = newMetrics(a); err != nil {
		return nil, fmt.Errorf("agent: metrics: %w", err)
	}
	a.spool = &spool{dir: o.Dir, most: o.MaxSpool}
	if err := a.spool.open(a.ctx, o.Client); err != nil {
		return nil, fmt.Errorf("agent: files that wait for upload: %w", err)
	}
	a.handler = a.routes()
	f := newFollower(a)
	f.look() // so that there is a snapshot from the start
	a.wg.Go(f.run)
	for _, name := range o.Channels {
		a.wg.Go(func() { a.read(name) })
	}
	return a, nil
}

// Token is what lets in.
func (a *Agent) Token() string { return a.opts.Token }

// Handler serves the API below /v1/ and the page at /, to requests that name this machine by a loopback address or
// localhost. Serve puts it behind a server of NewServer.
func (a *Agent) Handler() http.Handler { return a.handler }

// Serve answers on a listener, such as one of Listen, until Close, which it returns nil after. It closes the listener.
func (a *Agent) Serve(ln net.Listener) error {
	s := NewServer(a.handler, a.opts.Logger)
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return errors.Join(ErrClosed, ln.Close())
	}
	a.servers = append(a.servers, s)
	a.mu.Unlock()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends all streams and requests, and returns when nothing of the agent runs any more. The client stays open. It is
// safe to call more than once.
func (a *Agent) Close() error {
	a.once.Do(func() {
		a.mu.Lock()
		a.closed = true
		servers := a.servers
		a.mu.Unlock()
		a.cancel()
		a.wg.Wait()
		var errs []error
		for _, s := range servers {
			errs = append(errs, s.Close())
		}
		a.err = errors.Join(append(errs, a.spool.close())...)
	})
	return a.err
}

// enter counts a request in, whose context ends with the agent; false says that the agent is closed.
func (a *Agent) enter(ctx context.Context) (_ context.Context, leave func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ctx, nil, false
	}
	a.wg.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(a.ctx, cancel)
	return ctx, func() { stop(); cancel(); a.wg.Done() }, true
}
