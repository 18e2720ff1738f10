package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// checkTables judges each channel's table by itself and against what was sent.
func (c *checker) checkTables() {
	for _, channel := range slices.Sorted(maps.Keys(c.ix.tables)) {
		t := c.ix.tables[channel]
		if !c.opts.NoTable {
			c.checkNumbers(channel, t)
		}
		for _, row := range t.rows {
			c.checkRow(row)
		}
		c.checkOrder(channel, t)
	}
}

// checkNumbers looks for seq that isn't 1, 2, 3, ….
func (c *checker) checkNumbers(channel string, t *table) {
	var last uint64
	for i, row := range t.rows {
		v := Violation{Kind: ViolationHole, Channel: channel, Seq: row.Seq, ID: row.ID}
		switch {
		case row.Seq == 0:
			c.report(v, func() string { return fmt.Sprintf("%s is stored without a seq", name(row)) })
		case i > 0 && row.Seq == last:
			c.repeated(v, t.rows[i-1], row)
		case row.Seq != last+1:
			v.Seq = last + 1
			c.report(v, func() string {
				return fmt.Sprintf("no message is stored with %s; %s comes next", seqs(last+1, row.Seq-1), name(row))
			})
		}
		last = row.Seq
	}
}

// repeated reports a seq that two messages have. One message twice is the business of checkPromises.
func (c *checker) repeated(v Violation, former, row *Event) {
	if former.ID == row.ID {
		return
	}
	c.report(v, func() string { return fmt.Sprintf("%s and %s are stored with one seq", name(former), name(row)) })
}

// checkRow asks whether somebody sent what is stored, as it is stored.
func (c *checker) checkRow(row *Event) {
	v := Violation{Kind: ViolationUnknown, Channel: row.Channel, Seq: row.Seq, ID: row.ID}
	m := c.ix.messages[row.ID]
	if m == nil || m.first == nil {
		c.report(v, func() string { return fmt.Sprintf("%s is stored, and nobody sent it", name(row)) })
		return
	}
	v.Client = m.client
	sender := m.first.User
	if sender == "" {
		sender = c.userOf(m.client)
	}
	switch {
	case row.Channel != m.first.Channel:
		c.report(v, func() string {
			return fmt.Sprintf("%s is stored in #%s, and was sent to #%s", name(row), row.Channel, m.first.Channel)
		})
	case row.User != sender:
		c.report(v, func() string {
			return fmt.Sprintf("%s is stored as a message of %q, and %q sent it", name(row), row.User, sender)
		})
	case m.text != nil && row.Text != m.text.Text:
		c.report(v, func() string {
			return fmt.Sprintf("%s is stored as %s, and was sent as %s", name(row), quote(row.Text), quote(m.text.Text))
		})
	}
}

// checkOrder compares, for each sender, the order of the table with the order of sending. Only pairs count of which
// one was accepted before the other was offered; those sent at the same time may be stored either way.
func (c *checker) checkOrder(channel string, t *table) {
	type bound struct {
		promised int // the earliest promise among the later rows
		row      *Event
	}
	earliest := map[string]bound{}
	for _, row := range slices.Backward(t.rows) {
		m := c.ix.messages[row.ID]
		// A withdrawn message that was sent after all was sent again later, at a place of its own.
		if m == nil || m.first == nil || m.withdrawn != nil || row.Channel != m.first.Channel || row != m.rows[0] {
			continue
		}
		b, ok := earliest[m.client]
		if ok && b.promised < m.offered {
			v := Violation{Kind: ViolationReordered, Client: m.client, Channel: channel, Seq: row.Seq, ID: row.ID}
			c.report(v, func() string {
				return fmt.Sprintf("%s is stored before %s, which %s had accepted before this one was sent",
					name(row), name(b.row), m.client)
			})
		}
		if m.promised >= 0 && (!ok || m.promised < b.promised) {
			earliest[m.client] = bound{promised: m.promised, row: row}
		}
	}
	c.checkDeviceOrder(channel, t)
}

// checkDeviceOrder asks whether each device's own numbers rise with seq. Numbers may be missing: a message that is
// refused for good uses its number up.
func (c *checker) checkDeviceOrder(channel string, t *table) {
	type device struct{ user, name string }
	last := map[device]*Event{}
	for _, row := range t.rows {
		if row.DeviceSeq == 0 || row.Device == "" {
			continue
		}
		d := device{row.User, row.Device}
		former := last[d]
		if former != nil && row.DeviceSeq <= former.DeviceSeq && row.ID != former.ID {
			v := Violation{Kind: ViolationReordered, Channel: channel, Seq: row.Seq, ID: row.ID}
			c.report(v, func() string {
				return fmt.Sprintf("%s has device number %d, and %s of the same device has %d",
					name(row), row.DeviceSeq, name(former), former.DeviceSeq)
			})
		}
		last[d] = row
	}
}

// checkPromises asks of each message whether what its client said of it came true.
func (c *checker) checkPromises() {
	for _, m := range c.ix.order {
		v := Violation{Client: m.client, ID: m.id}
		if m.first != nil {
			v.Channel = m.first.Channel
		}
		switch {
		case len(m.rows) == 0:
			c.checkLost(m, v)
			continue
		case len(m.rows) > 1:
			for _, row := range m.rows[1:] {
				v := v
				v.Kind, v.Seq = ViolationDoubled, row.Seq
				c.report(v, func() string {
					return fmt.Sprintf("%s is stored again as seq %d in #%s", name(m.rows[0]), row.Seq, row.Channel)
				})
			}
		}
		v.Seq = m.rows[0].Seq
		c.checkAcks(m, v)
		if m.withdrawn != nil && len(m.acks) == 0 && !slices.Contains(c.opts.MayBeStored, m.withdrawn.Kind) {
			v.Kind = ViolationUnknown
			c.report(v, func() string {
				return fmt.Sprintf("%s is stored, and was reported as %s at %s",
					name(m.rows[0]), m.withdrawn.Kind, clock(m.withdrawn))
			})
		}
	}
}

// checkLost judges a message that isn't stored.
func (c *checker) checkLost(m *message, v Violation) {
	v.Kind = ViolationLost
	switch {
	case len(m.acks) > 0:
		if c.opts.NoTable && !c.opts.Final {
			return // nobody has been shown it yet
		}
		v.Seq = m.acks[0].Seq
		c.report(v, func() string {
			return fmt.Sprintf("%s was reported as sent with seq %d at %s, and isn't stored",
				m.id, m.acks[0].Seq, clock(m.acks[0]))
		})
	case m.promised < 0, m.withdrawn != nil, !c.opts.Final:
	case !m.durable && c.runEnded(m):
	default:
		c.report(v, func() string {
			return fmt.Sprintf("%s %swas accepted at %s, and isn't stored", m.id, textOf(m), clock(m.first))
		})
	}
}

// runEnded says whether the run is over that gave, or gave again, a volatile promise.
func (c *checker) runEnded(m *message) bool {
	r := c.ix.runOf(m.last.Client, m.last.Run)
	return r != nil && r.ended
}

// checkAcks compares what the client reported as sent with a stored message's seq.
func (c *checker) checkAcks(m *message, v Violation) {
	for _, ack := range m.acks {
		if slices.ContainsFunc(m.rows, func(row *Event) bool {
			return row.Seq == ack.Seq && (ack.Channel == "" || ack.Channel == row.Channel)
		}) {
			continue
		}
		v := v
		v.Kind, v.Run = ViolationAck, ack.Run
		c.report(v, func() string {
			return fmt.Sprintf("%s was reported as sent with seq %d at %s, and is stored with seq %d",
				m.id, ack.Seq, clock(ack), m.rows[0].Seq)
		})
	}
	if c.opts.Final && c.opts.Acks && len(m.acks) == 0 && m.promised >= 0 && m.withdrawn == nil {
		v.Kind = ViolationUnacked
		c.report(v, func() string {
			return fmt.Sprintf("%s is stored, and %s never reported it as sent", name(m.rows[0]), m.client)
		})
	}
}

// name tells a stored or shown message.
func name(e *Event) string {
	return fmt.Sprintf("%s (seq %d, %s)", e.ID, e.Seq, e.User)
}

func textOf(m *message) string {
	if m.text == nil {
		return ""
	}
	return "(" + quote(m.text.Text) + ") "
}

// quotedLength is how many characters of a text a verdict shows.
const quotedLength = 40

func quote(s string) string {
	if r := []rune(s); len(r) > quotedLength {
		s = string(r[:quotedLength]) + "…"
	}
	return strconv.Quote(s)
}

// clock is the time of day: a history is never long, and virtual ones are in the year 2000.
func clock(e *Event) string { return clockTime(e.At) }

func clockTime(at time.Time) string { return at.UTC().Format("15:04:05.000") }

func seqs(lo, hi uint64) string {
	if lo == hi {
		return fmt.Sprintf("seq %d", lo)
	}
	return fmt.Sprintf("seq %d to %d", lo, hi)
}
