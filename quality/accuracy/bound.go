package accuracy

import (
	"math"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	boundPoints = 40              // of each class's rates
	boundStep   = 5 * time.Second // between the times at which Bound asks
)

// BayesBound is the share of right answers that the best of all algorithms has, if it names the class of a loss (none, under
// 1%, under 5%, more) from n segments that were lost or not by themselves, all of one rate, which is drawn as links of this
// package draw it, all classes equally often. Nobody can be better than information allows: 100 segments name two in three.
func BayesBound(n int) float64 {
	var rates [lossLevels][]float64
	for c := range rates {
		low, high := lossBounds(quality.Excellent + quality.Level(c))
		for i := range boundPoints {
			if high == 0 {
				rates[c] = []float64{0}
				break
			}
			rates[c] = append(rates[c], low*math.Pow(high/low, (float64(i)+0.5)/boundPoints))
		}
	}
	right := 0.0
	for k := 0; k <= n; k++ {
		most, all := 0.0, 0.0
		for c := range rates {
			p := 0.0
			for _, rate := range rates[c] {
				p += binomial(k, n, rate) / float64(len(rates[c]))
			}
			most, all = max(most, p), all+p
		}
		if right += most / float64(lossLevels); k > n/4 && all < 1e-12 {
			break
		}
	}
	return right
}

// binomial is the probability of k of n.
func binomial(k, n int, p float64) float64 {
	if p == 0 {
		if k == 0 {
			return 1
		}
		return 0
	}
	return math.Exp(choose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// choose is the logarithm of n over k.
func choose(n, k int) float64 {
	of := func(n int) float64 { v, _ := math.Lgamma(float64(n) + 1); return v }
	return of(n) - of(k) - of(n-k)
}

// Bound is the BayesBound of a setting whose loss is independent, averaged over the settled time of its links, with as many
// segments since the last change as its client counted; ok is false for other settings. It knows when the last change was,
// which no algorithm does.
func (r *Result) Bound() (share float64, ok bool) {
	if r.Cause != Lossy && r.Cause != OneWay || r.NoCounters || r.Ours.Seconds == 0 {
		return 0, false
	}
	rate := float64(r.Ours.Segments) / r.Ours.Seconds
	if r.Cause == OneWay {
		rate /= 2 // those of the other way say nothing of it
	}
	v := varieties[r.Model]
	sum, weight := 0.0, 0.0
	for t := Grace + boundStep/2; t < v.dwellMax; t += boundStep {
		stays := min(1, float64(v.dwellMax-t)/float64(v.dwellMax-v.dwellMin))
		sum, weight = sum+stays*BayesBound(int(rate*t.Seconds())), weight+stays
	}
	return sum / weight, true
}
