package upload

import (
	"cmp"
	"slices"
	"time"
)

// turnFor is how long an upload may fail without progress before its turn goes to one that waits. It is longer than
// strange answers are borne, which are counted anew with each turn.
const turnFor = 20 * time.Second

// expiresSoon is when the server's copy is near enough to its end that the upload goes before others.
const expiresSoon = 24 * time.Hour

// turns is who may go next, so that files that the server chokes on don't keep the others from going. The owner's alone.
type turns struct {
	taken uint64 // counts turns that were taken away
	of    map[string]*turn
	look  <-chan time.Time // when the next turn may end, or begin again; nil if none waits for a time
}

// turn is what is known of an upload since its last progress.
type turn struct {
	taken uint64    // which of the turns taken away was its last; 0 if none was: it goes before those
	acked int64     // that it had
	heard bool      // the server answers it
	stuck time.Time // when it began to fail; zero while it doesn't
	until time.Time // the server asked to be left alone until then
}

// note looks at what an upload under way told. An outage, or a token that is missing, would be the others' too.
func (s *turns) note(c Change, now time.Time) {
	id, acked := c.Upload.ID, c.Upload.Progress.Acked
	n := s.of[id]
	switch {
	case c.To.Settled() || c.To == Paused || c.Reason == ReasonRemoved || n != nil && acked > n.acked:
		delete(s.of, id)
		return
	case n == nil:
		n = &turn{acked: acked}
		s.of[id] = n
	}
	n.acked = acked
	switch c.To {
	case Uploading:
		n.heard = n.heard || c.Reason == ReasonResumed
	case WaitingServer, WaitingLock:
		n.fails(now)
		n.until = now.Add(c.RetryIn)
	case WaitingNetwork:
		if n.heard && c.Reason != ReasonOffline {
			n.fails(now)
		}
	case Verifying, WaitingAuth:
		n.stuck = time.Time{}
	case Queued, Paused, Done, Failed, Cancelled:
	}
}

func (n *turn) fails(now time.Time) {
	if n.stuck.IsZero() {
		n.stuck = now
	}
}

// mayGo says whether an upload may be given a turn now, and if not, when.
func (s *turns) mayGo(id string, now time.Time) (at time.Time, ok bool) {
	n := s.of[id]
	if n == nil || n.taken == 0 || !n.until.After(now) {
		return time.Time{}, true
	}
	return n.until, false
}

// compare is the order in which uploads go: those that had their turn taken away behind the others, in the order of that,
// and those whose copy the server forgets soon before.
func (s *turns) compare(a, b *Upload, now time.Time) int {
	taken := func(u *Upload) uint64 {
		if n := s.of[u.ID]; n != nil {
			return n.taken
		}
		return 0
	}
	left := func(u *Upload) time.Duration {
		if u.ExpiresAt.IsZero() {
			return expiresSoon
		}
		return min(u.ExpiresAt.Sub(now), expiresSoon)
	}
	return cmp.Or(cmp.Compare(taken(a), taken(b)), cmp.Compare(left(a), left(b)), cmp.Compare(a.Order, b.Order))
}

// take takes its turn from an upload.
func (s *turns) take(n *turn) {
	s.taken++
	n.taken, n.heard, n.stuck = s.taken, false, time.Time{}
}

// stuck returns the uploads under way that fail.
func (o *owner) stuck() (ids []string) {
	for id := range o.runs {
		if t := o.turns.of[id]; t != nil && !t.stuck.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// yield has uploads that fail for long give their turn to those that wait for one, of which there are n. It returns when
// the next one may have to.
func (o *owner) yield(n int, now time.Time) (next time.Time) {
	if planted == bugKeepTurn {
		return next
	}
	ids := o.stuck()
	slices.SortFunc(ids, func(a, b string) int { return o.turns.of[a].stuck.Compare(o.turns.of[b].stuck) })
	t := &txn{o: o, staged: map[string]*staged{}}
	for _, id := range ids {
		turn, u := o.turns.of[id], o.rows[id]
		end := turn.stuck.Add(turnFor)
		switch {
		case u == nil || n == 0 || u.State != WaitingServer && u.State != WaitingLock && u.State != WaitingNetwork:
			// it tells what becomes of this attempt
		case end.After(now):
			next = earlier(next, end)
		default:
			n--
			o.turns.take(turn)
			o.runs[id].cancel(errNotWanted)
			t.move(id, evQueue, Change{Reason: ReasonQueued})
		}
	}
	if len(t.moved) > 0 {
		_ = o.commit(t) // nothing in it has to be kept
	}
	return next
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
