package outbox

import (
	"errors"
	"time"
)

// land takes the results of a batch.
func (o *owner) land(f flight) {
	if o.flights--; o.flights == 0 {
		o.finishDrained(nil)
	}
	now := time.Now()
	var tx Tx
	for _, it := range f.items {
		if it.flying {
			it.flying = false
			o.lane(it.Lane()).flying--
		}
	}
	failed := map[*lane]bool{}
	// What was stored comes first: a refusal is judged by what is known to be stored behind it.
	for _, stored := range []bool{true, false} {
		for i, it := range f.items {
			l := o.lane(it.Lane())
			switch {
			case stored != (f.err == nil && f.results[i].Err == nil) || o.items[it.ID] != it: // settled meanwhile, by the stream
			case stored:
				o.sent(l, it, f, f.results[i], &tx)
			case f.err != nil:
				o.unknown(l, it, f, failed[l], now, &tx)
				failed[l] = true
			default:
				failed[l] = o.refused(l, it, f.results[i].Err, f.probe, failed[l], now, &tx) || failed[l]
			}
		}
	}
	o.commitOutcome(tx)
}

func (o *owner) sent(l *lane, it *item, f flight, r Result, tx *Tx) {
	l.failed = 0
	if f.probe {
		l.careful, l.doubt = false, false
	}
	o.stored(l, it, evAck, ReasonReply, tx, func(e *Entry) { e.Seq, e.SentAt, e.Err = r.Seq, r.Time, "" })
}

// stored settles an entry that the server has.
func (o *owner) stored(l *lane, it *item, ev event, reason string, tx *Tx, edit func(*Entry)) {
	if it.DeviceSeq > l.count.Sent {
		l.count.Sent = it.DeviceSeq
		tx.count(l.Lane, l.count)
	}
	o.move(it, ev, reason, tx, edit)
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
	if r.Code == CodeSeqGap && probe && it.DeviceSeq < r.Expected && it.DeviceSeq < l.count.Sent {
		// Its number is used up and its id isn't stored: it was refused for good, and that reply was lost. Sent now, it
		// would come after what the server has of later ones.
		o.move(it, evRefuse, ReasonSkipped, tx, func(e *Entry) { e.Err = "refused before; the reason was lost with the connection" })
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
		l.doubt = l.doubt || !l.has(expected, refused)
		return
	}
	items := l.expect(expected, refused)
	if len(items) == 0 {
		return
	}
	o.q.opts.Logger.Warn("server counts this device's messages differently; numbering anew", "channel", l.Channel, "expected", expected)
	seq := expected
	for _, it := range items {
		o.move(it, evRetry, "", tx, func(e *Entry) { e.DeviceSeq = seq })
		seq++
	}
	tx.count(l.Lane, l.count)
}
