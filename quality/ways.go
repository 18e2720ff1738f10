package quality

import "math"

// way is a direction.
type way int

const (
	wayUp   way = iota // by our counters
	wayDown            // by the peer's
	ways
)

// alikeAtFirst is how likely it is, before anything is counted, that both ways lose alike: mostly it is one radio.
const alikeAtFirst = 0.7

// wayFilters are what is known of loss by the segments of each way. A way that loses isn't to be hidden by the traffic of
// the other one, and where both lose alike, each tells of the other: so there are filters of each way alone and one of
// both, and how well they foretold what was counted says which to believe. The zero value knows nothing.
type wayFilters struct {
	alone [ways]lossFilter
	both  lossFilter
	clump [ways]clumps
	alike float64 // probability that both ways lose alike
	at    moment
}

func (f *wayFilters) add(w way, now moment, n, k int) {
	alike, of := f.alikeBy(now), f.clump[w].factor()
	f.clump[w].add(now, n, k)
	alone := f.alone[w].add(now, float64(n)/of, float64(k)/of)
	both := f.both.add(now, float64(n)/of, float64(k)/of)
	// Bayes, by logarithms; never so sure that what comes later couldn't change it.
	odds := math.Log(alike/(1-alike)) + both - alone
	f.alike, f.at = 1/(1+math.Exp(-min(max(odds, -mostOdds), mostOdds))), now
}

// credit takes back losses of a way.
func (f *wayFilters) credit(w way, now moment, k int) {
	of := f.clump[w].factor()
	f.clump[w].credit(k)
	f.alone[w].credit(now, float64(k)/of)
	f.both.credit(now, float64(k)/of)
}

// mostOdds is the logarithm of a thousand.
const mostOdds = 6.9

// alikeBy is how likely it is by a time that both ways lose alike.
func (f *wayFilters) alikeBy(now moment) float64 {
	if f.alike == 0 {
		return alikeAtFirst
	}
	keep := f.both.kept(now)
	return keep*f.alike + (1-keep)*alikeAtFirst
}

// posterior is the probability of each class of the worse way. A way that nobody counted says nothing.
func (f *wayFilters) posterior(now moment) (post [lossClasses]float64) {
	alike, both := f.alikeBy(now), f.both.posterior(now)
	var by [ways][lossClasses]float64
	for w := range f.alone {
		if f.alone[w].begun {
			by[w] = f.alone[w].posterior(now)
		} else {
			by[w][0] = 1
		}
	}
	up, down, upTo := 0.0, 0.0, 0.0
	for c := range post {
		up, down = up+by[wayUp][c], down+by[wayDown][c]
		post[c] = alike*both[c] + (1-alike)*(up*down-upTo)
		upTo = up * down
	}
	return post
}

// worse is the way that loses more, of those that were counted.
func (f *wayFilters) worse(up, down int) way {
	if up == 0 || down > 0 && f.alone[wayDown].mean() > f.alone[wayUp].mean() {
		return wayDown
	}
	return wayUp
}

// forgetDown forgets what was counted down. What both tell together goes with it, but for what is known of the way up.
func (f *wayFilters) forgetDown() {
	f.alone[wayDown].clear()
	f.clump[wayDown] = clumps{}
	f.both, f.alike = f.alone[wayUp], 0
}

func (f *wayFilters) clear() { *f = wayFilters{} }
