package upload

import (
	"context"
	"errors"
	"sync"
)

// Queue uploads files. Make it with New, then Start. Safe for concurrent use.
type Queue struct {
	opts Options

	mu     sync.Mutex // guards below
	closed bool
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

// errTODO marks what isn't built yet.
var errTODO = errors.New("upload: not built yet")

// New makes a queue. Nothing runs yet; see Start.
func New(o Options) (*Queue, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Queue{opts: o}, nil
}

// Start loads what a former run left and starts. Calling it again does nothing; after Close it returns ErrClosed.
func (q *Queue) Start() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	return nil
}

// Close stops and returns when every goroutine is gone. What is open stays in the store; the next run goes on from the
// server's offset. Idempotent.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}

// Add takes a file and returns its upload, once the store has it. An ID seen before changes nothing, and the upload as it
// is now is returned. The file is looked at (64 KiB at both ends), not read. Errors: *InvalidError, those of package os
// where the file can't be read, ErrFull, ErrDisk, ErrClosed, or the store's. When ctx ends first, nobody knows whether it
// was added; asking again with the same ID is safe.
func (q *Queue) Add(ctx context.Context, r Request) (Upload, error) { return Upload{}, errTODO }

// Get finds an upload in any state that is still remembered.
func (q *Queue) Get(id string) (Upload, bool) { return Upload{}, false }

// Uploads returns all uploads in order, settled ones included.
func (q *Queue) Uploads() []Upload { return nil }

// Wait returns when the upload is settled: it, and the *FailedError if it failed, or an error that matches
// context.Canceled if it was cancelled. Other errors: ErrNotFound, ErrClosed, ctx's.
func (q *Queue) Wait(ctx context.Context, id string) (Upload, error) { return Upload{}, errTODO }

// Pause stops an upload until Resume; what the server has stays there. It is kept over a restart. Errors: ErrNotFound,
// ErrSettled, ErrClosed, or the store's.
func (q *Queue) Pause(ctx context.Context, id string) error { return errTODO }

// Resume lets a paused upload go on. One that isn't paused stays as it is. Errors as for Pause.
func (q *Queue) Resume(ctx context.Context, id string) error { return errTODO }

// Cancel takes an upload back. It is over when Cancel returns; the server's copy is dropped in the background, in a later
// process if need be. Errors: ErrNotFound, ErrSettled unless it is cancelled already, ErrClosed, or the store's.
func (q *Queue) Cancel(ctx context.Context, id string) error { return errTODO }

// Retry tries a failed upload again: it goes on from the server's offset, and if the file changed, with the file as it is
// now. Errors: ErrNotFound, ErrNotFailed, ErrClosed, or the store's.
func (q *Queue) Retry(ctx context.Context, id string) error { return errTODO }

// Remove forgets a settled upload; what the server has of one that is done stays there. What is left of another has to be
// dropped there first: until then it is only hidden. Errors: ErrNotFound, ErrNotSettled, ErrClosed, or the store's.
func (q *Queue) Remove(ctx context.Context, id string) error { return errTODO }

// SetAccount says whose uploads go from now on; those of others stay, waiting for auth. Uploads added while nobody was
// known belong to the first account that is. It returns when nothing of the former account is under way any more. The
// account is kept: a new run begins with it. Without any call all uploads of nobody go. Errors: ctx's, ErrClosed, or the
// store's.
func (q *Queue) SetAccount(ctx context.Context, account string) error { return errTODO }

// SetOnline says whether there is a network. While there is none nothing is tried, and what is under way goes on as long
// as bytes move. A queue begins online.
func (q *Queue) SetOnline(online bool) {}

// Kick says that the network changed or came back: requests under way are given up, since their connections may be dead,
// and everything that waits for network, server, lock or token tries again at once.
func (q *Queue) Kick() {}

// SetBusy says whether chat traffic is under way that uploads should leave room for: until it is called with false they
// keep to Options.BusyShare of what they measured.
func (q *Queue) SetBusy(busy bool) {}

// SetRate bounds what all uploads send together from now on, in bytes a second; 0 is no bound.
func (q *Queue) SetRate(bytesPerSecond int64) {}

// State returns a snapshot.
func (q *Queue) State() Snapshot { return Snapshot{} }

// SetAside returns the rows of the store that can't be read as uploads.
func (q *Queue) SetAside() []Aside { return nil }

// Durable says whether an upload that was added survives the end of the process.
func (q *Queue) Durable() bool { return q.opts.Store.Durable() }

// Watch returns a channel that gets the open uploads at once, in order, and then every change. Changes of one upload that
// a slow reader hasn't taken are merged; the newest state of each always arrives. It is closed when ctx ends or by Close.
func (q *Queue) Watch(ctx context.Context) <-chan Change { return nil }
