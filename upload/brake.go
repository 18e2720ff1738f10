package upload

import (
	"math"
	"slices"
	"time"
)

const (
	blindAfter = 5 * time.Second // without a round trip for so long nobody knows how long the queue is
	idleAfter  = time.Second     // nothing was sent for so long: what is seen isn't ours
	staleAfter = time.Minute     // nothing was sent for so long: the path may carry less by now
	lately     = time.Second     // over which rates are taken
	tick       = time.Second / 2 // the time in which a rate grows by what is said below

	queueLeast = 20 * time.Millisecond  // a shorter queue can't be told from a busy processor
	queueFor   = 400 * time.Millisecond // and it has to stand for so long
	queuePart  = 4                      // and one of that part of the path's round trip is borne
	noiseMost  = 100 * time.Millisecond // that a busy processor makes round trips differ by
	noiseOver  = 20                     // round trips it is taken from
	noiseTimes = 4                      // a round trip is by so much later than others, at times
	drainIn    = time.Second            // in which a queue is to be gone
	drainLeast = 0.1                    // of the rate is left out while it drains
	drainMost  = 0.6                    // and at most
	resume     = 0.96                   // of what the path carries is sent once the queue is gone

	startGrowth = 0.5   // until a queue shows for the first time
	nearGrowth  = 0.007 // near the rate at which one showed
	nearBy      = 0.05  // of that rate
	farGrowth   = 0.25  // of what the rate is farther away than that
	mostGrowth  = 0.12

	floorPart  = 0.5                 // of the best rate: what is taken for a queue brakes no more
	floorNear  = 1.1                 // of the floor: a rate above has left it
	doubtAfter = 8 * time.Second     // but where it stays so long, a dip shows whose queue it is
	doubtMost  = 2                   // dips in a row that showed nothing double that time, so often at most
	dipFor     = 3 * time.Second / 2 // how long a dip takes
	dipPart    = 0.6                 // of the floor
	lowerBy    = 0.8                 // what becomes of the floor if the queue is ours

	rateLeast  = 64 << 10        // bytes a second, whatever happens
	fastFrom   = 32 << 20        // bytes a second from which a queue of usual size is shorter than what is braked for
	fastUntil  = 24 << 20        // and below which it isn't any more
	slowPart   = 0.9             // of what was let through: where less arrives, the path is slower than the rate
	slowFor    = time.Second     // if it is a chunk of that time
	slowSees   = 2 * time.Second // and a queue stood for so long
	floorBelow = 0.9             // of what arrived is the floor then
	tellsRate  = 32 << 10        // bytes of a chunk that tells a rate
)

// brake decides how fast uploads may send, so that the queue in front of the slowest link stays short. Routers at home
// queue what comes in order, and have room for 0.3 s or more: a message waits behind all that an upload put there. The
// queue shows in the round trips of the chat, which go the same way: what they take beyond the path's own time was spent
// in it. A brake knows no clock, and nothing but what it is told, in order of time. The zero value is ready. For one
// goroutine.
//
// The first chunk tells a rate. From there it grows fast until a queue shows, is lowered so that the queue drains, and
// grows anew from a little below what the path carries: slowly where the next queue is to be expected, faster away from
// there. What the path carries follows from two round trips: what was sent between their beginnings left the queue between
// their ends.
//
// A late round trip may also be the work of a busy processor, of others on the link, or of a path that became longer. So
// one alone is no queue, nor what differs from one to the next by chance, and there is a floor to what any of them can do.
// The floor doesn't follow the rate, or it would sink with it. Only two things lower it: chunks that arrive more slowly than
// they are let through while a queue stands, and queues that are gone after a dip below the floor.
type brake struct {
	base  minimum
	trips [64]trip // a ring
	seen  int      // round trips so far
	sends sends

	rate    float64    // bytes a second that may be sent; 0 while nothing is known
	step    float64    // by how much the last round trip raised it
	fast    bool       // the path needs no brake
	freely  bool       // something was sent without a limit since the queue was seen last
	drains  bool       // a queue is being drained
	carried [4]float64 // bytes a second of the path when a queue showed, the last time first; 0 if none did
	best    float64    // bytes a second that were acknowledged: what the path carries for sure
	ours    int        // how many more dips showed a queue of ours than didn't
	floored time.Time  // since when it holds; zero while it doesn't
	dipped  time.Time  // when the dip began whose outcome isn't known yet; or zero

	let   float64 // bytes that rate let through up to since
	since time.Time
}

// trip is a round trip.
type trip struct {
	end time.Time
	rtt time.Duration
}

func (t trip) begin() time.Time { return t.end.Add(-t.rtt) }

// limit is how many bytes a second may be sent; 0 is no limit.
func (b *brake) limit(now time.Time) float64 {
	if b.fast || !b.sees(now) {
		return 0
	}
	return b.rate
}

// sees says whether the queue is seen. It takes two round trips: a single one may be late for any reason.
func (b *brake) sees(now time.Time) bool { return b.seen > 1 && now.Sub(b.last(1).end) <= blindAfter }

// last is the nth round trip from the end, of the known ones.
func (b *brake) last(n int) trip { return b.trips[(b.seen-1-n)%len(b.trips)] }

func (b *brake) known() int { return min(b.seen, len(b.trips)) }

// sent takes bytes that are handed to the network.
func (b *brake) sent(now time.Time, n int) {
	if b.sends.idle(now) > staleAfter {
		b.doubt(now)
	}
	b.freely = b.freely || b.limit(now) == 0
	b.sends.add(now, n)
}

// moved says that the network may be another one.
func (b *brake) moved(now time.Time) {
	b.base, b.seen = minimum{}, 0
	b.doubt(now)
}

// doubt halves what is known, and lets it grow fast.
func (b *brake) doubt(now time.Time) {
	b.set(now, b.rate/2)
	b.fast, b.drains, b.step, b.carried, b.best = false, false, 0, [4]float64{}, 0
	b.ours, b.floored, b.dipped = 0, time.Time{}, time.Time{}
}

func (b *brake) set(now time.Time, rate float64) {
	b.let, b.since = b.through(now), now
	if b.rate = rate; rate > 0 {
		b.rate = max(rate, rateLeast)
	}
}

// through is how many bytes the rate has let through.
func (b *brake) through(now time.Time) float64 {
	if b.since.IsZero() {
		return 0
	}
	return b.let + b.rate*now.Sub(b.since).Seconds()
}

// acked takes a chunk of n bytes that was acknowledged so long after its beginning, beside as many senders as it says. let
// is what the rate let through meanwhile, 0 if it wasn't all that held back.
func (b *brake) acked(now time.Time, n int64, took time.Duration, senders int, let float64) {
	if n < tellsRate || took <= 0 {
		return
	}
	own := max(took-b.base.get(), took/2) // without the time of the answer
	rate := float64(n) / own.Seconds() * float64(senders)
	wasFast := b.fast
	b.fast = rate >= fastFrom || b.fast && rate >= fastUntil
	if b.rate == 0 || wasFast && !b.fast || !b.sees(now) {
		b.set(now, rate)
	}
	if took >= slowFor && rate*took.Seconds() < slowPart*let && b.piles(now) {
		b.showed(rate)
		b.best, b.ours = floorBelow*rate/floorPart, 0
		b.set(now, min(b.rate, floorBelow*rate))
		return
	}
	b.best = max(b.best, rate)
}

// piles says whether what doesn't arrive may wait in a queue, rather than for a slow server: one stands, or none was ever
// seen, since what small chunks make is gone too soon.
func (b *brake) piles(now time.Time) bool {
	return b.carried[0] == 0 || b.stands(now, slowSees) > 2*b.borne()
}

// observe takes a round trip of the chat.
func (b *brake) observe(now time.Time, rtt time.Duration) {
	base, saw := b.base.get(), b.sees(now)
	if b.base.add(now, rtt); planted == bugNewestBase {
		b.base = minimum{former: rtt, present: rtt, began: now}
	}
	b.trips[b.seen%len(b.trips)] = trip{now, rtt}
	b.seen++
	step := b.step
	b.step = 0
	if !b.sees(now) {
		return
	}
	freely := b.freely && !saw
	b.freely = false
	if b.rate == 0 || b.fast || b.sends.idle(now) > idleAfter {
		return
	}
	if !b.dipped.IsZero() {
		if now.Sub(b.dipped) < dipFor {
			return
		}
		b.endDip(now)
	}
	sunk := base - b.base.get()
	most, queue := b.borne(), rtt-b.base.get()
	switch {
	case freely: // there may be a queue that was never seen to be shorter
		b.drains = true
		b.set(now, b.rate/2)
	case b.stands(now, queueFor) > most:
		b.drain(now, queue)
	case b.drains && (queue > most/2 || sunk > most/4): // not gone, or nobody knows yet what a round trip takes without it
	case b.drains:
		b.drained(now)
	case queue > most: // it may be late for another reason: the next one tells
		b.set(now, b.rate-step)
	case queue <= most/2:
		b.grow(now)
	}
}

// borne is the longest queue that nothing is done about.
func (b *brake) borne() time.Duration {
	return max(queueLeast, b.base.get()/queuePart, min(b.noise(), noiseMost))
}

// noise is by how much round trips differ from those before and after them by chance: a queue grows and shrinks over
// several.
func (b *brake) noise() (sum time.Duration) {
	n := min(b.known(), noiseOver) - 2
	for i := range n {
		before, it, after := b.last(i+2).rtt, b.last(i+1).rtt, b.last(i).rtt
		sum += max(min(it-before, it-after), 0)
	}
	return sum * noiseTimes / time.Duration(max(n, 1))
}

// stands is how long the queue was at least for so long.
func (b *brake) stands(now time.Time, ago time.Duration) time.Duration {
	shortest := b.last(0).rtt
	for n := 1; n < b.known(); n++ {
		shortest = min(shortest, b.last(n).rtt)
		if now.Sub(b.last(n).end) >= ago {
			break
		}
	}
	return shortest - b.base.get()
}

// showed takes what the path carried when a queue showed.
func (b *brake) showed(rate float64) {
	copy(b.carried[1:], b.carried[:])
	b.carried[0] = rate
}

// drain lowers the rate so that a queue drains.
func (b *brake) drain(now time.Time, queue time.Duration) {
	rate, carried := b.carries(now), &b.carried[0]
	switch {
	case !b.drains || *carried == 0:
		b.drains = true
		b.showed(rate)
	case b.last(0).rtt < b.last(1).rtt: // it drains, so the path carries more than is sent
		*carried = max(*carried, rate)
	default:
		*carried = min(*carried, rate)
	}
	part := min(max(queue.Seconds()/drainIn.Seconds(), drainLeast), drainMost)
	b.set(now, b.held(now, *carried*(1-part)))
}

// held is the rate that a queue leads to: what is wanted, or the floor.
func (b *brake) held(now time.Time, wanted float64) float64 {
	floor := b.floor()
	if wanted >= floor {
		b.floored = time.Time{}
		return wanted
	}
	if b.floored.IsZero() {
		b.floored = now
	}
	if now.Sub(b.floored) >= doubtAfter<<max(-b.ours, 0) {
		b.floored, b.dipped = now.Add(dipFor), now
		return floor * dipPart
	}
	return floor
}

// floor is the least rate that queues may lead to.
func (b *brake) floor() float64 {
	if planted == bugNoFloor {
		return 0
	}
	return floorPart * b.best * math.Pow(lowerBy, float64(max(b.ours-1, 0))) // a single dip may show it by chance
}

// endDip says at the end of a dip whose the queue is: ours is gone by then, or shorter.
func (b *brake) endDip(now time.Time) {
	var before, after []time.Duration
	for n := range b.known() {
		switch since := b.last(n).begin().Sub(b.dipped); {
		case since >= dipFor/4:
			after = append(after, b.last(n).rtt-b.base.get())
		case since <= 0 && since > -4*dipFor:
			before = append(before, b.last(n).rtt-b.base.get())
		}
	}
	b.dipped = time.Time{}
	if len(before) == 0 || len(after) < 2 {
		return
	}
	if slices.Max(after) <= b.borne()/2 {
		b.ours = max(b.ours, 0) + 1
		return
	}
	b.ours = max(b.ours-1, -doubtMost)
	if left := slices.Min(after); left > mean(before)*3/4 && left <= noiseMost { // the path is longer than it was
		b.base = minimum{former: b.base.get() + left, present: b.base.get() + left, began: now}
	}
}

// drained goes on once the queue is gone.
func (b *brake) drained(now time.Time) {
	b.drains = false
	b.set(now, max(b.rate, resume*b.carried[0], b.floor()))
	if b.rate > floorNear*b.floor() {
		b.floored = time.Time{}
	}
}

// carries is what the path carried lately, in bytes a second. Where it has room for what was sent, it is that.
func (b *brake) carries(now time.Time) float64 {
	rate := b.rate
	if sent := b.sends.rate(now); sent > 0 {
		rate = min(rate, sent)
	}
	last, first := b.last(0), b.last(1)
	for n := 2; n < b.known() && now.Sub(first.end) < lately*4/5 && now.Sub(b.last(n).end) < 2*lately; n++ {
		first = b.last(n)
	}
	from, to := b.sends.until(first.begin()), b.sends.until(last.begin())
	queue := max(last.rtt, first.rtt) - b.base.get()
	idle := max(to.pause-from.pause-queue, 0) // it was empty for the rest of the pause
	if d := last.end.Sub(first.end) - idle; d > tick/2 && to.bytes > from.bytes {
		rate = min(rate, float64(to.bytes-from.bytes)/d.Seconds())
	}
	return rate
}

// grow raises the rate if it is what holds back.
func (b *brake) grow(now time.Time) {
	if b.sends.rate(now) < b.rate/2 {
		return
	}
	growth := startGrowth
	if queued := slices.Max(b.carried[:]); queued > 0 {
		away := math.Abs(b.rate/queued - 1)
		growth = min(nearGrowth+farGrowth*max(away-nearBy, 0), mostGrowth)
	}
	since := min(now.Sub(b.last(1).end), 2*tick)
	b.step = b.rate * growth * since.Seconds() / tick.Seconds()
	b.set(now, b.rate+b.step)
}

func mean(d []time.Duration) (sum time.Duration) {
	for _, x := range d {
		sum += x
	}
	return sum / time.Duration(len(d))
}

// minimum is the least of the last one or two minutes. The zero value knows none.
type minimum struct {
	former, present time.Duration // of a whole minute, and of the present one
	began           time.Time
}

func (m *minimum) add(now time.Time, d time.Duration) {
	switch since := now.Sub(m.began); {
	case m.began.IsZero() || since >= 2*time.Minute:
		*m = minimum{former: d, present: d, began: now}
	case since >= time.Minute:
		m.former, m.present, m.began = m.present, d, now
	}
	m.present = min(m.present, d)
}

func (m *minimum) get() time.Duration { return min(m.former, m.present) }
