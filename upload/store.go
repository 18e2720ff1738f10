package upload

import "context"

// Store keeps a queue's uploads. The queue makes one call at a time.
//
// A write is a transaction: when Commit returns nil all of it is kept, when it returns an error nothing is (or nobody
// knows, as after a crash: the queue then repeats it, so Commit must be idempotent). A durable store returns only when
// the write survives power loss. An error because the disk can't be written matches ErrDisk.
//
// A row that can't be read as an upload never stops the others: the store leaves it where it is and tells of it in
// Saved.Aside. Package uploadtest holds the test that every store passes.
type Store interface {
	// Load returns what a former run left. It is called once, by Queue.Start, before anything else.
	Load(ctx context.Context) (Saved, error)
	// Commit writes all of tx or nothing.
	Commit(ctx context.Context, tx Tx) error
	// Durable says whether what was committed survives the end of the process.
	Durable() bool
}

// Saved is what a store holds.
type Saved struct {
	Uploads []Upload // in Order, settled ones included; all fields but Progress
	Order   uint64   // the highest Order ever committed, that of removed ones included
	Account string   // the last one that was the present one; "" if there never was one
	Aside   []Aside  // rows that can't be read
}

// Tx is one transaction.
type Tx struct {
	Put     []Upload // new ones, and new content of known ones, by ID; a later one wins
	Remove  []string // ids to forget; unknown ones are no error. No id is in Put and in Remove
	Account string   // the present one, where it changed; "" changes nothing
}

func (tx *Tx) empty() bool { return len(tx.Put) == 0 && len(tx.Remove) == 0 && tx.Account == "" }

// Aside is a row that a store can't read as an upload.
type Aside struct {
	ID     string // as far as it can be read, else ""
	Reason string
	Raw    []byte // what is there
}
