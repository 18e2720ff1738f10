package upload

import (
	"slices"
	"time"
)

// txn is what one turn of the owner changes. Nothing of it is so before it is kept; what need not be kept is so in any
// case.
type txn struct {
	o       *owner
	staged  map[string]*staged
	order   []string // ids in the order they were staged
	remove  []string
	account string
	moved   []Change
}

type staged struct {
	Upload
	keep bool // the store has to know
}

// row returns an upload as the transaction leaves it, to look at; nil if there is none.
func (t *txn) row(id string) *Upload {
	if s := t.staged[id]; s != nil {
		return &s.Upload
	}
	if u := t.o.rows[id]; u != nil && !slices.Contains(t.remove, id) {
		return u
	}
	return nil
}

// edit returns an upload that exists, to be changed; keep says that the store has to know of it.
func (t *txn) edit(id string, keep bool) *Upload {
	s := t.staged[id]
	if s == nil {
		s = &staged{Upload: t.o.rows[id].clone()}
		t.staged[id] = s
		t.order = append(t.order, id)
	}
	s.keep = s.keep || keep
	if keep {
		s.UpdatedAt = time.Now().Round(0)
	}
	return &s.Upload
}

// add makes a new upload part of the transaction.
func (t *txn) add(u Upload) {
	t.staged[u.ID] = &staged{Upload: u, keep: true}
	t.order = append(t.order, u.ID)
	t.moved = append(t.moved, Change{Upload: u, From: u.State, To: u.State, Reason: ReasonAdded})
}

// move takes an upload through an event and tells of it; false if the event is refused.
func (t *txn) move(id string, ev event, c Change) bool {
	u := t.row(id)
	if u == nil {
		return false
	}
	to, ok := next(u.State, ev)
	if !ok {
		return false
	}
	c.From, c.To = u.State, to
	u = t.edit(id, to.kept() != u.State.kept())
	u.State = to
	c.Upload = *u
	t.moved = append(t.moved, c)
	return true
}

// drop removes an upload.
func (t *txn) drop(id string) {
	u := *t.row(id)
	delete(t.staged, id)
	t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == id })
	t.remove = append(t.remove, id)
	t.moved = append(t.moved, Change{Upload: u, From: u.State, To: u.State, Reason: ReasonRemoved})
}

// kept is what the store has to write.
func (t *txn) kept() Tx {
	tx := Tx{Remove: t.remove, Account: t.account}
	for _, id := range t.order {
		if s := t.staged[id]; s.keep {
			u := s.clone()
			u.State, u.Progress = u.State.kept(), Progress{}
			if planted == bugForgetCancel {
				u.Leftovers = nil
			}
			tx.Put = append(tx.Put, u)
		}
	}
	return tx
}
