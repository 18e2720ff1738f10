package scenario

import (
	"cmp"
	"fmt"
	"slices"
)

// span is a stretch of seq that a run hasn't shown.
type span struct {
	lo, hi        uint64
	before, after *shown // the messages shown around it in this run; before is nil at the run's beginning
	gap           bool   // it should have been shown; else the run may begin after it
}

// leaveOut notes what was passed over; nothing if lo > hi.
func (r *runCheck) leaveOut(s span) {
	if s.lo <= s.hi {
		r.missing = append(r.missing, s)
	}
}

// fill takes a seq out of what is missing; false if it isn't missing.
func (r *runCheck) fill(seq uint64) bool {
	i, ok := slices.BinarySearchFunc(r.missing, seq, func(s span, seq uint64) int {
		switch {
		case s.hi < seq:
			return -1
		case s.lo > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return false
	}
	left, right := r.missing[i], r.missing[i]
	left.hi, right.lo = seq-1, seq+1
	rest := make([]span, 0, 2)
	for _, s := range []span{left, right} {
		if s.lo <= s.hi {
			rest = append(rest, s)
		}
	}
	r.missing = slices.Replace(r.missing, i, i+1, rest...)
	return true
}

// reportGaps reports what should have been shown by this run and wasn't. A seq that the server never gave to a
// message is a hole of the server's and no gap.
func (r *runCheck) reportGaps() {
	for _, s := range r.missing {
		if !s.gap {
			continue
		}
		n, row := r.c.ix.tables[r.channel].between(s.lo, s.hi)
		if n == 0 {
			continue
		}
		r.c.report(r.violation(ViolationGap, row.Seq, row.ID), func() string {
			from := "the run began with"
			if s.before != nil {
				from = fmt.Sprintf("%s at %s was followed by", name(s.before.Event), clock(s.before.Event))
			}
			where := ""
			if s.before == nil && r.was.high > 0 {
				where = fmt.Sprintf(", and earlier runs had got to seq %d", r.was.high)
			}
			return fmt.Sprintf("%s left out (%d stored, the first is %s): %s %s at %s%s",
				seqs(s.lo, s.hi), n, name(row), from, name(s.after.Event), clock(s.after.Event), where)
		})
	}
}

// markCheck counts what is odd about a run's replay marks; each is one violation for the run.
type markCheck struct {
	marked   int    // messages marked
	fresh    bool   // an unmarked message was shown that hadn't been shown before
	excess   bool   // the run begins too early, and that has been reported
	bare     int    // messages shown again without a mark
	bareAt   *shown // the first of them
	baseless int    // messages marked though they can't have been shown before
	badAt    *shown // the first of them
}

// judgeMark asks whether a message that was shown before says so, and no other does. After a kill nobody knows the
// last message that was shown, so that marks may go on for a few more.
func (r *runCheck) judgeMark(e *shown) {
	m := &r.marks
	if r.run.begin == BeginStart || r.was.unjudged || m.excess {
		return
	}
	again := e.place <= r.was.high
	switch {
	case again && !e.Replay:
		m.bare++
		m.bareAt = cmp.Or(m.bareAt, e)
	case !again && !e.Replay:
		m.fresh = true
	case !again && (e.place > r.was.doubt || m.fresh || m.marked >= r.c.opts.ReplayLimit):
		m.baseless++
		m.badAt = cmp.Or(m.badAt, e)
	}
	if e.Replay {
		m.marked++
	}
}

func (r *runCheck) reportMarks() {
	m := r.marks
	if m.bare > 0 {
		r.c.report(r.violation(ViolationDoubled, m.bareAt.place, m.bareAt.ID), func() string {
			return fmt.Sprintf("%d shown again without a mark, the first is %s at %s; earlier runs had got to seq %d",
				m.bare, name(m.bareAt.Event), clock(m.bareAt.Event), r.was.high)
		})
	}
	if m.baseless > 0 {
		r.c.report(r.violation(ViolationDoubled, m.badAt.place, m.badAt.ID), func() string {
			return fmt.Sprintf("%d marked as shown before, the first is %s at %s, which nobody can have been shown: "+
				"earlier runs had got to seq %d", m.baseless, name(m.badAt.Event), clock(m.badAt.Event), r.was.high)
		})
	}
}
