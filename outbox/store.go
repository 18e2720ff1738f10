package outbox

import (
	"context"
	"maps"
	"sync"
)

// Store keeps a queue's entries. The queue writes from one goroutine and reads from any.
//
// A write is a transaction: when Commit returns nil all of it is kept, when it returns an error nothing is (or nobody
// knows, as after a crash: the queue then repeats it, so Commit must be idempotent). A durable store returns only when
// the write survives power loss.
type Store interface {
	// Load returns what a former run left. It is called once, by Start.
	Load(ctx context.Context) (Saved, error)
	// Get finds an entry in any state; ok is false if there is none, or none any more.
	Get(ctx context.Context, id string) (e Entry, ok bool, err error)
	// Commit writes all of tx or nothing.
	Commit(ctx context.Context, tx Tx) error
	// Durable says whether what was committed survives the end of the process.
	Durable() bool
}

// Saved is what a store holds.
type Saved struct {
	Entries    []Entry           // the open ones, in Order
	DeviceSeqs map[string]uint64 // the last DeviceSeq given, for each channel
	Order      uint64            // the highest Order ever given, settled entries included
}

// Tx is one transaction.
type Tx struct {
	Put        []Entry           // new ones, and new content of known ones, by ID
	DeviceSeqs map[string]uint64 // the last DeviceSeq given, for the channels where it moved
}

// memorySettled is how many settled entries a memory store remembers, to answer for their ids. A forgotten id that is
// queued again is sent again, and the server answers with the first result: still once.
const memorySettled = 10_000

// Memory is a Store that forgets everything with the process. It remembers the last 10,000 settled entries. Safe for
// concurrent use.
type Memory struct {
	mu         sync.Mutex // guards below
	entries    map[string]Entry
	settled    []string // ids in the order they settled, oldest first
	deviceSeqs map[string]uint64
	order      uint64
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{entries: make(map[string]Entry), deviceSeqs: make(map[string]uint64)}
}

// Load returns the open entries in order.
func (m *Memory) Load(ctx context.Context) (Saved, error) {
	if err := ctx.Err(); err != nil {
		return Saved{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Saved{DeviceSeqs: maps.Clone(m.deviceSeqs), Order: m.order}
	for _, e := range m.entries {
		if !e.State.Settled() {
			s.Entries = append(s.Entries, e.clone())
		}
	}
	sortByOrder(s.Entries)
	return s, nil
}

// Get finds an entry.
func (m *Memory) Get(ctx context.Context, id string) (Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[id]
	return e.clone(), ok, nil
}

// Commit writes tx.
func (m *Memory) Commit(ctx context.Context, tx Tx) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range tx.Put {
		if old, ok := m.entries[e.ID]; e.State.Settled() && (!ok || !old.State.Settled()) {
			m.settled = append(m.settled, e.ID)
		}
		m.entries[e.ID] = e.clone()
		m.order = max(m.order, e.Order)
	}
	maps.Copy(m.deviceSeqs, tx.DeviceSeqs)
	if n := len(m.settled) - memorySettled; n > 0 {
		for _, id := range m.settled[:n] {
			if m.entries[id].State.Settled() { // else reopened: its settling had been reported as failed
				delete(m.entries, id)
			}
		}
		m.settled = append([]string(nil), m.settled[n:]...)
	}
	return nil
}

// Durable is false.
func (m *Memory) Durable() bool { return false }
