package inbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/notify"
)

// Inbox receives messages and shows them. Make it with New, then Start. Safe for concurrent use.
type Inbox struct {
	opts    Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	wake    chan struct{} // 1-buffered: a channel is dirty
	marked  chan struct{} // 1-buffered: a mark moved
	changes *notify.Hub[Change]

	// storing is the lock of the store's writes: a write that was decided before the server turned out to have lost
	// messages must not land after they were forgotten. Always taken before mu.
	storing chan struct{}

	mu       sync.Mutex // guards below, and every channel's fields
	started  bool
	closed   bool
	up       bool
	upEdge   chan struct{} // closed and replaced when up becomes true
	rng      *rand.Rand
	channels map[string]*channel
	saved    map[string]Saved // what the store had at the start
	flushed  bool             // Close has kept the marks
}

// New makes an inbox. Nothing runs yet, and nothing is fetched until NetworkUp(true).
func New(o Options) (*Inbox, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	saved, err := o.Store.Load(context.Background())
	if err != nil {
		return nil, fmt.Errorf("load received messages: %w", err)
	}
	i := &Inbox{
		opts: o, rng: o.Rand, saved: saved, storing: make(chan struct{}, 1),
		wake: make(chan struct{}, 1), marked: make(chan struct{}, 1), upEdge: make(chan struct{}), channels: map[string]*channel{},
		changes: notify.NewKeyed(Change{}, func(v Change) string { return v.Channel }, mergeChanges),
	}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	return i, nil
}

// Start starts the inbox's goroutines. Calling it again does nothing; after Close it returns ErrClosed.
func (i *Inbox) Start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed:
		return ErrClosed
	case !i.started:
		i.started = i.spawnLocked(i.write)
	}
	return nil
}

// spawnLocked runs f in a goroutine that Close waits for, unless the inbox is closed.
func (i *Inbox) spawnLocked(f func()) bool {
	if !i.closed {
		i.wg.Go(f)
	}
	return !i.closed
}

// Close ends readers and fetches, keeps what is still to be kept, and returns when every goroutine is gone. Readers get
// ErrClosed. It doesn't wait for a loop body that runs: what that is busy with counts as processed if the store is
// still open when it is done, else it is shown again. Idempotent.
func (i *Inbox) Close() error {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.cancel()
	i.wg.Wait()
	err := i.flushAtClose()
	i.changes.Close()
	return err
}

// Receive takes a message from the stream, in any order and as often as it comes. It never blocks.
func (i *Inbox) Receive(m Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ch := i.channelLocked(m.Channel)
	ch.offer(m, i.opts.Pending)
	i.stirLocked(ch)
}

// Follow says that the stream of a channel (re)started and that last was the server's newest message then. Missing
// ones are fetched, unless the stream brings them until CaughtUp is called.
func (i *Inbox) Follow(name string, last uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ch := i.channelLocked(name)
	ch.follow(last)
	i.publishLocked(ch)
	i.stirLocked(ch)
}

// CaughtUp says that the stream has brought all that it will of what was missed before the last Follow.
func (i *Inbox) CaughtUp(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ch := i.channelLocked(name)
	ch.recovering = false
	i.publishLocked(ch)
	i.stirLocked(ch)
}

// Refresh asks the server what it has, where the stream can't be believed.
func (i *Inbox) Refresh(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ch := i.channelLocked(name)
	ch.verify, ch.recovering = true, false
	i.publishLocked(ch)
	i.stirLocked(ch)
}

// NetworkUp says whether fetching makes sense. Going up ends the waits of failed fetches.
func (i *Inbox) NetworkUp(up bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if up && !i.up {
		close(i.upEdge)
		i.upEdge = make(chan struct{})
	}
	i.up = up
}

// Watch returns a channel that gets the last change (the empty one, without a Channel, if there was none) and then each
// further one. Where the reader falls more than 64 behind, those of the same channel are merged into the newest; an Err
// is kept. It is closed when ctx ends or by Close.
func (i *Inbox) Watch(ctx context.Context) <-chan Change { return i.changes.Watch(ctx) }

// State returns a channel's snapshot.
func (i *Inbox) State(name string) Snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	ch := i.channels[name]
	if ch == nil {
		return Snapshot{Top: i.saved[name].Last, Processed: i.saved[name].Processed}
	}
	return Snapshot{Top: ch.top, Target: ch.target, Processed: ch.processed, Synced: ch.synced()}
}

// channelLocked returns the channel, made on first use.
func (i *Inbox) channelLocked(name string) *channel {
	ch := i.channels[name]
	if ch == nil {
		ch = newChannel(name, i.saved[name])
		i.channels[name] = ch
	}
	return ch
}

// stirLocked sets the writer and the filler to work where there is something for them.
func (i *Inbox) stirLocked(ch *channel) {
	if ch.hasRun() {
		ch.dirty = true
		select {
		case i.wake <- struct{}{}:
		default:
		}
	}
	if ch.needsFetch() && !ch.filling {
		ch.filling = i.spawnLocked(func() { i.fill(ch) })
	}
}

// lockStore keeps every other write of the store out until the returned function is called.
func (i *Inbox) lockStore() (unlock func()) {
	i.storing <- struct{}{}
	return func() { <-i.storing }
}

// publishLocked tells watchers when synced moved.
func (i *Inbox) publishLocked(ch *channel) {
	if now := ch.synced(); now != ch.wasSynced {
		ch.wasSynced = now
		i.changes.Publish(Change{Channel: ch.name, Synced: now, Top: ch.top})
	}
}

// backoff is the wait after failed try number n (1, 2, …).
func (i *Inbox) backoff(n int) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return backoff.Delay(i.rng, i.opts.RetryMin, i.opts.RetryMax, n)
}
