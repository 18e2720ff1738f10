package inbox

// channel is what is known of one channel. All fields are guarded by Inbox.mu; the methods are pure.
type channel struct {
	name      string
	saved     Saved  // what the store had at the start; until the channel is known, it is all there is to show
	processed uint64 // the application's mark
	shown     uint64 // the newest that a loop body may have got
	mark      Mark   // as the store has it
	again     span   // may have been shown before an unclean stop

	known      bool   // the channel was followed: top is the one to fill up from
	top        uint64 // everything that anybody asked for up to here is in the store
	target     uint64 // the newest that the server is known to have
	joined     uint64 // target of the last Follow: reaching it is being synced
	following  bool   // Follow was called
	recovering bool   // the stream is still bringing what was missed
	verify     bool   // ask the server even though nothing seems to be missing
	wasSynced  bool
	gen        int // counts rewinds: what was read before one is void

	pending map[uint64]Message // above top, waiting for the writer or for a gap to be filled
	dirty   bool               // the writer has work
	filling bool               // a filler runs
	readers map[*reader]struct{}
	changed chan struct{} // closed and replaced when readers may find something new
}

// span are the numbers after from up to to.
type span struct{ from, to uint64 }

func (s span) has(seq uint64) bool { return seq > s.from && seq <= s.to }

func newChannel(name string, saved Saved) *channel {
	return &channel{
		name: name, saved: saved, processed: saved.Processed, shown: saved.Shown, mark: saved.Mark, top: saved.Last,
		again: span{saved.Processed, saved.Shown}, pending: map[uint64]Message{},
		readers: map[*reader]struct{}{}, changed: make(chan struct{}),
	}
}

// offer takes a message into pending. Beyond limit only the number is kept, so that it is fetched later.
func (c *channel) offer(m Message, limit int) {
	if m.Seq == 0 || c.known && m.Seq <= c.top {
		return // no number, or a repeat
	}
	c.target = max(c.target, m.Seq)
	if len(c.pending) < limit {
		c.pending[m.Seq] = m
	}
}

// follow notes the start of a stream. The first time it also settles where the channel begins: with what its readers
// want, else with what comes from now on.
func (c *channel) follow(last uint64) {
	c.following, c.recovering, c.joined = true, true, last
	if !c.known {
		c.known, c.top = true, c.begin(last)
		c.drop()
		c.signal()
	}
	if last < c.top || last < c.processed {
		c.verify = true // a reply that was overtaken, or a server that lost messages: it is asked which
	}
	c.target = max(c.target, last)
}

// begin places the readers, before messages come, and returns the number after which something may have to be fetched.
// What the store has needn't be; a reader that wants older ones than it has reads them by itself.
func (c *channel) begin(last uint64) uint64 {
	top := last
	have := c.saved.Last > 0 && planted != bugKeptIgnored
	for r := range c.readers {
		r.cursor, r.placed = r.wants(c.processed, last), true
		if !have || r.cursor+1 >= c.saved.First {
			top = min(top, r.cursor)
		}
	}
	if have && top+1 >= c.saved.First && top < c.saved.Last {
		return c.saved.Last
	}
	return top
}

// drop forgets pending messages that are no longer news.
func (c *channel) drop() {
	for seq := range c.pending {
		if seq <= c.top {
			delete(c.pending, seq)
		}
	}
}

// synced: everything that the server had at the last (re)start of the stream is here, and the stream has begun.
func (c *channel) synced() bool { return c.following && c.known && !c.recovering && c.top >= c.joined }

// hasRun says whether the next message is waiting for the writer.
func (c *channel) hasRun() bool {
	_, ok := c.pending[c.top+1]
	if planted == bugGapSkipped {
		ok = len(c.pending) > 0
	}
	return c.known && ok
}

// run returns the messages that follow top without a gap.
func (c *channel) run() []Message {
	var out []Message
	for seq := c.top + 1; ; seq++ {
		m, ok := c.pending[seq]
		if !ok && planted == bugGapSkipped && seq < c.target {
			continue
		}
		if !ok {
			return out
		}
		out = append(out, m)
	}
}

// needsFetch says whether something is missing that the stream won't bring: a gap below a pending message can't be
// filled by it any more, and the rest only while it is recovering.
func (c *channel) needsFetch() bool {
	if !c.known || c.hasRun() {
		return false // the writer first: it may close the gap
	}
	return c.verify || len(c.pending) > 0 || c.target > c.top && !c.recovering
}

// ahead is how far top is ahead of the slowest reader. One that is farther behind than limit doesn't count: it reads
// old history by itself, and must not keep the others from what is new.
func (c *channel) ahead(limit uint64) uint64 {
	var most uint64
	for r := range c.readers {
		if r.placed && r.cursor < c.top && c.top-r.cursor <= limit {
			most = max(most, c.top-r.cursor)
		}
	}
	return most
}

// rewind goes back to last, where the server lost what came after.
func (c *channel) rewind(last uint64) {
	c.gen++
	c.top, c.target, c.joined = min(c.top, last), last, min(c.joined, last)
	c.processed, c.shown, c.again.to = min(c.processed, last), min(c.shown, last), min(c.again.to, last)
	c.mark = Mark{min(c.mark.Processed, last), min(c.mark.Shown, last)}
	clear(c.pending)
	for r := range c.readers {
		r.cursor = min(r.cursor, last)
	}
	c.signal()
}

// signal wakes the readers.
func (c *channel) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}
