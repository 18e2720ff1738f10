package outbox

import (
	"context"
	"iter"
)

// Store keeps a queue's entries. The queue writes from one goroutine and reads from any.
//
// A write is a transaction: when Commit returns nil all of it is kept, when it returns an error nothing is (or nobody
// knows, as after a crash: the queue then repeats it, so Commit must be idempotent). A durable store returns only when
// the write survives power loss. An error because the disk can't be written matches ErrDisk.
//
// A row that can't be read as an entry never stops the others: the store leaves it where it is, out of Load, Get and
// Entries, and tells of it in SetAside. Package outboxtest holds the test that every store passes.
type Store interface {
	// Load returns what a former run left. It is called once, by Queue.Start, before anything else.
	Load(ctx context.Context) (Saved, error)
	// Get finds an entry in any state; ok is false if there is none, or none any more.
	Get(ctx context.Context, id string) (e Entry, ok bool, err error)
	// Commit writes all of tx or nothing.
	Commit(ctx context.Context, tx Tx) error
	// Entries yields what is kept, settled entries too as far as they are remembered, in Order.
	Entries(ctx context.Context) iter.Seq2[Entry, error]
	// SetAside returns the rows that can't be read, and what was handed over and refused, with the reason for each.
	SetAside(ctx context.Context) ([]Aside, error)
	// Durable says whether what was committed survives the end of the process.
	Durable() bool
}

// Inlet is a Store through which other processes hand something over, because this one holds the profile. The queue asks
// it now and then.
type Inlet interface {
	// Handed returns what was handed over and neither taken nor refused yet, oldest first, at most limit. What can't be
	// understood is part of it, with Handed.Err. An error says that what comes next can't be read now: what comes before
	// that is returned all the same.
	Handed(ctx context.Context, limit int) ([]Handed, error)
}

// HandOp is what another process wants done.
type HandOp string

// What can be handed over.
const (
	HandSend    HandOp = "send"    // Entry is to be queued
	HandCancel  HandOp = "cancel"  // the entry with Entry.ID is to be cancelled, or discarded where it is parked
	HandRetry   HandOp = "retry"   // the entry with Entry.ID is to be sent after all
	HandDiscard HandOp = "discard" // the parked entry with Entry.ID is to be given up
)

// Handed is one thing that another process handed over.
type Handed struct {
	Key   string // names it to Tx.Taken and Tx.Refused
	Op    HandOp
	Entry Entry
	Err   error // why it can't be understood, ever, or nil
}

// Saved is what a store holds.
type Saved struct {
	Entries []Entry        // the open and the parked ones, in Order
	Counts  map[Lane]Count // for each lane that ever sent
	Order   uint64         // the highest Order ever given, settled entries included
	Account string         // the last one that was the present one; "" if there never was one
	Aside   int            // what SetAside returns
}

// Count is where a lane's numbering is.
type Count struct {
	Last uint64 // the last DeviceSeq given
	Sent uint64 // the highest DeviceSeq known to be stored by the server
}

// Tx is one transaction.
type Tx struct {
	Put     []Entry        // new ones, and new content of known ones, by ID; a later one wins
	Counts  map[Lane]Count // for the lanes where it moved
	Account string         // the present one, where it changed; "" changes nothing
	Taken   []string       // keys of what was handed over and is done with this transaction
	Refused []string       // keys of what was handed over and can't be done; kept, and told by SetAside
}

func (tx *Tx) empty() bool {
	return len(tx.Put) == 0 && len(tx.Counts) == 0 && tx.Account == "" && len(tx.Taken) == 0 && len(tx.Refused) == 0
}

// count notes a lane's numbers.
func (tx *Tx) count(l Lane, c Count) {
	if tx.Counts == nil {
		tx.Counts = map[Lane]Count{}
	}
	tx.Counts[l] = c
}

// Aside is a row that a store can't read as an entry, or something handed over that the queue refused.
type Aside struct {
	ID     string // as far as it can be read, else ""
	Reason string
	Raw    []byte // what is there
}

// KeepSettled is how many settled entries a store remembers at least, parked ones aside, to answer for their ids. A
// forgotten id that is queued again is sent again, and the server answers with the first result: still once.
const KeepSettled = 10_000
