package outbox

import (
	"context"
	"iter"
	"maps"
	"sync"
)

// Memory is a Store that forgets everything with the process. It remembers the last KeepSettled settled entries and all
// parked ones. Safe for concurrent use.
type Memory struct {
	mu      sync.Mutex // guards below
	entries map[string]Entry
	settled []string // ids in the order they settled, oldest first
	counts  map[Lane]Count
	order   uint64
	account string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{entries: make(map[string]Entry), counts: make(map[Lane]Count)}
}

// Load returns the open and the parked entries in order.
func (m *Memory) Load(ctx context.Context) (Saved, error) {
	if err := ctx.Err(); err != nil {
		return Saved{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Saved{Counts: maps.Clone(m.counts), Order: m.order, Account: m.account}
	for _, e := range m.entries {
		if !forgettable(e.State) {
			s.Entries = append(s.Entries, e.clone())
		}
	}
	sortByOrder(s.Entries)
	return s, nil
}

// forgettable says whether nobody misses an entry in this state.
func forgettable(s State) bool { return s.Settled() && s != Parked }

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
		if old, ok := m.entries[e.ID]; forgettable(e.State) && (!ok || !forgettable(old.State)) {
			m.settled = append(m.settled, e.ID)
		}
		e = e.clone()
		e.Blocked = ""
		m.entries[e.ID] = e
		m.order = max(m.order, e.Order)
	}
	maps.Copy(m.counts, tx.Counts)
	if tx.Account != "" {
		m.account = tx.Account
	}
	if n := len(m.settled) - KeepSettled; n > 0 {
		for _, id := range m.settled[:n] {
			if forgettable(m.entries[id].State) { // else reopened: its settling had been reported as failed
				delete(m.entries, id)
			}
		}
		m.settled = append([]string(nil), m.settled[n:]...)
	}
	return nil
}

// Entries yields all entries in order, as they were when it was called.
func (m *Memory) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	m.mu.Lock()
	all := make([]Entry, 0, len(m.entries))
	for _, e := range m.entries {
		all = append(all, e.clone())
	}
	m.mu.Unlock()
	sortByOrder(all)
	return func(yield func(Entry, error) bool) {
		for _, e := range all {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// SetAside returns nothing: what is in memory can be read.
func (m *Memory) SetAside(context.Context) ([]Aside, error) { return nil, nil }

// Durable is false.
func (m *Memory) Durable() bool { return false }
