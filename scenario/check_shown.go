package scenario

import (
	"fmt"
	"slices"
)

// position is what is known, between two runs, of how far a client's application has got in a channel. A clean stop
// leaves low and high equal; a killed client may not have noted the last messages that it handed over.
type position struct {
	low, high uint64 // the lowest seq after which the client may go on; the highest that was ever shown
	doubt     uint64 // a killed run may have shown up to here without living to record it; nothing beyond high if lower
	unjudged  bool   // after a run from elsewhere nobody can say which marks are right, until high is passed
}

// shown is a message that was shown, and the seq at which it counts.
type shown struct {
	*Event
	place uint64
}

// runCheck follows one run through one channel.
type runCheck struct {
	c       *checker
	client  string
	channel string
	run     *clientRun
	was     position
	first   *shown // nil until something was shown
	last    *shown // the one with the highest seq yet
	missing []span // ascending
	marks   markCheck
}

// checkClient follows a client through its runs, for each channel.
func (c *checker) checkClient(client string) {
	for _, channel := range c.ix.channelsOf(client) {
		pos := position{}
		for _, run := range c.ix.clients[client] {
			r := &runCheck{c: c, client: client, channel: channel, run: run, was: pos}
			for _, e := range run.shown[channel] {
				if place, ok := r.place(e); ok {
					r.show(&shown{e, place})
				}
			}
			r.reportGaps()
			r.reportMarks()
			pos = r.next()
		}
		c.reached[stream{client, channel}] = pos.high
	}
}

// violation is the frame of what this run did wrong.
func (r *runCheck) violation(kind ViolationKind, seq uint64, id string) Violation {
	return Violation{Kind: kind, Client: r.client, Run: r.run.n, Channel: r.channel, Seq: seq, ID: id}
}

// place compares a shown message with the stored one, and says at which seq it counts: where nothing is stored with
// its seq, where its id is stored. ok is false if there is no such thing either.
func (r *runCheck) place(e *Event) (seq uint64, ok bool) {
	v := r.violation(ViolationUnknown, e.Seq, e.ID)
	var row *Event
	if t := r.c.ix.tables[r.channel]; t != nil {
		row = t.bySeq[e.Seq]
	}
	if row == nil || row.Seq == 0 {
		return r.placeByID(e, v)
	}
	switch {
	case e.ID != row.ID:
		r.c.report(v, func() string {
			return fmt.Sprintf("%s was shown at %s, and stored is %s", name(e), clock(e), name(row))
		})
	case e.User != row.User:
		r.c.report(v, func() string {
			return fmt.Sprintf("%s was shown at %s as a message of %q, and is stored as one of %q",
				name(e), clock(e), e.User, row.User)
		})
	case e.Text != row.Text:
		r.c.report(v, func() string {
			return fmt.Sprintf("%s was shown at %s as %s, and is stored as %s",
				name(e), clock(e), quote(e.Text), quote(row.Text))
		})
	}
	return e.Seq, true
}

func (r *runCheck) placeByID(e *Event, v Violation) (seq uint64, ok bool) {
	if m := r.c.ix.messages[e.ID]; m != nil {
		i := slices.IndexFunc(m.rows, func(row *Event) bool {
			return row.Channel == r.channel && row.Seq > 0
		})
		if i >= 0 {
			row := m.rows[i]
			r.c.report(v, func() string {
				return fmt.Sprintf("%s was shown at %s, and is stored with seq %d", name(e), clock(e), row.Seq)
			})
			return row.Seq, true
		}
	}
	r.c.report(v, func() string { return fmt.Sprintf("%s was shown at %s, and isn't stored", name(e), clock(e)) })
	return 0, false
}

// show judges the place of the next message of the run.
func (r *runCheck) show(e *shown) {
	switch {
	case r.first == nil:
		r.begin(e)
		r.first, r.last = e, e
	case e.place > r.last.place:
		r.leaveOut(span{lo: r.last.place + 1, hi: e.place - 1, before: r.last, after: e, gap: true})
		r.last = e
	case r.fill(e.place):
		r.c.report(r.violation(ViolationReordered, e.place, e.ID), func() string {
			return fmt.Sprintf("%s was shown at %s, after %s at %s", name(e.Event), clock(e.Event),
				name(r.last.Event), clock(r.last.Event))
		})
	default:
		r.c.report(r.violation(ViolationDoubled, e.place, e.ID), func() string {
			return fmt.Sprintf("%s was shown a second time in the same run, at %s", name(e.Event), clock(e.Event))
		})
		return
	}
	r.judgeMark(e)
}

// begin judges where the run begins: after what the client had, or again with the last few messages of it.
func (r *runCheck) begin(e *shown) {
	was := r.was
	switch r.run.begin {
	case BeginStart:
		r.leaveOut(span{lo: 1, hi: e.place - 1, after: e, gap: true})
		return
	case BeginProcessed:
		r.leaveOut(span{lo: 1, hi: min(was.high, e.place-1), after: e})
		if was.high < e.place {
			r.leaveOut(span{lo: was.high + 1, hi: e.place - 1, after: e, gap: true})
		}
	case BeginNow:
		r.leaveOut(span{lo: 1, hi: e.place - 1, after: e})
		was.low = was.high
	}
	if e.place > was.low {
		return
	}
	r.marks.excess = true
	r.c.report(r.violation(ViolationDoubled, e.place, e.ID), func() string {
		if was.low == was.high {
			return fmt.Sprintf("the run begins with %s again, though all up to seq %d was shown and done with before",
				name(e.Event), was.high)
		}
		return fmt.Sprintf("the run begins with %s again; after seq %d had been shown, and with a limit of %d, "+
			"it may begin with seq %d", name(e.Event), was.high, r.c.opts.ReplayLimit, was.low+1)
	})
}

// next is the position after this run.
func (r *runCheck) next() position {
	was := r.was
	limit := uint64(r.c.opts.ReplayLimit)
	if r.first == nil {
		if !r.run.clean {
			was.doubt = max(was.doubt, was.high+limit)
		}
		return was
	}
	end := r.last.place
	pos := position{low: end, high: max(was.high, end), doubt: was.doubt, unjudged: was.unjudged && end < was.high}
	if r.marks.fresh { // it was past the last that may have been shown
		pos.doubt = 0
	}
	if r.run.begin == BeginProcessed { // what may have been shown was counted from here
		pos.doubt = min(pos.doubt, r.first.place-1+limit)
	}
	if !r.run.clean {
		pos.low = end - min(end, limit)
		pos.doubt = pos.high + limit
	}
	switch r.run.begin {
	case BeginProcessed:
		pos.low = max(pos.low, r.first.place-1) // it went on from there, so that much was noted
	case BeginStart:
		if end < was.high { // whether reading from the start moves the mark back is the client's affair
			pos.low, pos.unjudged = min(pos.low, was.low), true
		}
	case BeginNow:
		if pos.low < r.first.place { // nothing of it need have been noted, and what it skipped wasn't shown
			pos.low, pos.unjudged = min(pos.low, was.low), true
		}
	}
	return pos
}
