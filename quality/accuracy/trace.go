package accuracy

import (
	"cmp"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	// TraceStep is how long a row lasts in a trace without times: that of the cellular traces that have none.
	TraceStep = 70 * time.Millisecond
	// MaxTraceRows and MaxTraceBytes bound what is read, and MaxTraceLength what is played: a day takes seconds.
	MaxTraceRows   = 1_000_000
	MaxTraceBytes  = 64 << 20
	MaxTraceLength = 7 * 24 * time.Hour

	// Window is what the second truth of a replay looks back over.
	Window = 10 * time.Second
)

// Trace is what a network did over time.
type Trace struct {
	// Start is the time of the first row by the trace's own clock.
	Start time.Duration
	// Length is how long the trace lasts. Its last row holds as long as the one before.
	Length time.Duration
	Rows   []TraceRow
}

// TraceRow holds until the next one.
type TraceRow struct {
	At     time.Duration // since the first row
	RTT    time.Duration // there and back
	Loss   float64       // share of the segments each way, 0 to 1
	Online bool          // else nothing passes
}

func (r TraceRow) stretch() stretch {
	s := stretch{rtt: r.RTT, loss: r.Loss, reach: quality.ReachOnline}
	if !r.Online || r.Loss >= 1 { // nothing passes either way
		s.reach = quality.ReachOffline
	}
	return s
}

// path is the trace as a link, played several times.
func (t Trace) path(times int) *link {
	l := &link{stretches: make([]stretch, 0, times*len(t.Rows))}
	for n := range times {
		for _, row := range t.Rows {
			s := row.stretch()
			s.from = time.Duration(n)*t.Length + row.At
			l.stretches = append(l.stretches, s)
		}
	}
	return l
}

// truth is a link whose stretches are those of one truth each, since a change of the path that changes no level is none.
func (l *link) truth() *link {
	same := func(a, b stretch) bool { return a.level() == b.level() && a.reach == b.reach }
	return &link{stretches: slices.CompactFunc(slices.Clone(l.stretches), same)}
}

// span is a stretch and how long it lasted in a window.
type span struct {
	stretch

	took time.Duration
}

// windowed is the level of the Window up to a time: of the median round trip and the mean loss, or offline where that is what
// most of it was. spans is a buffer.
func (l *link) windowed(t time.Duration, spans []span) (quality.Level, []span) {
	spans = spans[:0]
	var all, off time.Duration
	loss := 0.0
	for i, end := l.index(t), t; i >= 0 && end > t-Window; i-- {
		s := l.stretches[i]
		took := end - max(s.from, t-Window)
		end, all = s.from, all+took
		if s.reach == quality.ReachOffline {
			off += took
			continue
		}
		loss += s.loss * float64(took)
		spans = append(spans, span{s, took})
	}
	if all == 0 { // the very beginning
		return l.stretches[0].level(), spans
	}
	if 2*off >= all {
		return quality.Offline, spans
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.rtt, b.rtt) })
	on, sum := all-off, time.Duration(0)
	for _, s := range spans {
		if sum += s.took; 2*sum >= on {
			return max(levelOfRTT(s.rtt), levelOfLoss(loss/float64(on))), spans
		}
	}
	return quality.Offline, spans
}
