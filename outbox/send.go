package outbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// flight is a batch under way, and then its results.
type flight struct {
	items    []*item
	gen      int  // of the readiness that it was sent in
	probe    bool // one entry alone, of a careful lane
	results  []Result
	err      error
	panicked bool
}

// pump sends what may be sent, and sets the timer for what may be sent later.
func (o *owner) pump() {
	now := time.Now()
	o.takeHanded(now)
	o.expire(now)
	o.tryStore(now)
	for o.isUp && !o.paused && len(o.drained) == 0 && o.flights < o.window &&
		!now.Before(o.notYet) && !now.Before(o.storeT) {
		room := o.bucket.ready(o.q.opts.BatchEntries, now)
		if room == 0 {
			break
		}
		batch := o.assemble(now, room)
		if len(batch) == 0 || !o.transmit(batch) {
			break
		}
		o.bucket.take(len(batch))
	}
	o.publishView(now)
	o.arm(now)
}

// tryStore writes what a store that failed couldn't take, or something that changes nothing, to hear when it can again.
func (o *owner) tryStore(now time.Time) {
	var tx Tx
	if o.storeErr != nil && planted != bugStoreUntried {
		tx.Account = o.account
	}
	if !now.Before(o.storeT) && (!o.unsaved.empty() || !tx.empty()) {
		_ = o.write(tx)
	}
}

// arm sets the timer for the next moment that something waits for.
func (o *owner) arm(now time.Time) {
	wait := time.Hour
	sooner := func(t time.Time) {
		if d := t.Sub(now); d > 0 {
			wait = min(wait, d)
		}
	}
	if len(o.items) > 0 {
		sooner(o.notYet)
		sooner(o.bucket.next(now))
	}
	sooner(o.storeT)
	sooner(o.inletT)
	if len(o.expiring) > 0 {
		sooner(o.expiryT)
	}
	for _, l := range o.turn {
		if len(l.items) == 0 {
			continue
		}
		sooner(l.notYet)
		for _, it := range l.holders {
			sooner(it.holdUntil)
		}
	}
	o.timer.Reset(wait)
}

// assemble takes entries from the lanes of the present account in turn, each lane's in order, up to a batch's limits
// and room.
func (o *owner) assemble(now time.Time, room int) []*item {
	var batch []*item
	bytes := 0
	able := make([][]*item, 0, len(o.turn))
	for _, l := range o.turn {
		if len(l.items) == 0 || l.Account != o.account && planted != bugOtherAccount {
			continue
		}
		items := l.sendable(now, room, o.waits)
		if len(items) > 0 && l.alone() { // alone, so that a panic or a refusal is this entry's
			o.rotate()
			return slices.Clone(items)
		}
		if len(items) > 0 {
			able = append(able, items)
		}
	}
	// A share of the batch for each lane keeps a long queue from holding up the others; what they leave is its again.
	took := make([]int, len(able))
	for _, shared := range []bool{true, false} {
		for k, items := range able {
			share := len(items)
			if shared {
				share = max(1, room/(len(able)-k))
			}
			for _, it := range items[took[k]:] {
				if len(batch) > 0 && (bytes+it.bytes > o.q.opts.BatchBytes || len(batch) >= room || took[k] >= share) {
					break
				}
				batch = append(batch, it)
				bytes += it.bytes
				took[k]++
			}
		}
	}
	o.rotate()
	return batch
}

// rotate makes the next batch begin with the next lane.
func (o *owner) rotate() {
	if len(o.turn) > 1 {
		o.turn = append(o.turn[1:], o.turn[0])
	}
}

// transmit numbers what has no number yet, keeps that, and only then sends: a number that was sent and forgotten would
// be given twice.
func (o *owner) transmit(batch []*item) bool {
	var tx Tx
	counts := map[*lane]Count{}
	for _, it := range batch {
		l := o.lane(it.Lane())
		if _, ok := counts[l]; !ok {
			counts[l] = l.count
		}
		fresh := it.DeviceSeq == 0
		if fresh {
			l.count.Last++
			tx.count(l.Lane, l.count)
		}
		// Attempts are for the user's eyes; only a first transmission is worth a write.
		written := len(tx.Put)
		o.move(it, evTransmit, ReasonTransmit, &tx, func(e *Entry) {
			e.Attempt++
			if fresh {
				e.DeviceSeq = l.count.Last
			}
		})
		if !fresh && it.Attempt > 1 {
			tx.Put = tx.Put[:written]
		}
	}
	if err := o.commit(tx); err != nil {
		for l, c := range counts {
			l.count = c
		}
		return false
	}
	o.launch(batch)
	return true
}

// launch hands a batch to Send.
func (o *owner) launch(batch []*item) {
	f := flight{items: batch, gen: o.gen, probe: o.lane(batch[0].Lane()).alone()}
	entries := make([]Entry, len(batch))
	for i, it := range batch {
		it.flying = true
		o.lane(it.Lane()).flying++
		entries[i] = it.clone()
		if planted == bugNewID && it.Attempt > 1 {
			entries[i].ID = uuid.NewString()
		}
	}
	o.flights++
	o.show(entries, nil) // the attempts
	up := o.up
	// Batches go out in order: the next is begun when this one has got as far as Send. Where they overtake each other
	// all the same, the server's count catches it.
	begun := make(chan struct{})
	o.q.wg.Go(func() {
		close(begun)
		o.q.send(up, f, entries, o.landed)
	})
	<-begun
}

// send calls Send and contains its panics. The outcome is told also where Send ends its goroutine: Close waits for it.
func (q *Queue) send(ctx context.Context, f flight, entries []Entry, landed chan<- flight) {
	ctx, cancel := context.WithTimeout(ctx, q.opts.SendTimeout)
	defer cancel()
	returned := false
	defer func() {
		if v := recover(); v != nil || !returned {
			f.err, f.panicked = fmt.Errorf("outbox: Send panicked: %v", v), true
		}
		landed <- f
	}()
	f.results, f.err = q.opts.Send(ctx, entries)
	returned = true
	if f.err == nil {
		f.err = checkResults(f.results, len(entries))
	}
}

// checkResults refuses what can't be the outcome of n entries.
func checkResults(results []Result, n int) error {
	if len(results) != n {
		return fmt.Errorf("outbox: Send gave %d results for %d entries", len(results), n)
	}
	for i, r := range results {
		if r.Err == nil && r.Seq == 0 {
			return fmt.Errorf("outbox: Send's result %d has neither a Seq nor an error", i)
		}
	}
	return nil
}
