package quality

import (
	"math"
	"time"
)

// lossHazard is the mean time after which a path loses at another rate. It bounds how sure anybody can be: a path that
// lost nothing so far may have begun to lose one in three hundred a minute ago, and nothing would have shown it.
const lossHazard = 2 * time.Minute

// lossFilter is the probability of each rate of loss, given all that was counted and that the rate changes at times: with
// time it goes back to what is known without any evidence, with each segment it is weighed anew. So there is no window to
// choose, and a change needs no test. The zero value knows nothing.
type lossFilter struct {
	exchanges bool
	weights   [len(lossGrid)]float64 // sum 1, once begun
	classes   [lossClasses]float64   // the same by class
	at        moment
	begun     bool
	undo      undo
}

// creditFor is how long losses may be taken back. A kernel learns a round trip later that it sent again for nothing, and
// counters are read once a second.
const creditFor = 10 * time.Second

// undo is what was known before some losses, and what was counted since: to take losses back is to count anew.
type undo struct {
	weights [len(lossGrid)]float64
	at      moment
	begun   bool
	lost    moment // when the first of them was counted
	n, k    float64
}

// add takes n segments or exchanges, of which k were lost or late. Where losses come in bursts they are worth as many as if
// they came one by one: fewer. It returns the logarithm of how likely that was by what was known.
func (f *lossFilter) add(now moment, n, k float64) float64 {
	if u := &f.undo; k > 0 && (u.k == 0 || now-u.lost > creditFor) {
		*u = undo{weights: f.weights, at: f.at, begun: f.begun, lost: now}
	}
	f.undo.n, f.undo.k = f.undo.n+n, f.undo.k+k
	f.weights = f.aged(now)
	f.at, f.begun = now, true
	most := math.Inf(-1)
	var logs [len(lossGrid)]float64
	for i, g := range lossGrid {
		lost, kept := g.lost, g.kept
		if f.exchanges {
			lost, kept = g.late, g.early
		}
		logs[i] = k*lost + (n-k)*kept
		most = max(most, logs[i])
	}
	sum := 0.0
	for i := range logs {
		f.weights[i] *= math.Exp(logs[i] - most)
		sum += f.weights[i]
	}
	f.classes = [lossClasses]float64{}
	for i := range f.weights {
		f.weights[i] /= sum
		f.classes[lossGrid[i].class] += f.weights[i]
	}
	return most + math.Log(sum)
}

// credit takes back losses that were counted lately.
func (f *lossFilter) credit(now moment, k float64) {
	u := f.undo
	if u.k == 0 || now-u.lost > creditFor {
		return
	}
	*f = lossFilter{exchanges: f.exchanges, weights: u.weights, at: u.at, begun: u.begun}
	f.add(now, u.n, max(u.k-k, 0))
}

// mean is the rate to be expected, by what was counted.
func (f *lossFilter) mean() (sum float64) {
	for i, w := range f.weights {
		sum += w * lossGrid[i].rate
	}
	return sum
}

// mostKept is less than all, so that no rate ever becomes impossible: what was counted at the same moment could leave none.
const mostKept = 1 - 1e-9

// kept is how much of what is known still holds at a time.
func (f *lossFilter) kept(now moment) float64 {
	if !f.begun {
		return 0
	}
	return min(math.Exp(-float64(now-f.at)/float64(lossHazard)), mostKept)
}

// aged is what the probabilities are by a time.
func (f *lossFilter) aged(now moment) (w [len(lossGrid)]float64) {
	keep := f.kept(now)
	for i, g := range lossGrid {
		w[i] = keep*f.weights[i] + (1-keep)*g.prior
	}
	return w
}

// posterior is the probability of each class at a time.
func (f *lossFilter) posterior(now moment) (post [lossClasses]float64) {
	keep := f.kept(now)
	for class, prior := range classPriors {
		post[class] = keep*f.classes[class] + (1-keep)*prior
	}
	return post
}

func (f *lossFilter) clear() { *f = lossFilter{exchanges: f.exchanges} }
