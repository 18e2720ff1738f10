package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// inletBatch is how much is taken from an inlet at once, beside what waits there for room.
const inletBatch = 100

// inletPause is how many times Options.InletEvery an inlet is left alone after it, or the store, failed.
const inletPause = 10

// errWaits says that what was handed over has to stay where it is: what goes before it does too, for want of room.
var errWaits = errors.New("outbox: it waits for what was handed over before it")

// takeHanded does what other processes handed over, each in the transaction that says that it was done.
func (o *owner) takeHanded(now time.Time) {
	if o.inlet == nil || now.Before(o.inletT) || now.Before(o.storeT) {
		return
	}
	limit := inletBatch + o.waiting
	all, err := o.inlet.Handed(o.q.ctx, limit)
	if o.q.ctx.Err() != nil {
		return
	}
	if err == nil && len(all) == limit {
		o.inletT = now.Add(1) // there may be more; requests have their turn in between
	} else {
		// What waits is read again each time, so that a queue that stays full isn't busy with that alone.
		o.inletT = now.Add(o.q.opts.InletEvery * time.Duration(1+o.waiting/(10*inletBatch)))
	}
	var tx Tx
	p := inletPass{o: o, tx: &tx, lanes: map[Lane]bool{}, ids: map[string]bool{}}
	for _, h := range all {
		if failed := p.take(h); failed != nil {
			err = failed
			break
		}
	}
	if err != nil {
		o.inletT = now.Add(inletPause * o.q.opts.InletEvery)
		o.q.opts.Logger.Error("take what was handed over", "err", err)
	}
	o.waiting = p.waiting
	if o.commit(tx) == nil { // else undone and tried again
		o.q.mu.Lock()
		o.q.aside += len(tx.Refused)
		o.q.mu.Unlock()
	}
}

// inletPass is one look at what was handed over.
type inletPass struct {
	o       *owner
	tx      *Tx
	waiting int
	lanes   map[Lane]bool   // where something waits for room: nothing overtakes it
	ids     map[string]bool // what waits
}

// take does one thing, or leaves it where it is. An error means that nobody knows yet what to do with it, nor with what
// comes after it.
func (p *inletPass) take(h Handed) error {
	err := p.do(h)
	var invalid *InvalidError
	switch {
	case err == nil:
		p.tx.Taken = append(p.tx.Taken, h.Key)
		return nil
	case errors.Is(err, ErrFull), errors.Is(err, errWaits):
		p.waiting++
		return nil
	case errors.As(err, &invalid):
		p.tx.Refused = append(p.tx.Refused, h.Key)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNotQueued), errors.Is(err, ErrNotParked), planted == bugHandedLost:
		p.tx.Taken = append(p.tx.Taken, h.Key)
	default:
		return err
	}
	p.o.q.opts.Logger.Warn("handed over in vain", "op", string(h.Op), "id", h.Entry.ID, "err", err)
	return nil
}

func (p *inletPass) do(h Handed) error {
	o, id := p.o, lower(h.Entry.ID)
	switch {
	case h.Err != nil:
		return &InvalidError{Field: "entry", Reason: h.Err.Error()}
	case h.Op == HandSend:
		return p.send(h.Entry)
	case p.ids[id]:
		return errWaits // what it is about isn't queued yet
	}
	switch h.Op {
	case HandCancel:
		if o.parked[id] != nil {
			return o.discard(id, p.tx)
		}
		return o.cancel(id, p.tx)
	case HandRetry:
		return o.retry(id, p.tx)
	case HandDiscard:
		return o.discard(id, p.tx)
	case HandSend:
	}
	return &InvalidError{Field: "entry", Reason: fmt.Sprintf("nobody knows how to %q", h.Op)}
}

// send queues an entry, unless one of its channel, or one that it goes after, waits for room.
func (p *inletPass) send(e Entry) error {
	fresh := e.ID == ""
	e, err := p.o.q.opts.check(e)
	if err != nil {
		return err
	}
	l := Lane{cmp.Or(e.Account, p.o.account), e.Channel}
	waits := p.lanes[l] || p.ids[e.ID] || slices.ContainsFunc(e.After, func(id string) bool { return p.ids[id] })
	if waits && planted != bugHandedOvertakes {
		err = errWaits
	} else {
		err = p.o.enqueue(p.o.q.ctx, e, fresh, &Entry{}, p.tx)
	}
	if errors.Is(err, ErrFull) || errors.Is(err, errWaits) {
		p.lanes[l], p.ids[e.ID] = true, true
	}
	return err
}
