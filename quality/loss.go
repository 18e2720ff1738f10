package quality

import (
	"math"
	"time"
)

const (
	lossBuckets = 90
	bucketFor   = 2 * time.Second
	lossAge     = lossBuckets * bucketFor // 3 minutes: hundreds of segments at a few a second

	// A split of the window is a change if twice its log likelihood ratio exceeds splitAt (chi-squared with one degree
	// of freedom: once in a thousand times by chance), with at least splitNew segments after it and splitOld before.
	splitAt            = 10.8
	splitNew, splitOld = 6, 10

	// A class is left for a worse one at worseAt of the posterior, for a better one at betterAt: what seems to be
	// better is mostly a stretch of luck.
	worseAt, betterAt = 0.5, 0.7
)

// lossClasses are levels: no loss, under 1%, under 5%, and more.
const lossClasses = 4

// classPriors are the probabilities of the classes before anything is counted: most paths lose nothing.
var classPriors = [lossClasses]float64{0.5, 0.15, 0.15, 0.2}

// lossGrid holds rates of loss, evenly spaced by their logarithm in each class. None at all stands for so little that
// nobody would ever see it.
var lossGrid = func() (grid [41]gridPoint) {
	i := 0
	for class, c := range [lossClasses]struct {
		low, high float64
		points    int
	}{{1e-5, 1e-5, 1}, {0.001, 0.01, 8}, {0.01, 0.05, 12}, {0.05, 0.6, 20}} {
		for n := range c.points {
			p := c.low * math.Pow(c.high/c.low, (float64(n)+0.5)/float64(c.points))
			late := 1 - (1-p)*(1-p)
			grid[i] = gridPoint{
				class: class, prior: classPriors[class] / float64(c.points), rate: p,
				lost: math.Log(p), kept: math.Log1p(-p), late: math.Log(late), early: math.Log1p(-late),
			}
			i++
		}
	}
	return grid
}()

type gridPoint struct {
	class       int
	prior, rate float64
	lost, kept  float64 // logarithms of probabilities, for a segment
	late, early float64 // the same for an exchange of two segments
}

type bucket struct {
	at   moment
	n, k int
}

// counts of segments and losses, or of exchanges and late answers.
type counts struct {
	n, k      int
	exchanges bool
}

// lossWindow counts those of one direction over the last minutes. The zero value is empty.
type lossWindow struct {
	counts
	b   [lossBuckets]bucket
	len int
}

// add counts n of which k were lost, in bursts that make the variance so many times that of single losses.
func (w *lossWindow) add(now moment, n, k int, variance float64) {
	if w.len == 0 || now-w.b[w.len-1].at >= bucketFor {
		if w.len == lossBuckets {
			w.drop(1)
		}
		w.b[w.len] = bucket{at: now}
		w.len++
	}
	last := &w.b[w.len-1]
	last.n, last.k = last.n+n, last.k+k
	w.n, w.k = w.n+n, w.k+k
	w.expire(now)
	w.split(variance)
}

func (w *lossWindow) drop(n int) {
	for _, b := range w.b[:n] {
		w.n, w.k = w.n-b.n, w.k-b.k
	}
	copy(w.b[:], w.b[n:w.len])
	w.len -= n
}

func (w *lossWindow) expire(now moment) {
	n := 0
	for n < w.len && now-w.b[n].at > lossAge {
		n++
	}
	if n > 0 {
		w.drop(n)
	}
}

func (w *lossWindow) clear() { w.n, w.k, w.len = 0, 0, 0 }

// retract takes back losses since a time: they were something else.
func (w *lossWindow) retract(since moment) {
	for i := range w.b[:w.len] {
		if b := &w.b[i]; b.at+bucketFor > since {
			w.k -= b.k
			b.k = 0
		}
	}
}

// credit takes back the newest losses.
func (w *lossWindow) credit(k int) {
	for i := w.len - 1; i >= 0 && k > 0; i-- {
		none := min(k, w.b[i].k)
		w.b[i].k, w.k, k = w.b[i].k-none, w.k-none, k-none
	}
}

// split forgets what lies before the newest change.
func (w *lossWindow) split(variance float64) {
	n, k := 0, 0
	for i := w.len - 1; i > 0; i-- {
		n, k = n+w.b[i].n, k+w.b[i].k
		if n >= splitNew && w.n-n >= splitOld &&
			2*(likelihood(k, n)+likelihood(w.k-k, w.n-n)-likelihood(w.k, w.n)) > splitAt*variance {
			w.drop(i)
			return
		}
	}
}

// likelihood is the logarithm of the binomial one at its best.
func likelihood(k, n int) float64 {
	if k <= 0 || k >= n {
		return 0
	}
	p := float64(k) / float64(n)
	return float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p)
}

// report is the share lost, and where it lies with 95% probability.
func (w counts) report() Loss {
	if w.n == 0 {
		return Loss{}
	}
	k := min(w.k, w.n) // an answer may be forgotten before the loss that was told of it a moment later
	l := Loss{Share: float64(k) / float64(w.n), Segments: w.n, Inferred: w.exchanges}
	if w.exchanges {
		l.Share = 1 - math.Sqrt(1-l.Share)
	}
	l.Low, l.High = wilson(k, w.n)
	if w.exchanges {
		l.Low, l.High = 1-math.Sqrt(1-l.Low), 1-math.Sqrt(1-l.High)
	}
	return l
}

// wilson is the score interval of a share, 95%.
func wilson(k, n int) (low, high float64) {
	const z = 1.96
	p, m := float64(k)/float64(n), float64(n)
	middle := p + z*z/(2*m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, (middle-half)/(1+z*z/m)), min(1, (middle+half)/(1+z*z/m))
}

// best is the likeliest class.
func best(post [lossClasses]float64) (class int) {
	for c := range post {
		if post[c] > post[class] {
			class = c
		}
	}
	return class
}
