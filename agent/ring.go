package agent

import (
	"cmp"
	"encoding/json"
	"slices"
)

const (
	// ringEvents is how many events are kept for streams that are behind or begin again, and ringBytes how much at most.
	ringEvents = 1024
	ringBytes  = 8 << 20
)

const (
	eventChange  = "change"
	eventMessage = "message"
)

// event is one that streams tell. It never changes.
type event struct {
	id    uint64
	kind  string
	parts partSet // of a change
	data  []byte  // a JSON object with at least one key
}

// ring numbers the events, keeps the last ones, and holds the snapshot that they lead to. It isn't safe for concurrent use.
type ring struct {
	seq    uint64
	kept   []*event // without a gap, up to seq
	bytes  int      // of their data
	lost   uint64   // id of the newest message that isn't kept any more
	latest [partCount]*event
	values values
	news   chan struct{} // closed by the next event
}

func newRing() *ring { return &ring{news: make(chan struct{})} }

// change tells those values that differ, and says whether any did. Nil ones stay as they are.
func (r *ring) change(now values) bool {
	var set partSet
	for p, v := range now {
		if v != nil && string(v) != string(r.values[p]) {
			set |= part(p).set()
			r.values[p] = v
		}
	}
	if set == 0 {
		return false
	}
	e := &event{kind: eventChange, parts: set, data: r.values.object(set)}
	r.put(e)
	for p := range r.latest {
		if set&part(p).set() != 0 {
			r.latest[p] = e
		}
	}
	return true
}

func (r *ring) message(data []byte) { r.put(&event{kind: eventMessage, data: data}) }

func (r *ring) put(e *event) {
	r.seq++
	e.id = r.seq
	r.kept = append(r.kept, e)
	r.bytes += len(e.data)
	for len(r.kept) > ringEvents || r.bytes > ringBytes && len(r.kept) > 1 {
		old := r.kept[0]
		r.kept[0] = nil
		r.kept = r.kept[1:]
		r.bytes -= len(old.data)
		if old.kind == eventMessage {
			r.lost = old.id
		}
	}
	close(r.news)
	r.news = make(chan struct{})
}

// after returns what a stream has to tell that told the event last, in order: every message, and of the changes those
// that the later ones don't make void. ok is false where a message is gone, or where last was never told.
func (r *ring) after(last uint64) (events []*event, ok bool) {
	if last > r.seq || planted != bugNoGap && r.lost > last {
		return nil, false
	}
	first := r.seq + 1 - uint64(len(r.kept))
	for p, e := range r.latest { // changes that aren't kept, but hold
		if e != nil && e.id > last && e.id < first && slices.Index(r.latest[:], e) == p {
			events = append(events, e)
		}
	}
	slices.SortFunc(events, func(a, b *event) int { return cmp.Compare(a.id, b.id) })
	events = append(events, r.kept[max(first, last+1)-first:]...)
	return dropVoid(events), true
}

// dropVoid leaves out changes all of whose parts are in later ones. Of the others at most one for each part is left.
func dropVoid(events []*event) []*event {
	var later partSet
	at := len(events)
	for _, e := range slices.Backward(events) {
		void := e.kind == eventChange && e.parts&^later == 0
		if planted == bugMergeHalf {
			void = e.kind == eventChange && e.parts&later != 0
		}
		if !void {
			at--
			events[at] = e
			later |= e.parts
		}
	}
	return events[at:]
}

// text appends an event as a stream writes it that wrote last before.
func (e *event) text(b []byte, last uint64) []byte {
	b = append(append(b, "event: "...), e.kind...)
	b = appendNumber(append(b, "\nid: "...), e.id)
	b = append(b, "\ndata: {"...)
	if e.id != last+1 {
		b = append(appendNumber(append(b, `"after":`...), last), ',')
	}
	return append(append(b, e.data[1:]...), "\n\n"...)
}

// state is the whole snapshot as JSON. Head is what never changes, an object.
func (r *ring) state(head []byte, now Time) []byte {
	b := appendNumber(append(head[:len(head)-1:len(head)-1], `,"seq":`...), r.seq)
	at, _ := json.Marshal(now) // can't fail
	b = append(append(append(b, `,"time":`...), at...), ',')
	return append(b, r.values.object(1<<partCount - 1)[1:]...)
}
