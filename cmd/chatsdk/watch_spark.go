package main

import (
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	// slotTime is what one character of the sparkline stands for.
	slotTime = 2 * time.Second
	// pastSlots are kept: two minutes, as wide as a terminal of 80 columns has room for.
	pastSlots = 60
	// sparkFull is the least that fills a character: what is excellent all the time looks low.
	sparkFull = 50 * time.Millisecond
)

// history is the round-trip time of the last minutes.
type history struct {
	begun time.Time             // of slot 0
	last  int                   // the newest slot
	slots [pastSlots]pastMoment // slot n is at n % pastSlots
}

// pastMoment is the worst of what was seen in a slot. The zero value is one of which nothing is known.
type pastMoment struct {
	rtt  time.Duration
	away bool // the server wasn't reached
}

// add notes what is known now.
func (h *history) add(at time.Time, q quality.Report) {
	if h.begun.IsZero() {
		h.begun = at
	}
	slot := max(int(at.Sub(h.begun)/slotTime), h.last)
	for h.last = max(h.last, slot-pastSlots); h.last < slot; {
		h.last++
		h.slots[h.last%pastSlots] = pastMoment{}
	}
	m := &h.slots[slot%pastSlots]
	switch q.Reach {
	case quality.ReachOnline:
		if q.Level != quality.Unknown {
			m.rtt = max(m.rtt, q.RTT.Median)
		}
	case quality.ReachOffline, quality.ReachCaptive, quality.ReachServerDown:
		m.away = true
	case quality.ReachUnknown:
	}
}

const (
	sparks   = "▁▂▃▄▅▆▇█"
	notKnown = '·'
	wasAway  = '×'
)

// spark draws the newest n slots, the newest at the right, and says how high the highest is.
func (h *history) spark(n int) (bars string, highest time.Duration) {
	n = min(n, pastSlots)
	slot := func(i int) (m pastMoment) { // i-th from the left
		if at := h.last - n + 1 + i; at >= 0 {
			m = h.slots[at%pastSlots]
		}
		return m
	}
	for i := range n {
		highest = max(highest, slot(i).rtt)
	}
	heights, full := []rune(sparks), max(highest, sparkFull)
	var b strings.Builder
	for i := range n {
		switch m := slot(i); {
		case m.away:
			b.WriteRune(wasAway)
		case m.rtt <= 0:
			b.WriteRune(notKnown)
		default:
			b.WriteRune(heights[min(int(int64(m.rtt)*int64(len(heights))/int64(full)), len(heights)-1)])
		}
	}
	return b.String(), highest
}
