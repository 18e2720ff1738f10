package accuracy

import (
	"math"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	bestStep   = 10 * time.Second // how finely the age of a stretch is looked at
	bestPoints = 16               // rates of loss looked at in each level, evenly spaced by their logarithm
)

// Best is a bound for the settled accuracy of a setting with loss on links that are Familiar, by the segments that its client
// counted; ok is false for others, where everything can be known. Losses in bursts tell less than it says.
func (r *Result) Best() (share float64, ok bool) {
	if knowable(r) || r.Model != Familiar || r.Ours.Seconds == 0 {
		return 1, false
	}
	segments := float64(r.Ours.Segments) / r.Ours.Seconds
	if r.Cause == OneWay {
		segments /= 2 // those of the other way say nothing of it
	}
	return bestOnLoss(segments), true
}

// bestOnLoss is a bound for the settled accuracy on links that lose segments independently: what somebody would reach who
// counts each segment of a rate a second and its loss, knows when the link changes and how often each rate of loss occurs, and
// says what is likeliest.
func bestOnLoss(segments float64) float64 {
	right, all := 0.0, 0.0
	v := varieties[Familiar]
	for age := Grace + bestStep/2; age < v.dwellMax; age += bestStep {
		lasting := min(1, float64(v.dwellMax-age)/float64(v.dwellMax-v.dwellMin)) // share of the stretches that get as old
		right += lasting * namedRight(int(segments*age.Seconds()))
		all += lasting
	}
	return ratio(right, all)
}

// namedRight is how often the likeliest of the levels of loss is the true one, after so many segments.
func namedRight(n int) float64 {
	rates := lossRates()
	_, most := lossRange(quality.Poor)
	last := min(n, int(float64(n)*most+8*math.Sqrt(float64(n)*most))+8) // more are never lost
	sum := 0.0
	for k := range last + 1 {
		best := 0.0
		for _, level := range rates {
			p := 0.0
			for _, rate := range level {
				p += binomial(k, n, rate) / float64(len(level))
			}
			best = max(best, p)
		}
		sum += best / float64(len(rates))
	}
	return sum
}

// lossRates are rates of each level, as drawLoss draws them.
func lossRates() (rates [4][]float64) {
	rates[0] = []float64{0}
	for l := quality.Good; l <= quality.Poor; l++ {
		low, high := lossRange(l)
		for i := range bestPoints {
			rates[l-quality.Excellent] = append(rates[l-quality.Excellent], low*math.Pow(high/low, (float64(i)+0.5)/bestPoints))
		}
	}
	return rates
}

// binomial is the probability of k losses in n.
func binomial(k, n int, p float64) float64 {
	if p == 0 {
		if k == 0 {
			return 1
		}
		return 0
	}
	choose := logFactorial(n) - logFactorial(k) - logFactorial(n-k)
	return math.Exp(choose + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

func logFactorial(n int) float64 {
	x, _ := math.Lgamma(float64(n) + 1)
	return x
}
