package outbox

import "time"

// item is an open entry. The owner's alone; what others see is Queue.open.
type item struct {
	Entry
	bytes  int
	flying bool // part of a batch that is under way
	panics int  // times that Send panicked on it alone
}

// lane is one channel's open entries, in order. The owner's alone.
type lane struct {
	name    string
	items   []*item
	last    uint64    // the last DeviceSeq given
	flying  int       // items under way
	rewind  bool      // something failed: nothing is sent until all under way are back, then all from the first
	failed  int       // failures in a row
	notYet  time.Time // nothing is sent before
	careful bool      // one entry at a time, until one is sent: Send panicked on a batch, or the numbers are in doubt
}

// sendable returns the items that may be sent now: those behind what is under way, unless the lane rewinds or waits.
func (l *lane) sendable(now time.Time) []*item {
	if l.rewind && l.flying == 0 {
		l.rewind = false
	}
	if l.rewind || now.Before(l.notYet) || l.careful && l.flying > 0 {
		return nil
	}
	for i, it := range l.items {
		if !it.flying {
			if l.careful {
				return l.items[i : i+1]
			}
			return l.items[i:]
		}
	}
	return nil
}

// remove takes a settled item out.
func (l *lane) remove(it *item) {
	for i, v := range l.items {
		if v == it && i == 0 { // nearly always; the rest of a long lane needn't move
			l.items[0] = nil
			l.items = l.items[1:]
			break
		}
		if v == it {
			l.items = append(l.items[:i], l.items[i+1:]...)
			break
		}
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
	for _, it := range l.items {
		if it.DeviceSeq == next && next <= refused {
			return true
		}
	}
	return false
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
	l.last = next - 1
	for _, it := range l.items {
		if it.DeviceSeq != 0 {
			l.last++
			renumbered = append(renumbered, it)
		}
	}
	return renumbered
}
