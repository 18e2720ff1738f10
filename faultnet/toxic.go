package faultnet

import "time"

// Kinds of toxics. The first seven are Toxiproxy's and act on what a connection carries; the others are conditions of
// a Link and act on opening a connection as well. Beside these there is one for each HTTPKind.
const (
	toxicLatency   = "latency"
	toxicBandwidth = "bandwidth"
	toxicSlowClose = "slow_close"
	toxicTimeout   = "timeout"
	toxicResetPeer = "reset_peer"
	toxicSlicer    = "slicer"
	toxicLimitData = "limit_data"

	toxicDown        = "down"
	toxicStall       = "stall"
	toxicLoss        = "loss"
	toxicHang        = "hang"
	toxicStrand      = "strand"
	toxicUnreachable = "unreachable"
	toxicRefused     = "refused"
)

// toxic is one named change of a link, for a share of its connections. It is never changed once a link has it.
type toxic struct {
	name       string
	kind       string
	dir        direction
	toxicity   float64
	attributes attributes
	http       HTTPFault // of an HTTP kind, checked; its share is toxicity
}

// attributes are the numbers of all kinds; each kind uses its own.
type attributes struct {
	Latency, Jitter       int64 // ms
	Rate                  int64 // KB/s, of 1000 bytes
	Delay                 int64 // slow_close: ms, slicer: µs
	Timeout               int64 // ms
	AverageSize, SizeVary int64 // bytes
	Bytes                 int64
	Loss                  float64
}

// meets says whether the toxic applies to a connection: always the same answer for the same one.
func (t *toxic) meets(l *Link, number int64) bool {
	return t.toxicity >= 1 || share(l.seed, l.from, l.to, number, t.name) < t.toxicity
}

// sameToxic says whether b is a, perhaps with other attributes.
func sameToxic(a, b *toxic) bool {
	return a == b || a != nil && b != nil && a.name == b.name
}

// changeToxics replaces the link's toxics by what f makes of them, unless f fails. f runs under the link's lock and
// returns a new slice; neither it nor what it points to may be changed afterwards.
func (l *Link) changeToxics(f func([]*toxic) ([]*toxic, error)) error {
	var err error
	l.change(func() {
		var toxics []*toxic
		if toxics, err = f(l.toxics); err == nil {
			l.toxics = toxics
			if l.http != nil {
				l.http.setToxics(toxics)
			}
		}
	})
	return err
}

// listToxics returns the toxics, which must not be changed.
func (l *Link) listToxics() []*toxic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.toxics
}

// refuses says whether every new connection is refused, so that a proxy had better not listen.
func (l *Link) refuses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cond.Refused {
		return true
	}
	for _, t := range l.toxics {
		if t.kind == toxicRefused && t.toxicity >= 1 {
			return true
		}
	}
	return false
}

// poisonedLocked says whether a toxic of a kind that has no direction applies to a connection.
func (l *Link) poisonedLocked(kind string, number int64) bool {
	for _, t := range l.toxics {
		if t.kind == kind && t.meets(l, number) {
			return true
		}
	}
	return false
}

// openingLocked is what the segments that open a connection meet. Toxiproxy's own toxics leave them alone, as its
// users expect.
func (l *Link) openingLocked(d direction, number int64) treatment {
	tr := treatment{Flow: *l.cond.flow(d)}
	for _, t := range l.toxics {
		if t.dir == d && t.meets(l, number) {
			t.applyCondition(&tr)
		}
	}
	return tr
}

// treatmentLocked is what one direction of a connection meets.
func (l *Link) treatmentLocked(d direction, number int64) treatment {
	tr := treatment{Flow: *l.cond.flow(d)}
	for _, t := range l.toxics {
		if t.dir == d && t.meets(l, number) {
			t.applyCondition(&tr)
			t.apply(&tr)
		}
	}
	return tr
}

// applyCondition adds what our own kinds do.
func (t *toxic) applyCondition(tr *treatment) {
	switch t.kind {
	case toxicDown:
		tr.Down = true
	case toxicStall:
		tr.Stall = true
	case toxicLoss:
		tr.Loss = 1 - (1-tr.Loss)*(1-t.attributes.Loss)
	}
}

// apply adds what Toxiproxy's kinds do.
func (t *toxic) apply(tr *treatment) {
	a := &t.attributes
	switch t.kind {
	case toxicLatency: // latency ± jitter there, delay + [0, jitter) here
		latency, jitter := milliseconds(a.Latency), milliseconds(a.Jitter)
		low := max(latency-jitter, 0)
		tr.Delay += low
		tr.Jitter += latency + jitter - low
	case toxicBandwidth:
		if rate := a.Rate * 1000; rate > 0 && (tr.Rate == 0 || rate < tr.Rate) {
			tr.Rate = rate
		}
	case toxicSlowClose:
		tr.finDelay += milliseconds(a.Delay)
	case toxicSlicer:
		tr.slice = slicing{
			average: int(a.AverageSize), variation: int(a.SizeVary),
			pause: time.Duration(a.Delay) * time.Microsecond,
		}
	case toxicLimitData:
		tr.limit = t
	case toxicTimeout, toxicResetPeer:
		tr.expiry, tr.swallow = t, true
	default: // the others are conditions
	}
	tr.Flow = tr.sane()
}

// expiry is when a timeout or reset_peer that began to act at a moment ends the connection, or zero.
func (t *toxic) expiry(start time.Time) time.Time {
	if t.kind == toxicTimeout && t.attributes.Timeout == 0 {
		return time.Time{} // only throws data away
	}
	return start.Add(milliseconds(t.attributes.Timeout))
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
