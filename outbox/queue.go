package outbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Queue sends entries in order. Make it with New, then Start. Safe for concurrent use.
//
// One goroutine owns lanes, batches and every write to the store; calls reach it as requests. The mutex covers what
// readers see: the open entries as they were last kept, readiness and the requests on their way.
type Queue struct {
	opts     Options
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	wake     chan struct{} // 1-buffered: requests or a new readiness
	watchers *watchers
	starting chan struct{} // lock of Start

	mu       sync.Mutex // guards below
	started  bool
	closed   bool
	ready    bool
	requests []request
	open     map[string]Entry // by id, as the store has them
	bytes    int64

	o owner // the owner goroutine's alone
}

// request is something that the owner does; done is told how it went, or is nil where nobody waits.
type request struct {
	apply func(tx *Tx) error // changes nothing but tx and what settle undoes; runs on the owner
	done  chan error         // 1-buffered
}

// New makes a queue. Nothing runs yet; see Start and SetReady.
func New(o Options) (*Queue, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		opts: o, wake: make(chan struct{}, 1), watchers: newWatchers(), starting: make(chan struct{}, 1),
		open: map[string]Entry{},
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.o = newOwner(q)
	return q, nil
}

// Start loads what a former run left and starts the owner. Calling it again does nothing; after Close it returns
// ErrClosed.
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
		return fmt.Errorf("load queue: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.o.load(saved)
	q.started = true
	q.wg.Go(q.o.run)
	return nil
}

// Close stops sending and returns when every goroutine is gone. What is open stays in the store; what was being sent
// is sent again by the next run, under the same id. Idempotent.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.wg.Wait()
	q.watchers.close()
	q.mu.Lock()
	left := q.requests
	q.requests = nil
	q.mu.Unlock()
	for _, r := range left {
		r.finish(ErrClosed)
	}
	return nil
}

// SetReady says whether there is a connection to send over. While there is none nothing is sent, and what is under way
// is given up and sent again later. A new connection that follows on another is told as false and then true.
func (q *Queue) SetReady(ready bool) {
	q.mu.Lock()
	q.ready = ready
	q.mu.Unlock()
	q.poke()
}

// Settle takes the server's word for the last DeviceSeq that it took in a channel from this device. The queue counts
// on from there if it knew less; entries that were taken already learn their Seq from being sent again.
func (q *Queue) Settle(channel string, lastDeviceSeq uint64) {
	q.post(request{apply: func(tx *Tx) error { q.o.settle(channel, lastDeviceSeq, tx); return nil }})
}

// Delivered says that the entry was seen on the stream with this Seq: it is stored, whatever becomes of the reply.
func (q *Queue) Delivered(id string, seq uint64) {
	id = strings.ToLower(id)
	q.post(request{apply: func(tx *Tx) error {
		if it := q.o.find(id); it != nil {
			q.o.move(it, evDelivered, ReasonStream, tx, func(e *Entry) { e.Seq, e.SentAt, e.Err = seq, time.Now(), "" })
		}
		return nil
	}})
}

// Enqueue takes an entry and returns it as queued, once the store has it. Channel and Text (or Attachments) are the
// caller's, and ID if not empty: a UUID; an ID seen before changes nothing, and the entry as it is now is returned.
// Errors: *InvalidError, ErrFull, ErrClosed, or the store's. When ctx ends first, nobody knows whether it was queued;
// asking again with the same ID is safe.
func (q *Queue) Enqueue(ctx context.Context, e Entry) (Entry, error) {
	e, err := q.opts.check(e)
	if err != nil {
		return Entry{}, err
	}
	var out Entry
	if err := q.ask(ctx, func(tx *Tx) error { return q.o.enqueue(ctx, e, &out, tx) }); err != nil {
		return Entry{}, err // out may still be written to
	}
	return out, nil
}

// Cancel takes an entry back that was never transmitted. Errors: ErrNotFound, ErrNotQueued, ErrClosed, or the store's.
func (q *Queue) Cancel(ctx context.Context, id string) error {
	id = strings.ToLower(id)
	return q.ask(ctx, func(tx *Tx) error {
		it := q.o.find(id)
		if it == nil {
			_, ok, err := q.opts.Store.Get(q.ctx, id)
			switch {
			case err != nil:
				return fmt.Errorf("look up entry: %w", err)
			case !ok:
				return ErrNotFound
			}
			return ErrNotQueued
		}
		if !q.o.move(it, evCancel, ReasonCancelled, tx, func(*Entry) {}) {
			return ErrNotQueued
		}
		return nil
	})
}

// Get finds an entry in any state that the store still knows, as it was last kept.
func (q *Queue) Get(id string) (Entry, bool) {
	id = strings.ToLower(id)
	q.mu.Lock()
	e, ok := q.open[id]
	q.mu.Unlock()
	if ok {
		return e.clone(), true
	}
	e, ok, err := q.opts.Store.Get(q.ctx, id)
	return e, ok && err == nil
}

// Snapshot is the queue's state at one moment.
type Snapshot struct {
	Ready   bool
	Queued  int // never transmitted
	Sending int // transmitted, outcome not known
	Bytes   int64
}

// State returns a snapshot.
func (q *Queue) State() Snapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Snapshot{Ready: q.ready, Bytes: q.bytes}
	for _, e := range q.open {
		if e.State == Queued {
			s.Queued++
		} else {
			s.Sending++
		}
	}
	return s
}

// Len is the number of open entries.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open)
}

// Durable says whether a queued entry survives the end of the process.
func (q *Queue) Durable() bool { return q.opts.Store.Durable() }

// Watch returns a channel that gets the open entries at once, in order, and then every change. None is dropped. It is
// closed when ctx ends or by Close.
func (q *Queue) Watch(ctx context.Context) <-chan Change {
	q.mu.Lock()
	defer q.mu.Unlock()
	var entries []Entry
	for _, e := range q.open {
		entries = append(entries, e)
	}
	sortByOrder(entries)
	present := make([]Change, len(entries))
	for i, e := range entries {
		present[i] = Change{Entry: e, From: e.State, To: e.State, Reason: ReasonPresent}
	}
	return q.watchers.add(ctx, present)
}

// ask posts a request and waits for its outcome.
func (q *Queue) ask(ctx context.Context, apply func(tx *Tx) error) error {
	r := request{apply: apply, done: make(chan error, 1)}
	q.mu.Lock()
	started, closed := q.started, q.closed
	q.mu.Unlock()
	if !started && !closed {
		return ErrNotStarted
	}
	if !q.post(r) {
		return ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Queue) post(r request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.requests = append(q.requests, r)
	q.pokeLocked()
	return true
}

func (q *Queue) poke() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pokeLocked()
}

func (q *Queue) pokeLocked() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (r request) finish(err error) {
	if r.done != nil {
		r.done <- err
	}
}
