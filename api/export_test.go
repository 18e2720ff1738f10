package api

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Bug is a planted mistake.
type Bug = bug

// The planted mistakes.
const (
	BugNone           = bugNone
	BugNoGeneration   = bugNoGeneration
	BugRetrySent      = bugRetrySent
	BugJitterBelow    = bugJitterBelow
	BugCancelCounts   = bugCancelCounts
	BugNoDrain        = bugNoDrain
	BugFreshKey       = bugFreshKey
	BugTokenOnce      = bugTokenOnce
	BugRetryOffline   = bugRetryOffline
	BugBudgetPath     = bugBudgetPath
	BugHungProbe      = bugHungProbe
	BugOversleep      = bugOversleep
	BugPanicKeeps     = bugPanicKeeps
	BugDateAbsolute   = bugDateAbsolute
	BugTokenAnywhere  = bugTokenAnywhere
	BugKeyTrusted     = bugKeyTrusted
	BugRenewAlways    = bugRenewAlways
	BugNoRewind       = bugNoRewind
	BugTokenImpatient = bugTokenImpatient
	BugOldSuccess     = bugOldSuccess
	BugAlarmForgets   = bugAlarmForgets
	BugAlarmEarly     = bugAlarmEarly
	BugBudgetByTime   = bugBudgetByTime
	BugChangeUnheard  = bugChangeUnheard
	BugPortalCounts   = bugPortalCounts
	BugPacedForEver   = bugPacedForEver
	BugTimeoutUntold  = bugTimeoutUntold
	BugBackForgets    = bugBackForgets
	BugLateLook       = bugLateLook
)

// Plant puts a mistake in force.
func Plant(b Bug) { planted = b }

// MaxWait bounds it.
const MaxWait = maxWait

// What a host has for retries before the first call, and after some time.
const (
	BudgetAtFirst = budgetFirst
	BudgetAtRest  = budgetRest
)

// RateLimit reads an answer's quota.
func RateLimit(h http.Header, now time.Time) (limit, remaining int64, reset time.Duration, ok bool) {
	q, ok := rateLimit(h, now)
	return q.limit, q.remaining, q.reset, ok
}

// Challenges reads WWW-Authenticate as schemes and their parameters.
func Challenges(values []string) (schemes []string, params []map[string]string) {
	for _, c := range challenges(values) {
		schemes, params = append(schemes, c.scheme), append(params, c.params)
	}
	return schemes, params
}

// Renewable says whether another token can cure a 401.
func Renewable(values []string) bool { return renewable(values) }

// RouteOf is the default route of a path.
func RouteOf(path string) string { return routeOf(path) }

// Breaker is a circuit by itself.
type Breaker struct{ b breaker }

// Permit is what it gives to an attempt.
type Permit = permit

// Probe says whether the permit is one of half-open's.
func (p permit) Probe() bool { return p.probe }

// Results of attempts.
const (
	ResultNone   = resultNone
	ResultOK     = resultOK
	ResultSlow   = resultSlow
	ResultFailed = resultFailed
)

// Result is one of them.
type Result = result

// NewBreaker makes a circuit.
func NewBreaker(o BreakerOptions, background bool, seed uint64) *Breaker {
	o = o.withDefaults(background)
	return &Breaker{breaker{o: &o, rng: &jitter{rng: rand.New(rand.NewPCG(seed, 0))}}}
}

// Options are those in force.
func (b *Breaker) Options() BreakerOptions { return *b.b.o }

// Admit asks for a permit.
func (b *Breaker) Admit(now time.Time, lease time.Duration) (Permit, bool, time.Time) {
	return b.b.admit(now, lease)
}

// Record takes a result.
func (b *Breaker) Record(now time.Time, p Permit, r Result, wait time.Duration) {
	b.b.record(now, p, r, wait)
}

// Hint ends an open circuit's wait.
func (b *Breaker) Hint() bool { return b.b.hint() }

// State is the present one, and when an open circuit ends.
func (b *Breaker) State() (Circuit, time.Time) { return b.b.state, b.b.until }

// Path is the estimate of a host's answers.
type Path struct{ p path }

// Answered takes an answer's time.
func (p *Path) Answered(now time.Time, route string, ttfb time.Duration) {
	p.p.answered(now, route, ttfb)
}

// Miss takes a lost one.
func (p *Path) Miss(now, start time.Time) { p.p.miss(now, start) }

// Observe takes a measure of the bare path.
func (p *Path) Observe(now time.Time, rtt time.Duration) { p.p.observe(now, rtt) }

// Timeout is an attempt's, within bounds.
func (p *Path) Timeout(route string, least, most time.Duration) time.Duration {
	return min(min(max(p.p.timeout(route, 0), least), most)<<p.p.shift(), most)
}

// ServerTime reads what a server says that it needed.
func ServerTime(h http.Header) time.Duration { return serverTime(h) }
