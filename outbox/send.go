package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
	for o.isUp && o.flights < o.q.opts.Window && !now.Before(o.notYet) && !now.Before(o.storeT) {
		batch := o.assemble(now)
		if len(batch) == 0 || !o.transmit(batch) {
			break
		}
	}
	o.arm(now)
}

// arm sets the timer for the next moment that something waits for.
func (o *owner) arm(now time.Time) {
	wait := time.Hour
	for _, l := range o.turn {
		if len(l.items) == 0 {
			continue
		}
		for _, t := range []time.Time{l.notYet, o.notYet, o.storeT} {
			if d := t.Sub(now); d > 0 && d < wait {
				wait = d
			}
		}
	}
	o.timer.Reset(wait)
}

// assemble takes entries from the lanes in turn, each lane's in order, up to a batch's limits.
func (o *owner) assemble(now time.Time) []*item {
	var batch []*item
	bytes := 0
	able := make([][]*item, 0, len(o.turn))
	for _, l := range o.turn {
		items := l.sendable(now)
		if len(items) > 0 && l.careful { // alone, so that a panic is this entry's
			o.rotate()
			return slices.Clone(items)
		}
		if len(items) > 0 {
			able = append(able, items)
		}
	}
	for k, items := range able {
		took := 0
		// A share of the batch for each lane keeps a long queue from holding up the others.
		share := max(1, o.q.opts.BatchEntries/(len(able)-k))
		for _, it := range items {
			if len(batch) > 0 && (bytes+it.bytes > o.q.opts.BatchBytes || len(batch) >= o.q.opts.BatchEntries || took >= share) {
				break
			}
			batch = append(batch, it)
			bytes += it.bytes
			took++
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
	tx := Tx{DeviceSeqs: map[string]uint64{}}
	lasts := map[*lane]uint64{}
	for _, it := range batch {
		l := o.lane(it.Channel)
		if _, ok := lasts[l]; !ok {
			lasts[l] = l.last
		}
		fresh := it.DeviceSeq == 0
		if fresh {
			l.last++
			tx.DeviceSeqs[l.name] = l.last
		}
		// Attempts are for the user's eyes; only a first transmission is worth a write.
		written := len(tx.Put)
		o.move(it, evTransmit, ReasonTransmit, &tx, func(e *Entry) {
			e.Attempt++
			if fresh {
				e.DeviceSeq = l.last
			}
		})
		if !fresh && it.Attempt > 1 {
			tx.Put = tx.Put[:written]
		}
	}
	if err := o.commit(tx); err != nil {
		for l, last := range lasts {
			l.last = last
		}
		return false
	}
	f := flight{items: batch, gen: o.gen, probe: o.lane(batch[0].Channel).careful}
	entries := make([]Entry, len(batch))
	for i, it := range batch {
		it.flying = true
		o.lane(it.Channel).flying++
		entries[i] = it.clone()
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
	return true
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

// land takes the results of a batch.
func (o *owner) land(f flight) {
	o.flights--
	now := time.Now()
	var tx Tx
	failed := map[*lane]bool{}
	for i, it := range f.items {
		l := o.lane(it.Channel)
		if it.flying {
			it.flying = false
			l.flying--
		}
		if o.items[it.ID] != it {
			continue // settled meanwhile, by the stream
		}
		switch {
		case f.err != nil:
			o.unknown(l, it, f, failed[l], now, &tx)
			failed[l] = true
		case f.results[i].Err == nil:
			o.sent(l, it, f, f.results[i], &tx)
		default:
			failed[l] = o.refused(l, it, f.results[i].Err, f.probe, failed[l], now, &tx) || failed[l]
		}
	}
	_ = o.commit(tx) // undone and sent again where it fails
}

func (o *owner) sent(l *lane, it *item, f flight, r Result, tx *Tx) {
	l.failed = 0
	l.careful = l.careful && !f.probe
	o.move(it, evAck, ReasonReply, tx, func(e *Entry) { e.Seq, e.SentAt, e.Err = r.Seq, r.Time, "" })
}

// maxPanics is how often Send may panic on one entry alone before it is set aside.
const maxPanics = 3

// unknown handles an entry whose outcome nobody knows: its lane sends again from the first.
func (o *owner) unknown(l *lane, it *item, f flight, again bool, now time.Time, tx *Tx) {
	it.Err = f.err.Error()
	if f.panicked && len(f.items) == 1 {
		if it.panics++; it.panics >= maxPanics {
			l.careful = false
			o.move(it, evPark, ReasonPoison, tx, func(*Entry) {})
			return
		}
	}
	l.careful = l.careful || f.panicked
	if again {
		return
	}
	wait := time.Duration(0)
	if o.isUp && f.gen == o.gen { // else its connection is gone, and SetReady says when there is one
		wait = o.lost(l)
	}
	l.fail(now.Add(wait))
}

// lost counts a failure and says how long to wait. What fails behind a failure is no failure of its own: a window full
// of batches isn't a row of failures.
func (o *owner) lost(l *lane) time.Duration {
	if l.rewind {
		return 0
	}
	l.failed++
	return o.q.opts.backoff(l.failed)
}

// refused handles a server's no; it says whether the lane has to send again.
func (o *owner) refused(l *lane, it *item, err error, probe, again bool, now time.Time, tx *Tx) bool {
	var r *Refusal
	if !errors.As(err, &r) {
		r = &Refusal{Code: err.Error()} // the outcome isn't known; the same again tells
	}
	if r.Permanent && r.Code != CodeSeqGap {
		o.move(it, evRefuse, r.Code, tx, func(e *Entry) { e.Err = r.Code })
		return false
	}
	it.Err = r.Code
	if r.RetryAfter > 0 { // the server's limits are for the user, not for one channel
		until := now.Add(min(r.RetryAfter, o.q.opts.MaxRetryAfter))
		if until.After(o.notYet) {
			o.notYet = until
		}
	}
	if again {
		return true // it only follows from the first refusal
	}
	wait := o.lost(l)
	switch {
	case r.Code == CodeSeqGap:
		o.renumber(l, r.Expected, it.DeviceSeq, probe, tx)
		if l.failed == 1 {
			wait = 0
		}
	case r.RetryAfter > 0:
		wait = 0 // notYet has it
	}
	l.fail(now.Add(wait))
	return true
}

// renumber follows the server's count where ours can't be right.
func (o *owner) renumber(l *lane, expected, refused uint64, probe bool, tx *Tx) {
	if !probe {
		// The word may be older than what the server took since, and wrong numbers let an entry from the middle fit by
		// chance. The first entry, sent alone, tells what the server really waits for.
		l.careful = l.careful || !l.has(expected, refused)
		return
	}
	last := l.last
	items := l.expect(expected, refused)
	if len(items) == 0 {
		return
	}
	o.undo = append(o.undo, func() { l.last = last })
	o.q.opts.Logger.Warn("server counts this device's messages differently; numbering anew", "channel", l.name, "expected", expected)
	seq := expected
	for _, it := range items {
		o.move(it, evRetry, "", tx, func(e *Entry) { e.DeviceSeq = seq })
		seq++
	}
	if tx.DeviceSeqs == nil {
		tx.DeviceSeqs = map[string]uint64{}
	}
	tx.DeviceSeqs[l.name] = l.last
}
