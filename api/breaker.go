package api

import "time"

// Circuit is the state of a host's circuit.
type Circuit int

// States of a circuit.
const (
	Closed   Circuit = iota // calls go through
	Open                    // none does: the server is left alone for a while
	HalfOpen                // a few do, to see whether it is back
)

// String names the state.
func (c Circuit) String() string {
	switch c {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	}
	return "unknown"
}

// CircuitChange is one change of a host's circuit.
type CircuitChange struct {
	Host     string // scheme, name and port
	From, To Circuit
	Reason   string
	RetryIn  time.Duration // of an open one
	At       time.Time
}

// BreakerOptions configures circuits. The zero value of every field works.
type BreakerOptions struct {
	// Disabled leaves every circuit closed.
	Disabled bool
	// Consecutive server faults in a row open the circuit. Defaults to 5.
	Consecutive int
	// Rate is the share of server faults and slow answers within Window that opens it, from MinSamples on. Default to
	// 0.5, 10s and 10.
	Rate       float64
	Window     time.Duration
	MinSamples int
	// SlowCall is the time that the server itself takes (the path's taken off) from which an answer counts as slow.
	// Defaults to 10s.
	SlowCall time.Duration
	// OpenMin and OpenMax bound how long an open circuit waits before it lets the first call through: doubled each time
	// in a row. Default to 1s and 1.5s [30s], the latter so that somebody who waits sees the server's return within 2s.
	OpenMin, OpenMax time.Duration
}

func (o BreakerOptions) withDefaults(background bool) BreakerOptions {
	openMax := 1500 * time.Millisecond
	if background {
		openMax = 30 * time.Second
	}
	orDefault(&o.Consecutive, 5)
	orDefault(&o.Rate, 0.5)
	orDefault(&o.Window, 10*time.Second)
	orDefault(&o.MinSamples, 10)
	orDefault(&o.SlowCall, 10*time.Second)
	orDefault(&o.OpenMin, time.Second)
	orDefault(&o.OpenMax, max(openMax, o.OpenMin))
	return o
}

const (
	slots     = 10 // of the window
	rampLimit = 8  // the last stage of half-open: 1, 2, 4, 8
)

// result is what an attempt tells its circuit.
type result int

const (
	resultNone result = iota // says nothing about the server: cancelled, or lost on the path
	resultOK
	resultSlow
	resultFailed
)

// permit lets one attempt through. It is of one generation: what came of it counts only there.
type permit struct {
	gen   uint64
	probe bool
	lease uint64 // of a probe
}

// lease is a probe under way.
type lease struct {
	id  uint64
	end time.Time // from then on it counts as lost
}

// breaker is the circuit of a host: pure, for one goroutine at a time, all times from the monotonic clock.
type breaker struct {
	o   *BreakerOptions
	rng *jitter

	state Circuit
	gen   uint64 // counts changes of state
	// closed
	row    int // faults in a row
	window [slots]struct{ n, bad int }
	slot   time.Time // when the present one began
	at     int
	// open
	until time.Time
	opens int // in a row without closing between
	// half-open
	leases [rampLimit]lease // under way; id 0 is free
	leased uint64           // counts leases
	stage  int              // how many may be under way
	good   int              // of this stage
}

// admit lets an attempt through, or says when to ask again at the latest.
func (b *breaker) admit(now time.Time, leaseFor time.Duration) (p permit, ok bool, again time.Time) {
	if b.state == Open {
		if now.Before(b.until) {
			return permit{}, false, b.until
		}
		b.move(HalfOpen)
	}
	if b.state == Closed {
		return permit{gen: b.gen}, true, time.Time{}
	}
	free := -1
	busy := 0
	for i := range b.leases {
		l := &b.leases[i]
		if l.id != 0 && !now.Before(l.end) {
			*l = lease{} // hangs: it mustn't keep the others out
		}
		if l.id == 0 {
			free = i
			continue
		}
		busy++
		if again.IsZero() || l.end.Before(again) {
			again = l.end
		}
	}
	if busy >= b.stage {
		return permit{}, false, again
	}
	if planted == bugHungProbe {
		leaseFor = 24 * time.Hour
	}
	b.leased++
	b.leases[free] = lease{b.leased, now.Add(leaseFor)}
	return permit{gen: b.gen, probe: true, lease: b.leased}, true, time.Time{}
}

// record takes the result of an attempt and says why the circuit moved, or "". A result of another generation is news
// of a server that was, and changes nothing.
func (b *breaker) record(now time.Time, p permit, r result, wait time.Duration) (reason string) {
	if p.gen != b.gen && planted != bugNoGeneration {
		return ""
	}
	switch b.state {
	case Closed:
		return b.recordClosed(now, r, wait)
	case HalfOpen:
		return b.recordProbe(now, p, r, wait)
	case Open:
	}
	return ""
}

func (b *breaker) recordClosed(now time.Time, r result, wait time.Duration) string {
	if r == resultNone || b.o.Disabled {
		return ""
	}
	b.turn(now)
	w := &b.window[b.at]
	w.n++
	switch r {
	case resultFailed:
		w.bad++
		b.row++
	case resultSlow:
		w.bad++
		b.row = 0
	case resultOK, resultNone:
		b.row = 0
		return ""
	}
	if b.row >= b.o.Consecutive {
		b.open(now, wait)
		return "faults in a row"
	}
	n, bad := 0, 0
	for _, s := range b.window {
		n += s.n
		bad += s.bad
	}
	if n >= b.o.MinSamples && float64(bad) >= b.o.Rate*float64(n) {
		b.open(now, wait)
		return "too many faults or slow answers"
	}
	return ""
}

// turn empties the slots whose time is over.
func (b *breaker) turn(now time.Time) {
	width := b.o.Window / slots
	if !b.slot.IsZero() && now.Sub(b.slot) < width {
		return // as nearly always: without a division
	}
	steps := 0
	if !b.slot.IsZero() {
		steps = int(min(now.Sub(b.slot)/width, slots))
	}
	for range steps {
		b.at = (b.at + 1) % slots
		b.window[b.at] = struct{ n, bad int }{}
	}
	switch {
	case b.slot.IsZero() || steps == slots:
		b.slot = now
	default:
		b.slot = b.slot.Add(time.Duration(steps) * width)
	}
}

func (b *breaker) recordProbe(now time.Time, p permit, r result, wait time.Duration) string {
	held := false
	for i := range b.leases {
		if b.leases[i].id == p.lease && p.lease != 0 {
			b.leases[i], held = lease{}, true
		}
	}
	if !held && planted != bugNoGeneration {
		return "" // its lease has run out: others went on without it
	}
	switch r {
	case resultFailed, resultSlow:
		b.open(now, wait)
		return "probe failed"
	case resultOK:
		b.good++
		if b.good < b.stage {
			return ""
		}
		if b.stage >= rampLimit {
			b.move(Closed)
			b.opens, b.row, b.window, b.slot = 0, 0, [slots]struct{ n, bad int }{}, time.Time{}
			return "server is back"
		}
		b.stage *= 2
		b.good = 0
	case resultNone:
	}
	return ""
}

// open leaves the server alone for a while: as long as it asked, or longer each time in a row. The jitter only
// shortens, so that OpenMax holds.
func (b *breaker) open(now time.Time, wait time.Duration) {
	d := b.o.OpenMin
	for k := 0; k < b.opens && d < b.o.OpenMax; k++ {
		d *= 2
	}
	d = min(d, b.o.OpenMax)
	d -= b.rng.upTo(d / 5)
	b.opens++
	b.until = now.Add(max(d, wait))
	b.move(Open)
}

// hint ends the wait of an open circuit: somebody else knows that the server is back.
func (b *breaker) hint() bool {
	if b.state != Open {
		return false
	}
	b.move(HalfOpen)
	return true
}

func (b *breaker) move(to Circuit) {
	b.state = to
	b.gen++
	b.stage, b.good, b.leases = 1, 0, [rampLimit]lease{}
}
