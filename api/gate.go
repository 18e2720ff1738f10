package api

import "time"

// gate paces the calls to a host as the server asks. For one goroutine at a time. The zero value lets everything
// through.
type gate struct {
	until    time.Time     // nothing goes before
	set      time.Time     // when until was last moved
	spacing  time.Duration // between two calls while the quota is scarce
	next     time.Time     // with spacing: nothing goes before
	renewed  time.Time     // with spacing: when the quota is full again, and spacing ends
	window   int           // calls that may be under way, 0 is any number
	inflight int
	holds    int // in a row without the server saying how long
}

const (
	// windowLimit ends the slow start after a hold: who has that many under way isn't held back any more.
	windowLimit = 64
	// holdFirst and holdLimit are the waits after a 429 that doesn't say how long.
	holdFirst = time.Second
	holdLimit = 30 * time.Second
)

// ready says whether a call may go now; if not, when to ask again, zero being when another is done.
func (g *gate) ready(now time.Time) (again time.Time, ok bool) {
	if g.spacing > 0 && !now.Before(g.renewed) && planted != bugPacedForEver {
		g.spacing = 0 // many a server tells of its quota only while it is scarce
	}
	switch {
	case now.Before(g.until):
		return g.until, false
	case g.spacing > 0 && now.Before(g.next):
		return g.next, false
	case g.window > 0 && g.inflight >= g.window:
		return time.Time{}, false
	}
	return time.Time{}, true
}

func (g *gate) enter(now time.Time) {
	g.inflight++
	if g.spacing > 0 {
		if g.next = now.Add(g.spacing); g.next.After(g.renewed) && planted != bugPacedForEver {
			g.next = g.renewed
		}
	}
}

// hold lets nothing through for d and a little more: the jitter only adds, for earlier would be too early. Afterwards
// calls go one at a time, and more with each that succeeds.
func (g *gate) hold(now time.Time, d time.Duration, rng *jitter) {
	extra := rng.upTo(d / 5)
	if planted == bugJitterBelow {
		extra = -extra
	}
	g.set = now
	g.window = max(g.window/2, 1)
	if until := now.Add(d + extra); until.After(g.until) {
		g.until = until
	}
}

// holdUnknown is hold for an answer that doesn't say how long: longer each time in a row. Answers to attempts from before
// the last hold say nothing new.
func (g *gate) holdUnknown(now, start time.Time, rng *jitter) {
	if start.Before(g.set) {
		return
	}
	g.holds++
	d := holdFirst
	for k := 1; k < g.holds && d < holdLimit; k++ {
		d *= 2
	}
	g.hold(now, min(d, holdLimit), rng)
}

// succeeded opens the window further.
func (g *gate) succeeded() {
	g.holds = 0
	if g.window > 0 {
		if g.window++; g.window > windowLimit {
			g.window = 0
		}
	}
}

// heed takes what the server says of its quota.
func (g *gate) heed(now time.Time, q quota, rng *jitter) {
	if q.remaining == 0 && q.reset > 0 {
		g.hold(now, q.reset, rng)
		g.spacing = 0
		return
	}
	g.spacing = q.spacing()
	if g.spacing > 0 {
		g.next, g.renewed = now.Add(g.spacing), now.Add(q.reset)
	}
}

// budget bounds the share of retries after faults of the server: a bucket of tokens that each retry takes from, and each
// call that succeeds at once puts into. Time brings it back to the price of one retry: slowly where it holds less, so that
// clients who seldom call get one too, and soon where it holds more, since what was good a minute ago says nothing of a
// server that fails now. So of a crowd of quiet clients each makes one retry when an outage begins, and hardly another
// before its end; together they are no more of a load than a busy client. For one goroutine at a time. The zero value
// holds budgetFirst.
type budget struct {
	over float64   // tokens beyond budgetRest, negative if it holds less
	at   time.Time // when time last changed it; zero before the first look
}

const (
	budgetCap      = 100
	refundFirstTry = 1
	// costRetry is the price of a retry after a fault of the server. A share f of failing calls leaves 1-f to pay for
	// them: retries are at most 1/(1+costRetry) of the calls, 8%, whatever f is. What the path lost costs nothing.
	costRetry = 12
	// budgetRest is what time leads to: fillPerSec from below, in an hour, and drainPerSec from above. Of a client that
	// calls once a minute the hour makes retries 2% of its calls; a token a second, say, would pay for 5 with each.
	budgetRest  = costRetry
	budgetFirst = 2 * costRetry // of a client that is new: many a program makes one call and ends
	fillPerSec  = costRetry / 3600.
	drainPerSec = 1
)

func (b *budget) left(now time.Time) float64 {
	passed := max(now.Sub(b.at).Seconds(), 0)
	switch {
	case b.at.IsZero():
		b.over = budgetFirst - budgetRest
	case planted == bugBudgetByTime:
		b.over = min(b.over+passed, budgetCap-budgetRest)
	case b.over < 0:
		b.over = min(b.over+passed*fillPerSec, 0)
	default:
		b.over = max(b.over-passed*drainPerSec, 0)
	}
	b.at = now
	return budgetRest + b.over
}

// take pays for a retry, or says that there isn't enough.
func (b *budget) take(now time.Time, cost float64) bool {
	if b.left(now) < cost {
		return false
	}
	b.over -= cost
	return true
}

func (b *budget) refund(now time.Time) {
	b.over = min(b.left(now)-budgetRest+refundFirstTry, budgetCap-budgetRest)
}
