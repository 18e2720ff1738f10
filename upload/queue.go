package upload

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/notify"
)

// Queue uploads files. Make it with New, then Start. Safe for concurrent use.
//
// One goroutine owns the rows and every write to the store; calls and uploads under way reach it as requests. The mutex
// covers what readers see, the requests on their way, and what wakes those that wait.
type Queue struct {
	opts     Options
	origin   string
	allowed  []string // other origins
	client   *http.Client
	own      *http.Transport // or nil: the caller's
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	wake     chan struct{} // 1-buffered: there are requests
	hub      *notify.Hub[Change]
	starting chan struct{} // lock of Start
	pace     *pace
	path     path
	caps     capsCache

	mu       sync.Mutex // guards below
	started  bool
	closed   bool
	online   bool
	busy     bool
	account  string
	storeErr error
	aside    []Aside
	requests []request
	shown    map[string]Upload // as they were last kept, with what moved since
	news     chan struct{}     // closed and replaced when waiting may be over
	kick     context.Context   // ends with the next Kick
	kicked   context.CancelFunc
	rng      *rand.Rand

	o owner // the owner goroutine's alone
}

// Request is a file that is to be uploaded. Path is required.
type Request struct {
	// ID is a UUID, or "" for a new one. One seen before changes nothing.
	ID string
	// Account is whose it is; "" is the present one.
	Account string
	// Path is the file. It has to stay there until the upload is settled.
	Path string
	// Name is told to the server, reduced to its last element. Defaults to Path's.
	Name string
	// ContentType is told to the server. Defaults to what Name's ending says, or nothing.
	ContentType string
	// Label is the caller's own, such as a channel. At most 4 KiB.
	Label string
	// OnChange is what becomes of it when the file changes. Defaults to Fail.
	OnChange Policy
}

// FileName is what the upload will be called: the last element of Name, or of Path, without what could harm.
func (r Request) FileName() string { return baseName(cmp.Or(r.Name, r.Path)) }

// Snapshot is the queue's state at one moment.
type Snapshot struct {
	Online  bool
	Busy    bool
	Account string        // whose uploads go; "" if nobody is known yet
	States  map[State]int // uploads by state
	Drops   int           // copies that the server still has to drop
	Acked   int64         // of all open uploads
	Total   int64         // of all open uploads
	Aside   int           // rows of the store that can't be read; see Queue.SetAside
	Err     error         // why the store can't write, or nil
}

// New makes a queue. Nothing runs yet; see Start.
func New(o Options) (*Queue, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		opts: o, wake: make(chan struct{}, 1), starting: make(chan struct{}, 1), online: true, rng: o.Rand,
		shown: map[string]Upload{}, news: make(chan struct{}), pace: newPace(o.Rate, o.BusyShare),
		hub: notify.NewKeyed(Change{}, func(c Change) string { return c.Upload.ID }, merge),
	}
	q.origin, _ = origin(o.Endpoint)
	for _, allowed := range o.Origins {
		other, _ := origin(allowed)
		q.allowed = append(q.allowed, other)
	}
	q.client, q.own = q.newClient()
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.kick, q.kicked = context.WithCancel(q.ctx)
	q.o = newOwner(q)
	return q, nil
}

// merge makes one change of two that a watcher hasn't taken yet.
func merge(older, newer Change) Change {
	newer.From = older.From
	if newer.Reason == ReasonProgress {
		newer.Reason, newer.Err = older.Reason, older.Err
	}
	return newer
}

// Start loads what a former run left and starts. Calling it again does nothing; after Close it returns ErrClosed.
func (q *Queue) Start() error {
	q.starting <- struct{}{}
	defer func() { <-q.starting }()
	q.mu.Lock()
	closed, started := q.closed, q.started
	q.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case started:
		return nil
	}
	saved, err := q.opts.Store.Load(q.ctx)
	if err != nil {
		return fmt.Errorf("load uploads: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.aside = saved.Aside; len(q.aside) > 0 {
		q.opts.Logger.Error("rows of the uploads can't be read and are set aside", "rows", len(q.aside))
	}
	q.o.load(saved)
	q.started = true
	q.wg.Go(q.o.run)
	return nil
}

// Close stops and returns when every goroutine is gone. What is open stays in the store; the next run goes on from the
// server's offset. Idempotent.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.wg.Wait()
	q.hub.Close()
	if q.own != nil {
		q.own.CloseIdleConnections()
	}
	for _, r := range q.takeRequests() {
		r.finish(ErrClosed)
	}
	return nil
}

// SetOnline says whether there is a network. While there is none nothing is tried, and what is under way goes on as long
// as bytes move. A queue begins online.
func (q *Queue) SetOnline(online bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.online != online {
		q.online = online
		q.tellNewsLocked()
	}
}

// Kick says that the network changed or came back: requests under way are given up, since their connections may be dead,
// and everything that waits for network, lock or token tries again at once. What a server asked to wait is kept.
func (q *Queue) Kick() {
	q.pace.moved()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kicked()
	q.kick, q.kicked = context.WithCancel(q.ctx)
	q.tellNewsLocked()
}

// outlook says whether there is a network, and returns a channel that is closed when waiting may be over.
func (q *Queue) outlook() (online bool, news <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.online, q.news
}

func (q *Queue) tellNewsLocked() {
	close(q.news)
	q.news = make(chan struct{})
}

// SetBusy says whether chat traffic is under way that uploads should leave room for: until it is called with false they
// keep to Options.BusyShare of what they measured. It changes nothing while ObserveRTT tells what room there is.
func (q *Queue) SetBusy(busy bool) {
	q.mu.Lock()
	q.busy = busy
	q.mu.Unlock()
	q.pace.setBusy(busy)
}

// ObserveRTT takes a round trip of the chat, which goes the same way as the uploads: what it takes beyond the least of the
// last minutes it spent in a queue that they fill, at most in a router. Told at least every 5 s, best twice a second, they
// keep that queue short, and need no SetBusy; not told, they send as fast as the network takes it. It may be called
// concurrently and doesn't block.
func (q *Queue) ObserveRTT(rtt time.Duration) { q.pace.observe(rtt) }

// SetRate bounds what all uploads send together from now on, in bytes a second; 0 is no bound.
func (q *Queue) SetRate(bytesPerSecond int64) { q.pace.setRate(bytesPerSecond) }

// Durable says whether an upload that was added survives the end of the process.
func (q *Queue) Durable() bool { return q.opts.Store.Durable() }

// SetAside returns the rows of the store that can't be read as uploads.
func (q *Queue) SetAside() []Aside {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]Aside(nil), q.aside...)
}

// ask posts a request and waits for its outcome.
func (q *Queue) ask(ctx context.Context, apply func(t *txn) error) error {
	return q.wait(ctx, request{apply: apply})
}

func (q *Queue) wait(ctx context.Context, r request) error {
	r.done = make(chan error, 1)
	q.mu.Lock()
	started, closed := q.started, q.closed
	if started && !closed {
		q.requests = append(q.requests, r)
	}
	q.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case !started:
		return ErrNotStarted
	}
	q.poke()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report posts what a run has to say, and waits until it is kept. The owner outlives every run.
func (q *Queue) report(apply func(t *txn) error) error {
	r := request{apply: apply, done: make(chan error, 1)}
	q.post(r)
	return <-r.done
}

// post leaves a request with the owner.
func (q *Queue) post(r request) {
	q.mu.Lock()
	q.requests = append(q.requests, r)
	q.mu.Unlock()
	q.poke()
}

func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) takeRequests() []request {
	q.mu.Lock()
	defer q.mu.Unlock()
	requests := q.requests
	q.requests = nil
	return requests
}

func (q *Queue) storeWrote(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.storeErr = err
}

// delay is the wait before retry number n (1, 2, …).
func (q *Queue) delay(n int, first, limit time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return backoff.Delay(q.rng, first, limit, n)
}
