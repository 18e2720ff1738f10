package outbox

import (
	"cmp"
	"slices"
	"time"
)

// item is an open or a parked entry. The owner's alone; what others see is Queue.open and Queue.parked.
type item struct {
	Entry
	bytes     int
	flying    bool      // part of a batch that is under way
	panics    int       // times that Send panicked on it alone
	deadline  time.Time // when it expires, by the monotonic clock; zero: never
	holds     bool      // parked, and its lane stands still for it
	holdUntil time.Time // end of that; zero: until it is retried or discarded
}

// lane is one account's open entries in one channel, in order: first those that have a DeviceSeq, by it, then the rest
// by Order. The owner's alone.
type lane struct {
	Lane
	items   []*item
	holders []*item   // parked ones that the lane stands still for
	count   Count     // the numbers given and stored
	entries int       // open and parked
	bytes   int64     // of these
	flying  int       // items under way
	rewind  bool      // something failed: nothing is sent until all under way are back, then all from the first
	failed  int       // failures in a row
	notYet  time.Time // nothing is sent before
	careful bool      // one entry at a time, until one is sent: Send panicked on a batch
	doubt   bool      // the same: the server may count differently
}

// alone says whether entries have to go one at a time.
func (l *lane) alone() bool { return l.careful || l.doubt }

// held says whether the lane stands still for a refused entry.
func (l *lane) held(now time.Time) bool {
	return slices.ContainsFunc(l.holders, func(it *item) bool {
		return it.holdUntil.IsZero() || now.Before(it.holdUntil)
	})
}

// sendable returns up to limit items that may be sent now: those behind what is under way, unless the lane rewinds or
// waits. What was transmitted before goes again even where the lane is held: its outcome has to be learned.
func (l *lane) sendable(now time.Time, limit int, waits func(*item) bool) []*item {
	if l.rewind && l.flying == 0 {
		l.rewind = false
	}
	if l.rewind || now.Before(l.notYet) || l.alone() && l.flying > 0 {
		return nil
	}
	if l.alone() {
		limit = 1
	}
	begin := 0
	for begin < len(l.items) && l.items[begin].flying {
		begin++
	}
	end, held := begin, l.held(now)
	for end < len(l.items) && end-begin < limit {
		if it := l.items[end]; it.DeviceSeq == 0 && (held || waits(it)) {
			break
		}
		end++
	}
	return l.items[begin:end]
}

// before is the order in a lane.
func before(a, b *item) int {
	switch {
	case a.DeviceSeq != 0 && b.DeviceSeq != 0:
		return cmp.Compare(a.DeviceSeq, b.DeviceSeq)
	case a.DeviceSeq != 0:
		return -1
	case b.DeviceSeq != 0:
		return 1
	}
	return cmp.Compare(a.Order, b.Order)
}

// insert puts an item in its place.
func (l *lane) insert(it *item) {
	if n := len(l.items); n == 0 || before(l.items[n-1], it) < 0 { // nearly always
		l.items = append(l.items, it)
		return
	}
	at, _ := slices.BinarySearchFunc(l.items, it, before)
	l.items = slices.Insert(l.items, at, it)
}

// remove takes an item out.
func (l *lane) remove(it *item) {
	if len(l.items) > 0 && l.items[0] == it { // nearly always; the rest of a long lane needn't move
		l.items[0] = nil
		l.items = l.items[1:]
	} else if at := slices.Index(l.items, it); at >= 0 {
		l.items = slices.Delete(l.items, at, at+1)
	}
	if it.flying {
		it.flying = false
		l.flying--
	}
}

// fail makes the lane send everything again from the first open entry, after a wait.
func (l *lane) fail(until time.Time) {
	l.rewind = true
	if until.After(l.notYet) {
		l.notYet = until
	}
}

// has says whether an open entry, not behind the refused one, has the number that the server waits for.
func (l *lane) has(next, refused uint64) bool {
	return next <= refused && slices.ContainsFunc(l.items, func(it *item) bool { return it.DeviceSeq == next })
}

// settle takes the server's word, given with a new connection, for the last number that it took. What is open up to
// there was stored or refused for good, by its id: asking again tells, in any order. What is behind follows on it if
// the two sides count alike; then nothing needs to be tried out alone.
func (l *lane) settle(last uint64) {
	l.count.Last = max(l.count.Last, last)
	next := l.count.Last + 1
	for _, it := range l.items {
		if it.DeviceSeq > last {
			next = it.DeviceSeq
			break
		}
	}
	l.doubt = next != last+1
}

// expect takes the server's word for the next DeviceSeq, said of an entry with the number refused. A lower one that an
// open entry has only means that this entry came first: sending again from there is enough. Otherwise the two sides
// disagree about what was sent before (one of them was restored from a backup, or counted an entry that it then
// didn't store): the open entries are numbered anew from there, which is safe, since the server knows what it has by
// the ids.
func (l *lane) expect(next, refused uint64) (renumbered []*item) {
	if next == 0 || l.has(next, refused) {
		return nil
	}
	l.count.Last = next - 1
	l.count.Sent = min(l.count.Sent, next-1)
	for _, it := range l.items {
		if it.DeviceSeq != 0 {
			l.count.Last++
			renumbered = append(renumbered, it)
		}
	}
	return renumbered
}
