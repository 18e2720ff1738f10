package scenario

import (
	"cmp"
	"maps"
	"slices"
)

// message is all that the history says of one id, but for where it was shown.
type message struct {
	id        string
	client    string // the sender: whoever offered or accepted it first
	offered   int    // index of the first offer or acceptance
	promised  int    // index of the first acceptance or ack; -1 if there was none
	first     *Event // the first acceptance, else the first offer; nil if there was neither
	last      *Event // the last acceptance, nil if there was none
	text      *Event // the first offer or acceptance that knows the text; nil if none does
	durable   bool   // some acceptance outlives its run
	acks      []*Event
	withdrawn *Event // the last report of parked, cancelled or expired
	rows      []*Event
}

// table is the server's table of one channel.
type table struct {
	rows  []*Event // by seq, then as recorded
	bySeq map[uint64]*Event
}

// between counts the stored messages with lo <= seq <= hi and returns the first of them.
func (t *table) between(lo, hi uint64) (n int, first *Event) {
	if t == nil || hi < lo {
		return 0, nil
	}
	i, _ := slices.BinarySearchFunc(t.rows, lo, func(e *Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	j := len(t.rows)
	if hi != ^uint64(0) {
		j, _ = slices.BinarySearchFunc(t.rows, hi+1, func(e *Event, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	}
	if i >= j {
		return 0, nil
	}
	return j - i, t.rows[i]
}

// clientRun is what the history says of one run.
type clientRun struct {
	n      int
	begin  Begin
	ended  bool // stopped, cleanly or not, or followed by another run
	clean  bool
	shown  map[string][]*Event
	synced map[string]int // index of the first Synced of a channel
}

// index is a history sorted for the checks.
type index struct {
	messages map[string]*message
	order    []*message // by first mention
	tables   map[string]*table
	clients  map[string][]*clientRun // by number
	counts   Counts
}

func buildIndex(events []Event, opts CheckOptions) *index {
	ix := &index{
		messages: map[string]*message{}, tables: map[string]*table{}, clients: map[string][]*clientRun{},
	}
	for i := range events {
		ix.add(i, &events[i], opts)
	}
	for _, t := range ix.tables {
		slices.SortStableFunc(t.rows, func(a, b *Event) int { return cmp.Compare(a.Seq, b.Seq) })
		ix.counts.Stored += len(t.rows)
		for _, row := range t.rows {
			if m := ix.messages[row.ID]; m != nil {
				m.rows = append(m.rows, row)
			}
		}
	}
	for _, runs := range ix.clients {
		slices.SortFunc(runs, func(a, b *clientRun) int { return cmp.Compare(a.n, b.n) })
		for _, r := range runs[:len(runs)-1] {
			r.ended = true
		}
		ix.counts.Runs += len(runs)
	}
	for _, m := range ix.order {
		ix.countMessage(m)
		slices.SortStableFunc(m.rows, func(a, b *Event) int {
			return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Seq, b.Seq))
		})
	}
	ix.counts.Events, ix.counts.Clients, ix.counts.Channels = len(events), len(ix.clients), len(ix.tables)
	return ix
}

func (ix *index) countMessage(m *message) {
	if m.promised >= 0 {
		ix.counts.Accepted++
	}
	if len(m.acks) > 0 {
		ix.counts.Acked++
	}
	if m.withdrawn != nil {
		ix.counts.Withdrawn++
	}
}

// add files one event.
func (ix *index) add(i int, e *Event, opts CheckOptions) {
	var run *clientRun
	if e.Client != "" && e.Kind != KindFaultBegan && e.Kind != KindFaultEnded {
		run = ix.run(e.Client, e.Run, opts)
	}
	switch e.Kind {
	case KindStored:
		if !opts.NoTable {
			ix.store(e)
		}
	case KindOffered, KindAccepted, KindAcked, KindParked, KindCancelled, KindExpired:
		ix.addMessage(i, e)
	case KindFaultBegan, KindFaultEnded, KindState:
		// Only Timings needs them.
	case KindStarted, KindStopped, KindSynced, KindShown:
		if run != nil {
			ix.addToRun(run, i, e)
		}
		if e.Kind == KindShown && opts.NoTable {
			ix.store(e)
		}
	}
}

func (ix *index) addToRun(run *clientRun, i int, e *Event) {
	if e.Kind == KindStarted {
		switch e.Begin {
		case BeginProcessed, BeginStart, BeginNow:
			run.begin = e.Begin
		}
	}
	if e.Kind == KindStopped {
		run.ended, run.clean = true, e.Clean
	}
	if e.Kind == KindSynced {
		if _, ok := run.synced[e.Channel]; !ok {
			run.synced[e.Channel] = i
		}
	}
	if e.Kind == KindShown {
		ix.counts.Shown++
		if e.Replay {
			ix.counts.Replayed++
		}
		run.shown[e.Channel] = append(run.shown[e.Channel], e)
	}
}

// store files a row. Without a dump the first client that is shown (seq, id) stands for the table.
func (ix *index) store(e *Event) {
	t := ix.tables[e.Channel]
	if t == nil {
		t = &table{bySeq: map[uint64]*Event{}}
		ix.tables[e.Channel] = t
	}
	former := t.bySeq[e.Seq]
	if former != nil && e.Kind == KindShown {
		return // a different id at this seq is found when the shown messages are compared with the table
	}
	if former == nil {
		t.bySeq[e.Seq] = e
	}
	t.rows = append(t.rows, e)
}

func (ix *index) addMessage(i int, e *Event) {
	m := ix.messages[e.ID]
	if m == nil {
		m = &message{id: e.ID, client: e.Client, offered: i, promised: -1}
		ix.messages[e.ID] = m
		ix.order = append(ix.order, m)
	}
	switch {
	case e.Kind == KindAcked:
		m.acks = append(m.acks, e)
	case e.Kind != KindOffered && e.Kind != KindAccepted:
		m.withdrawn = e
	default:
		if m.first == nil || (m.first.Kind == KindOffered && e.Kind == KindAccepted) {
			m.first = e
		}
		if m.text == nil && !e.NoText {
			m.text = e
		}
		if e.Kind == KindAccepted {
			m.last = e
			m.durable = m.durable || !e.Volatile
		}
	}
	if m.promised < 0 && (e.Kind == KindAccepted || e.Kind == KindAcked) {
		m.promised = i
	}
}

// run finds or makes the record of a run.
func (ix *index) run(client string, n int, opts CheckOptions) *clientRun {
	runs := ix.clients[client]
	for i := len(runs) - 1; i >= 0; i-- { // the present one is nearly always the last
		if runs[i].n == n {
			return runs[i]
		}
	}
	r := &clientRun{n: n, begin: opts.Begin, shown: map[string][]*Event{}, synced: map[string]int{}}
	ix.clients[client] = append(runs, r)
	return r
}

// runOf returns a client's run by number, nil if there is none.
func (ix *index) runOf(client string, n int) *clientRun {
	for _, r := range ix.clients[client] {
		if r.n == n {
			return r
		}
	}
	return nil
}

// channelsOf returns the channels of which any run of the client was shown something.
func (ix *index) channelsOf(client string) []string {
	set := map[string]bool{}
	for _, r := range ix.clients[client] {
		for channel := range r.shown {
			set[channel] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
