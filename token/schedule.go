package token

import (
	"math/rand/v2"
	"time"
)

const (
	// defaultMargin and marginShare say how long before its end a token is refreshed: five minutes, or a fifth of a life
	// that is shorter than 25 minutes, so that a token living shorter than the margin isn't refreshed without end.
	defaultMargin = 5 * time.Minute
	marginShare   = 5
	// jitterShare is how much of the margin is added at random, so that devices that signed in together don't refresh
	// together. It only makes the refresh earlier.
	jitterShare = 4
	// assumedLife is for servers that don't say how long a token lives (RFC 6749 5.1 only recommends it).
	assumedLife = 5 * time.Minute
	// maxLife bounds what a server may claim, so that no sum of times overflows.
	maxLife = 10 * 365 * 24 * time.Hour
	// maxAllowance and allowanceShare are how long before its end a token stops being handed out: what is sent just
	// before arrives just after.
	maxAllowance   = 5 * time.Second
	allowanceShare = 20
	// minGap is the least time between two refreshes that work, and minUse the least time that a new token is handed
	// out, whatever the clocks and the server say: the answer to "already expired" must not be another refresh.
	minGap = 500 * time.Millisecond
	minUse = time.Second
)

// window is when tokens should be refreshed and when they are over, by the wall clock. A zero over means that it isn't
// known: they are handed out until there are others.
type window struct{ due, over time.Time }

// windowOf works out the window of tokens that were kept, at the wall clock's now.
func windowOf(t Tokens, now time.Time, margin time.Duration, rng *rand.Rand) window {
	life := min(t.Lifetime, maxLife)
	if life <= 0 {
		if t.Expiry.IsZero() {
			return window{due: now.Add(assumedLife - jitter(assumedLife/marginShare, rng))}
		}
		life = max(t.Expiry.Sub(now), 0)
	}
	if planted == bugMarginOfFixedLength {
		marginLife := marginShare * margin
		return window{due: t.Expiry.Add(-marginLife / marginShare), over: t.Expiry}
	}
	margin = min(margin, life/marginShare)
	allowance := min(maxAllowance, life/allowanceShare)
	if t.Expiry.Sub(now) > life {
		// The wall clock was turned back since. How much is left isn't known: refresh, and don't count on it for longer
		// than a whole life.
		return window{due: now, over: now.Add(life - allowance)}
	}
	return window{due: t.Expiry.Add(-margin - jitter(margin, rng)), over: t.Expiry.Add(-allowance)}
}

// windowOfNew is windowOf for tokens that a server has just made.
func windowOfNew(t Tokens, now time.Time, margin time.Duration, rng *rand.Rand) window {
	w := windowOf(t, now, margin, rng)
	if planted == bugMarginOfFixedLength {
		return w
	}
	if first := now.Add(minGap); w.due.Before(first) {
		w.due = first
	}
	if first := now.Add(minUse); !w.over.IsZero() && w.over.Before(first) {
		w.over = first
	}
	return w
}

// jitter is at most a share of the margin.
func jitter(margin time.Duration, rng *rand.Rand) time.Duration {
	return time.Duration(rng.Int64N(int64(margin/jitterShare) + 1))
}

// anchored fills in when tokens end that were asked for at sent. What a server has just made hasn't ended: an Expiry
// that says so comes from a clock that is wrong, and isn't believed.
func anchored(t Tokens, sent, now time.Time) Tokens {
	switch {
	case t.Lifetime > 0:
		t.Lifetime = min(t.Lifetime, maxLife)
		t.Expiry = sent.Add(t.Lifetime)
	case !t.Expiry.IsZero() && t.Expiry.After(now):
		t.Lifetime = min(t.Expiry.Sub(sent), maxLife)
		t.Expiry = sent.Add(t.Lifetime)
	default:
		t.Lifetime, t.Expiry = 0, time.Time{}
	}
	if t.RefreshLifetime > 0 {
		t.RefreshLifetime = min(t.RefreshLifetime, maxLife)
		t.RefreshExpiry = sent.Add(t.RefreshLifetime)
	}
	return t
}

const (
	// endingShare and endingAtLeast say how long ahead the session's end is told: a tenth of its life, at least a day,
	// at most half of its life.
	endingShare   = 10
	endingAtLeast = 24 * time.Hour
)

// endingAt is when the session's end should be told, zero if it isn't known.
func endingAt(t Tokens) time.Time {
	if t.RefreshExpiry.IsZero() {
		return time.Time{}
	}
	lead := max(t.RefreshLifetime/endingShare, endingAtLeast)
	if t.RefreshLifetime > 0 {
		lead = min(lead, t.RefreshLifetime/2)
	}
	return t.RefreshExpiry.Add(-lead)
}

// clock tells a step of the wall clock, or a sleep of the machine, from time that passed.
type clock struct{ wall, mono time.Time }

// clockSlack is how far the two clocks may drift apart between two looks: slewing by NTP is 0.05%, a stalled process some
// seconds at worst.
const clockSlack = 5 * time.Second

// look returns by how much the wall clock ran ahead of (or, negative, fell behind) the monotonic one since the last look,
// 0 if that is within the slack.
func (c *clock) look(wall, mono time.Time) time.Duration {
	var gap time.Duration
	if !c.mono.IsZero() {
		gap = wall.Sub(c.wall) - mono.Sub(c.mono)
	}
	c.wall, c.mono = wall, mono
	if gap.Abs() < clockSlack {
		return 0
	}
	return gap
}

// guard notices a server that refuses the tokens that it has just made. Refreshing can't cure that, and would loop.
type guard struct {
	gen     uint64      // the last generation that was refused
	refused []time.Time // when new tokens were, within guardWindow
	holds   int         // holds in a row
	last    time.Time   // when the last hold ended
}

const (
	guardWindow = time.Minute
	guardLimit  = 3 // refused new tokens within the window
	guardHold   = 30 * time.Second
	guardMax    = 10 * time.Minute
)

// refuse counts a refusal of generation gen, made at born, and returns how long no other should be made, 0 for "make
// one". A storm of refusals of one generation counts once.
func (g *guard) refuse(gen uint64, born, now time.Time) time.Duration {
	if planted == bugNoLoopGuard {
		return 0
	}
	if gen == g.gen || now.Sub(born) > guardWindow {
		return 0
	}
	g.gen = gen
	kept := g.refused[:0]
	for _, at := range g.refused {
		if now.Sub(at) <= guardWindow {
			kept = append(kept, at)
		}
	}
	g.refused = append(kept, now)
	if len(g.refused) < guardLimit {
		return 0
	}
	if now.Sub(g.last) > 2*guardMax {
		g.holds = 0
	}
	hold := min(guardHold<<min(g.holds, 10), guardMax)
	g.holds++
	g.refused = g.refused[:0]
	g.last = now.Add(hold)
	return hold
}

// issued remembers of which session the last access tokens were, without holding them.
type issued struct {
	marks [32]struct {
		hash string
		turn int
	}
	next int
}

func (i *issued) add(access string, turn int) {
	i.marks[i.next].hash, i.marks[i.next].turn = hashOf(access), turn
	i.next = (i.next + 1) % len(i.marks)
}

// foreign says that the token was handed out in another session than that of turn, and not in it.
func (i *issued) foreign(access string, turn int) bool {
	hash, foreign := hashOf(access), false
	for _, m := range i.marks {
		if m.hash == hash {
			if m.turn == turn {
				return false
			}
			foreign = true
		}
	}
	return foreign
}
