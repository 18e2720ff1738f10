package scenario_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

// histWorld makes valid histories: clients that send and read, a table that takes their messages in order, and runs
// that end cleanly or by a kill. It is a model of the promises, written apart from the checker.
type histWorld struct {
	rng      *rand.Rand
	h        *scenario.History
	channels []string
	clients  []*histClient
	tables   map[string][]histRow
	nextID   int
	opts     scenario.CheckOptions
}

type histRow struct {
	scenario.Row
	sender *histClient
}

type histClient struct {
	name, user string
	run        *scenario.Run
	begin      scenario.Begin
	queues     map[string][]histMessage
	deviceSeq  map[string]uint64
	read       map[string]*histReader
}

type histMessage struct{ id, text string }

// histReader is a client's place in a channel; positions are numbers of messages.
type histReader struct {
	cursor  int // the next to show is cursor+1
	mark    int // what the client has noted as processed; behind shown by at most the replay limit
	from    int // where this run began
	showing int // shown in this run
	shown   map[int]bool
}

func newHistWorld(rng *rand.Rand) *histWorld {
	w := &histWorld{rng: rng, h: &scenario.History{}, tables: map[string][]histRow{}}
	w.opts = scenario.CheckOptions{Final: true, Members: map[string][]string{}, Users: map[string]string{}}
	for i := range 1 + rng.IntN(3) {
		w.channels = append(w.channels, fmt.Sprintf("channel-%d", i))
	}
	for i := range 2 + rng.IntN(3) {
		c := &histClient{
			name: fmt.Sprintf("client-%d", i), queues: map[string][]histMessage{},
			deviceSeq: map[string]uint64{}, read: map[string]*histReader{},
		}
		c.user = c.name
		if rng.IntN(3) == 0 { // two devices of one user
			c.user = "shared"
			w.opts.Users[c.name] = c.user
		}
		for _, channel := range w.channels {
			c.read[channel] = &histReader{shown: map[int]bool{}}
			w.opts.Members[channel] = append(w.opts.Members[channel], c.name)
		}
		w.clients = append(w.clients, c)
		w.start(c, scenario.BeginProcessed)
	}
	return w
}

// run makes a whole history: steps at random, then everything is delivered and the table is dumped.
func (w *histWorld) run(steps int) {
	for range steps {
		c := w.clients[w.rng.IntN(len(w.clients))]
		channel := w.channels[w.rng.IntN(len(w.channels))]
		switch p := w.rng.IntN(100); {
		case p < 20:
			w.send(c, channel)
		case p < 22:
			w.sendTogether(c, channel)
		case p < 24:
			w.withdraw(c, channel)
		case p < 26:
			w.offerUnanswered(c, channel)
		case p < 45:
			w.store(c, channel)
		case p < 98:
			w.show(c, channel)
		default:
			w.restart(c)
		}
	}
	w.settle()
}

func (w *histWorld) settle() {
	for _, c := range w.clients {
		for _, channel := range w.channels {
			w.send(c, channel) // so that there is something to break everywhere
			for len(c.queues[channel]) > 0 {
				w.store(c, channel)
			}
		}
	}
	for _, c := range w.clients {
		for _, channel := range w.channels {
			for c.read[channel].cursor < len(w.tables[channel]) {
				w.show(c, channel)
			}
			c.run.Synced(channel)
		}
	}
	for _, channel := range w.channels {
		for _, row := range w.tables[channel] {
			w.h.Stored(row.Row)
		}
	}
}

func (w *histWorld) id() (id, text string) {
	w.nextID++
	return fmt.Sprintf("m%d", w.nextID), fmt.Sprintf("text %d", w.nextID)
}

func (w *histWorld) send(c *histClient, channel string) {
	id, text := w.id()
	if w.rng.IntN(2) == 0 {
		c.run.Offered(channel, id, text)
	}
	c.run.Accepted(channel, id, text, true)
	c.queues[channel] = append(c.queues[channel], histMessage{id: id, text: text})
}

// sendTogether is two concurrent sends: either may come first in the queue, and either may be answered first.
func (w *histWorld) sendTogether(c *histClient, channel string) {
	var both []histMessage
	for range 2 {
		id, text := w.id()
		c.run.Offered(channel, id, text)
		both = append(both, histMessage{id: id, text: text})
	}
	for _, i := range w.rng.Perm(2) {
		c.run.Accepted(channel, both[i].id, both[i].text, true)
	}
	for _, i := range w.rng.Perm(2) {
		c.queues[channel] = append(c.queues[channel], both[i])
	}
}

// offerUnanswered is a send whose caller never heard: the message may be queued or not.
func (w *histWorld) offerUnanswered(c *histClient, channel string) {
	id, text := w.id()
	c.run.Offered(channel, id, text)
	if w.rng.IntN(2) == 0 {
		c.queues[channel] = append(c.queues[channel], histMessage{id: id, text: text})
	}
}

func (w *histWorld) withdraw(c *histClient, channel string) {
	q := c.queues[channel]
	if len(q) == 0 {
		return
	}
	i := w.rng.IntN(len(q))
	switch w.rng.IntN(3) {
	case 0:
		c.run.Cancelled(channel, q[i].id, "by the user")
	case 1:
		c.run.Parked(channel, q[i].id, "refused")
		c.deviceSeq[channel]++ // its number is used up
	default:
		c.run.Expired(channel, q[i].id, "too old")
	}
	c.queues[channel] = slices.Delete(q, i, i+1)
}

func (w *histWorld) store(c *histClient, channel string) {
	q := c.queues[channel]
	if len(q) == 0 {
		return
	}
	m := q[0]
	c.queues[channel] = q[1:]
	c.deviceSeq[channel]++
	row := scenario.Row{
		Channel: channel, ID: m.id, Seq: uint64(len(w.tables[channel]) + 1), User: c.user, Text: m.text,
		Device: c.name, DeviceSeq: c.deviceSeq[channel],
	}
	w.tables[channel] = append(w.tables[channel], histRow{row, c})
	if w.rng.IntN(4) > 0 {
		c.run.Acked(channel, m.id, row.Seq)
	}
}

func (w *histWorld) show(c *histClient, channel string) {
	r := c.read[channel]
	if r.cursor >= len(w.tables[channel]) {
		return
	}
	row := w.tables[channel][r.cursor]
	r.cursor++
	replay := c.begin == scenario.BeginProcessed && r.shown[r.cursor]
	c.run.Shown(channel, row.Seq, row.ID, row.User, row.Text, replay)
	r.showing++
	r.shown[r.cursor] = true
	if mark := r.cursor - w.rng.IntN(65); mark > r.from { // noted now and then
		r.mark = max(r.mark, mark)
	}
}

func (w *histWorld) restart(c *histClient) {
	clean := w.rng.IntN(2) == 0
	if clean || w.rng.IntN(2) == 0 { // a killed one may be marked as such by its keeper, or not
		c.run.Stopped(clean)
	}
	begin := scenario.BeginProcessed
	switch w.rng.IntN(8) {
	case 0:
		begin = scenario.BeginStart
	case 1:
		begin = scenario.BeginNow
	}
	for _, r := range c.read {
		if clean && r.showing > 0 {
			r.mark = max(r.mark, r.cursor)
		}
	}
	w.start(c, begin)
}

func (w *histWorld) start(c *histClient, begin scenario.Begin) {
	c.begin = begin
	if begin == scenario.BeginProcessed {
		c.run = w.h.StartRun(c.name, "") // the default
	} else {
		c.run = w.h.StartRun(c.name, begin)
	}
	for channel, r := range c.read {
		r.showing = 0
		switch begin {
		case scenario.BeginStart:
			r.cursor = 0
		case scenario.BeginNow:
			r.cursor = len(w.tables[channel])
		default:
			r.cursor = r.mark
		}
		r.from = r.cursor
	}
}

// histOf puts events back into a history.
func histOf(events []scenario.Event) *scenario.History {
	h := &scenario.History{}
	for _, e := range events {
		h.Record(e)
	}
	return h
}

var histT0 = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
