package upload

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
)

// Memory is a Store that forgets everything with the process. Safe for concurrent use.
type Memory struct {
	mu      sync.Mutex // guards below
	uploads map[string]Upload
	order   uint64
	account string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{uploads: make(map[string]Upload)} }

// Load returns everything in order.
func (m *Memory) Load(ctx context.Context) (Saved, error) {
	if err := ctx.Err(); err != nil {
		return Saved{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Saved{Order: m.order, Account: m.account}
	for _, u := range m.uploads {
		s.Uploads = append(s.Uploads, u.clone())
	}
	sortByOrder(s.Uploads)
	return s, nil
}

// Commit writes tx.
func (m *Memory) Commit(ctx context.Context, tx Tx) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range tx.Put {
		u = u.clone()
		u.Progress = Progress{}
		m.uploads[u.ID] = u
		m.order = max(m.order, u.Order)
	}
	maps.DeleteFunc(m.uploads, func(id string, _ Upload) bool { return slices.Contains(tx.Remove, id) })
	if tx.Account != "" {
		m.account = tx.Account
	}
	return nil
}

// Durable is false.
func (m *Memory) Durable() bool { return false }

func sortByOrder(uploads []Upload) {
	slices.SortFunc(uploads, func(a, b Upload) int { return cmp.Compare(a.Order, b.Order) })
}
