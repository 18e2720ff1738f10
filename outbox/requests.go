package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// enqueue makes a new open entry, or finds the one with its id. A fresh id was made for this call: nobody has it.
func (o *owner) enqueue(ctx context.Context, e Entry, fresh bool, out *Entry, tx *Tx) error {
	q := o.q
	if it := o.find(e.ID); it != nil {
		*out = it.clone()
		return nil
	}
	var old Entry
	var ok bool
	var err error
	if !fresh {
		old, ok, err = o.settled(e.ID)
	}
	switch {
	case err != nil:
		return err
	case ok && old.State.Settled():
		*out = old
		return nil
	case ok:
		e = old // kept by a commit that was reported as failed, with others perhaps: now it is queued indeed, in its place
	case ctx.Err() != nil:
		return ctx.Err() // the caller is gone, and nothing was done yet
	}
	if e.Account == "" {
		e.Account = o.account
	}
	if e.After, err = o.checkAfter(e.After); err != nil {
		return err
	}
	it := &item{Entry: e, bytes: e.size()}
	if err := o.checkRoom(it.Lane(), 1, it.bytes); err != nil {
		return err
	}
	if it.Order == 0 {
		o.order++
		it.Order = o.order
	}
	it.CreatedAt = q.opts.wall()
	o.setExpiry(it)
	o.place(it)
	o.undo = append(o.undo, func() { o.unplace(it) })
	tx.Put = append(tx.Put, it.clone())
	*out = it.clone()
	o.moved = append(o.moved, Change{Entry: it.clone(), From: Queued, To: Queued, Reason: ReasonEnqueued})
	return nil
}

// settled finds an entry that isn't open nor parked.
func (o *owner) settled(id string) (Entry, bool, error) {
	if e, ok := o.q.unsavedEntry(id); ok {
		return e, true, nil
	}
	e, ok, err := o.q.opts.Store.Get(o.q.ctx, id)
	if err != nil {
		return Entry{}, false, fmt.Errorf("look up entry: %w", err)
	}
	return e, ok, nil
}

// setExpiry gives a new entry its deadline.
func (o *owner) setExpiry(it *item) {
	if it.ExpiresIn == 0 {
		it.ExpiresIn = o.q.opts.Expiry
	}
	if it.ExpiresIn <= 0 {
		it.ExpiresIn, it.ExpiresAt = 0, time.Time{}
		return
	}
	now := time.Now()
	if len(o.expiring) == 0 {
		o.clock.start(now) // else expire compares from where the others began
	}
	it.ExpiresAt, it.deadline = o.clock.at(now).Add(it.ExpiresIn), now.Add(it.ExpiresIn)
}

// checkAfter leaves out what is sent already, and refuses what will never be.
func (o *owner) checkAfter(ids []string) ([]string, error) {
	var left []string
	for _, id := range ids {
		if o.find(id) != nil {
			left = append(left, id)
			continue
		}
		e, ok, err := o.settled(id)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, &InvalidError{Field: "after", Reason: "there is no entry " + id}
		case e.State != Sent:
			return nil, &InvalidError{Field: "after", Reason: fmt.Sprintf("entry %s is %s and will never be sent", id, e.State)}
		}
	}
	return left, nil
}

// checkRoom says whether more fits the limits.
func (o *owner) checkRoom(id Lane, entries, bytes int) error {
	opts, l := &o.q.opts, o.lane(id)
	total := len(o.items) + len(o.parked)
	if total+entries > opts.MaxEntries || o.bytes+int64(bytes) > opts.MaxBytes {
		return &FullError{Entries: total, MaxEntries: opts.MaxEntries, Bytes: o.bytes, MaxBytes: opts.MaxBytes}
	}
	if l.entries+entries > opts.MaxChannelEntries || l.bytes+int64(bytes) > opts.MaxChannelBytes {
		return &FullError{
			Channel: id.Channel, Entries: l.entries, MaxEntries: opts.MaxChannelEntries, Bytes: l.bytes, MaxBytes: opts.MaxChannelBytes,
		}
	}
	return nil
}

// missing says why an id has no item: ErrNotFound, or late where the entry is settled.
func (o *owner) missing(id string, late error) error {
	_, ok, err := o.settled(id)
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrNotFound
	}
	return late
}

// cancel takes an entry back that was never transmitted.
func (o *owner) cancel(id string, tx *Tx) error {
	it := o.items[id]
	if it == nil {
		return o.missing(id, ErrNotQueued)
	}
	if !o.move(it, evCancel, ReasonCancelled, tx, func(*Entry) {}) {
		return ErrNotQueued
	}
	return nil
}

// edit gives an entry that was never transmitted other content.
func (o *owner) edit(e Entry, out *Entry, tx *Tx) error {
	it := o.items[e.ID]
	if it == nil {
		return o.missing(e.ID, ErrNotQueued)
	}
	if e.Version != 0 && e.Version != it.Version {
		return ErrChanged
	}
	with := it.Entry
	with.Text, with.Attachments = e.Text, e.Attachments
	if err := o.q.opts.checkContent(with); err != nil {
		return err
	}
	if more := with.size() - it.bytes; more > 0 {
		if err := o.checkRoom(it.Lane(), 0, more); err != nil {
			return err
		}
	}
	ok := o.move(it, evEdit, ReasonEdited, tx, func(v *Entry) {
		v.Text, v.Attachments = e.Text, e.Attachments
		v.Version++
	})
	if !ok {
		return ErrNotQueued
	}
	*out = it.clone()
	return nil
}

// retry sends a parked entry after all: the same id, the same place, a number of its own (a refusal uses one up).
func (o *owner) retry(id string, tx *Tx) error {
	it := o.parked[id]
	if it == nil {
		return o.missing(id, ErrNotParked)
	}
	it.panics = 0
	if planted == bugRetryAnew {
		anew := it.Entry
		anew.ID, anew.State, anew.DeviceSeq = uuid.NewString(), Queued, 0
		return o.enqueue(o.q.ctx, anew, true, &Entry{}, tx)
	}
	o.move(it, evResume, ReasonRetry, tx, func(e *Entry) { e.DeviceSeq, e.Attempt, e.Err = 0, 0, "" })
	o.setExpiryAnew(it, tx)
	return nil
}

// setExpiryAnew begins an entry's time again: somebody wants it sent now.
func (o *owner) setExpiryAnew(it *item, tx *Tx) {
	if it.ExpiresIn <= 0 {
		return
	}
	o.setExpiry(it)
	o.watchExpiry(it)
	tx.Put = append(tx.Put, it.clone())
}

// discard gives a parked entry up.
func (o *owner) discard(id string, tx *Tx) error {
	it := o.parked[id]
	if it == nil {
		return o.missing(id, ErrNotParked)
	}
	o.move(it, evDiscard, ReasonDiscarded, tx, func(*Entry) {})
	return nil
}

// resolve gives every entry that needs name its result. The last one puts the results into the attachments, in the
// order of the needs.
func (o *owner) resolve(name string, result json.RawMessage, tx *Tx) error {
	items := o.waitingFor(name)
	if len(items) == 0 {
		return ErrNotFound
	}
	resolved := make([]Entry, len(items))
	for i, it := range items { // all are checked before one changes
		e := it.clone()
		for k := range e.Needs {
			if e.Needs[k].Name == name {
				e.Needs[k].Result = result
			}
		}
		if !slices.ContainsFunc(e.Needs, func(n Need) bool { return n.Result == nil }) {
			var err error
			if e.Attachments, err = attach(e.Attachments, e.Needs); err != nil {
				return err
			}
			e.Needs = nil
		}
		if err := o.q.opts.checkContent(e); err != nil {
			return err
		}
		resolved[i] = e
	}
	for i, it := range items {
		o.move(it, evEdit, ReasonEdited, tx, func(e *Entry) {
			e.Needs, e.Attachments = resolved[i].Needs, resolved[i].Attachments
			e.Version++
		})
	}
	return nil
}

// waitingFor returns the queued entries that have no result for a need, in order.
func (o *owner) waitingFor(name string) []*item {
	var out []*item
	for _, it := range o.items {
		if it.State == Queued && slices.ContainsFunc(it.Needs, func(n Need) bool { return n.Name == name && n.Result == nil }) {
			out = append(out, it)
		}
	}
	slices.SortFunc(out, before)
	return out
}

// attach appends the results of needs to a JSON list.
func attach(list json.RawMessage, needs []Need) (json.RawMessage, error) {
	var all []json.RawMessage
	if len(list) > 0 {
		if err := json.Unmarshal(list, &all); err != nil {
			return nil, &InvalidError{Field: "attachments", Reason: "they aren't a JSON list"}
		}
	}
	for _, n := range needs {
		all = append(all, n.Result)
	}
	return json.Marshal(all)
}

// failNeed parks every entry that needs name.
func (o *owner) failNeed(name, reason string, tx *Tx) error {
	items := o.waitingFor(name)
	if len(items) == 0 {
		return ErrNotFound
	}
	for _, it := range items {
		o.move(it, evPark, ReasonDependency, tx, func(e *Entry) { e.Err = reason })
	}
	return nil
}

// setAccount makes account the one whose entries are sent. Entries that belong to nobody yet are its from now on.
func (o *owner) setAccount(account string, tx *Tx) {
	was := o.account
	if account == was {
		return
	}
	o.q.setReady(false)
	o.setUp(false)
	o.account, tx.Account = account, account
	o.undo = append(o.undo, func() { o.account = was })
	var mine []*item
	for _, all := range []map[string]*item{o.items, o.parked} {
		for _, it := range all {
			if it.Account == "" {
				mine = append(mine, it)
			}
		}
	}
	slices.SortFunc(mine, before)
	for _, it := range mine {
		o.adopt(it, account, tx)
	}
}

// adopt gives an entry to an account.
func (o *owner) adopt(it *item, account string, tx *Tx) {
	give := func(account string) {
		flying := it.flying // its batch lands in the lane that it then belongs to
		o.unplace(it)
		it.Account = account
		o.place(it)
		if flying {
			it.flying = true
			o.lane(it.Lane()).flying++
		}
	}
	from, to := o.lane(it.Lane()), o.lane(Lane{account, it.Channel})
	if to.count == (Count{}) && from.count != (Count{}) {
		to.count = from.count // a server that knows no accounts counted them
		tx.count(to.Lane, to.count)
	}
	give(account)
	o.undo = append(o.undo, func() { give("") })
	tx.Put = append(tx.Put, it.clone())
	o.moved = append(o.moved, Change{Entry: it.clone(), From: it.State, To: it.State, Reason: ReasonAdopted})
}

// settle takes the server's word for the last number that it took in a channel of the present account.
func (o *owner) settle(channel string, last uint64, tx *Tx) {
	l := o.lane(Lane{o.account, channel})
	was := l.count
	if planted == bugSettleAsSent {
		for _, it := range slices.Clone(l.items) {
			if it.DeviceSeq != 0 && it.DeviceSeq <= last {
				o.move(it, evDelivered, ReasonStream, tx, func(e *Entry) { e.Seq = e.DeviceSeq })
			}
		}
	}
	l.settle(last)
	if l.count != was {
		o.undo = append(o.undo, func() { l.count = was })
		tx.count(l.Lane, l.count)
	}
}
