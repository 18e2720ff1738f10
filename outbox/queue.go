package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/notify"
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
	stores   *notify.Hub[StoreChange]
	starting chan struct{} // lock of Start

	mu        sync.Mutex // guards below
	started   bool
	closed    bool
	ready     bool
	losses    int // times that ready ended: the owner may come to it when the next connection is there
	signedOut bool
	window    int // 0: Options.Window
	requests  []request
	open      map[string]*Entry // by id, as the store has them; none is changed once it is here
	parked    map[string]Entry  // the same
	unsaved   map[string]Entry  // settled, and the store doesn't know it yet
	bytes     int64
	aside     int
	view      view

	o owner // the owner goroutine's alone
}

// request is something that the owner does; done is told how it went, or is nil where nobody waits.
type request struct {
	apply func(tx *Tx) error // changes nothing but tx and what undo takes back; runs on the owner
	drain bool               // it isn't done before everything under way is back
	done  chan error         // 1-buffered
}

// New makes a queue. Nothing runs yet; see Start and SetReady.
func New(o Options) (*Queue, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		opts: o, wake: make(chan struct{}, 1), watchers: newWatchers(), stores: notify.New(StoreChange{}, newerStore), starting: make(chan struct{}, 1),
		open: map[string]*Entry{}, parked: map[string]Entry{}, unsaved: map[string]Entry{},
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.o = newOwner(q)
	return q, nil
}

func newerStore(_, newer StoreChange) StoreChange { return newer }

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
	if q.aside = saved.Aside; q.aside > 0 {
		q.opts.Logger.Error("rows of the queue can't be read and are set aside", "rows", q.aside)
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
	q.stores.Close()
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
	q.setReady(ready)
	q.poke()
}

func (q *Queue) setReady(ready bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ready && !ready {
		q.losses++
	}
	q.ready = ready
}

// SetSession says whether anybody is signed in; until it is called, somebody is. It only tells what entries wait for:
// where nothing may be sent, SetReady has to say so too.
func (q *Queue) SetSession(ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.signedOut = !ok
}

// SetWindow says how many batches may be under way at once from now on, at most Options.Window, which 0 stands for. It is
// for a way on which batches overtake each other: each that does costs a round trip more.
func (q *Queue) SetWindow(n int) {
	q.mu.Lock()
	q.window = n
	q.mu.Unlock()
	q.poke()
}

// Settle takes the server's word, given with a new connection, for the last DeviceSeq that it took in a channel from this
// device and the present account. The queue counts on from there if it knew less. Entries up to there that are open were
// stored or refused for good: they are asked for again by their ids, which tells which, and everything behind follows.
func (q *Queue) Settle(channel string, lastDeviceSeq uint64) {
	q.post(request{apply: func(tx *Tx) error { q.o.settle(channel, lastDeviceSeq, tx); return nil }})
}

// Delivered says that the entry was seen on the stream with this Seq: it is stored, whatever becomes of the reply.
func (q *Queue) Delivered(id string, seq uint64) {
	id = lower(id)
	q.post(request{apply: func(tx *Tx) error {
		if it := q.o.find(id); it != nil {
			q.o.stored(q.o.lane(it.Lane()), it, evDelivered, ReasonStream, tx,
				func(e *Entry) { e.Seq, e.SentAt, e.Err = seq, time.Now(), "" })
		}
		return nil
	}})
}

// Enqueue takes an entry and returns it as queued, once the store has it. Channel and Text (or Attachments, or Needs) are
// the caller's, and ID if not empty: a UUID; an ID seen before changes nothing, and the entry as it is now is returned.
// Account, After and ExpiresIn may be given too. Errors: *InvalidError, ErrFull, ErrDisk, ErrClosed, or the store's. When
// ctx ends first, nobody knows whether it was queued; asking again with the same ID is safe.
func (q *Queue) Enqueue(ctx context.Context, e Entry) (Entry, error) {
	fresh := e.ID == ""
	e, err := q.opts.check(e)
	if err != nil {
		return Entry{}, err
	}
	var out Entry
	if err := q.ask(ctx, func(tx *Tx) error { return q.o.enqueue(ctx, e, fresh, &out, tx) }); err != nil {
		return Entry{}, err // out may still be written to
	}
	return out, nil
}

// Edit gives a queued entry e's Text and Attachments, in place, and returns it. Where e.Version isn't 0 it has to be the
// entry's present one. Errors: ErrNotFound, ErrNotQueued once it was transmitted, ErrChanged, *InvalidError, ErrFull,
// ErrClosed, or the store's.
func (q *Queue) Edit(ctx context.Context, e Entry) (Entry, error) {
	e = e.clone()
	e.ID = lower(e.ID)
	var out Entry
	if err := q.ask(ctx, func(tx *Tx) error { return q.o.edit(e, &out, tx) }); err != nil {
		return Entry{}, err
	}
	return out, nil
}

// Cancel takes an entry back that was never transmitted, and the entries that go after it. Errors: ErrNotFound,
// ErrNotQueued, ErrClosed, or the store's.
func (q *Queue) Cancel(ctx context.Context, id string) error {
	return q.ask(ctx, func(tx *Tx) error { return q.o.cancel(lower(id), tx) })
}

// Retry sends a parked entry after all: it is queued again under its id and in its place before what isn't sent yet.
// Errors: ErrNotFound, ErrNotParked, ErrClosed, or the store's.
func (q *Queue) Retry(ctx context.Context, id string) error {
	return q.ask(ctx, func(tx *Tx) error { return q.o.retry(lower(id), tx) })
}

// Discard gives a parked entry up, and cancels the entries that go after it. Errors as for Retry.
func (q *Queue) Discard(ctx context.Context, id string) error {
	return q.ask(ctx, func(tx *Tx) error { return q.o.discard(lower(id), tx) })
}

// Resolve gives the entries that wait for the need of this name its result, a JSON value. An entry that has all is sent,
// with the results at the end of its attachments in the order of its needs. Errors: ErrNotFound where nobody waits,
// *InvalidError, ErrClosed, or the store's.
func (q *Queue) Resolve(ctx context.Context, need string, result json.RawMessage) error {
	if !json.Valid(result) {
		return &InvalidError{Field: "needs", Reason: "the result isn't JSON"}
	}
	result = bytes.Clone(result)
	return q.ask(ctx, func(tx *Tx) error { return q.o.resolve(need, result, tx) })
}

// Fail parks the entries that wait for the need of this name, with the reason; after Retry they wait for it again.
// Errors as for Resolve.
func (q *Queue) Fail(ctx context.Context, need, reason string) error {
	return q.ask(ctx, func(tx *Tx) error { return q.o.failNeed(need, reason, tx) })
}

// SetAccount says whose entries may be sent from now on; those of others stay, blocked on auth. Entries queued while
// nobody was known belong to the first account that is. A change waits until nothing of the former account is under way
// and leaves the queue not ready: the connection for the new one has to be told by SetReady. The account is kept: a new
// run begins with it. Errors: ctx's, ErrClosed, or the store's; the account is then unchanged unless ctx ended.
func (q *Queue) SetAccount(ctx context.Context, account string) error {
	if account == "" {
		return errors.New("outbox: SetAccount needs an account; entries of nobody are those queued before the first one")
	}
	return q.wait(ctx, request{drain: true, apply: func(tx *Tx) error { q.o.setAccount(account, tx); return nil }})
}

// Pause stops sending, what is under way aside, until it is called with false. It isn't kept over a restart.
func (q *Queue) Pause(paused bool) {
	q.post(request{apply: func(*Tx) error { q.o.paused = paused; return nil }})
}

// SetPace follows a server's limit; see Options.Pace.
func (q *Queue) SetPace(p Pace) {
	q.post(request{apply: func(*Tx) error {
		if p != q.o.bucket.pace {
			q.o.bucket.set(p, time.Now())
		}
		return nil
	}})
}

// Durable says whether a queued entry survives the end of the process.
func (q *Queue) Durable() bool { return q.opts.Store.Durable() }

func lower(id string) string { return strings.ToLower(id) }

// ask posts a request and waits for its outcome.
func (q *Queue) ask(ctx context.Context, apply func(tx *Tx) error) error {
	return q.wait(ctx, request{apply: apply})
}

// wait posts a request and waits until it is done.
func (q *Queue) wait(ctx context.Context, r request) error {
	r.done = make(chan error, 1)
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

// pending is how many requests wait for the owner.
func (q *Queue) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.requests)
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
