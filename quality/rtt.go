package quality

import (
	"math"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/internal/rto"
)

const (
	rttSamples = 64
	// rttHalf is the age at which a sample counts half. Where samples are rare, their number counts instead: halfCount
	// of them have to lie within it, or the newest one alone would decide.
	rttHalf   = 8 * time.Second
	halfCount = 4
	rttAge    = time.Minute
	// clump is the time within which answers came together: they were held up together, behind one lost segment. The
	// one that was sent last was held up least.
	clump = 40 * time.Millisecond

	// priorSigma and priorWeight stand for what is known of round trips before there are samples: by how much their
	// logarithm varies, and how many samples that is worth.
	priorSigma  = 0.12
	priorWeight = 4
	leastSigma  = 0.05
	// medianLoss is by how much the median of normal samples is less exact than their mean: sqrt(π/2).
	medianLoss = 1.2533

	// A change point needs shiftLeast new samples on one side of the old median, shiftRatio away (as a logarithm), and
	// so far that chance would do it once in ten thousand times (shiftZ).
	shiftLeast, shiftMost = 3, 8
	shiftRatio            = 0.14
	shiftZ                = 3.7
	// Answers so late that each may be a retransmission make a shift only if there are more of them, and more still
	// where retransmissions were seen.
	lateShift, lossyShift = 4, 6

	rtoMin    = 200 * time.Millisecond // what Linux adds to the round trip for its retransmission timeout
	varianceG = 50 * time.Millisecond  // least that 4·RTTVAR counts for: timers, and schedulers of two machines
)

// moment is a time since the estimator's first sample.
type moment = time.Duration

type rttSample struct {
	at   moment
	rtt  time.Duration
	log  float64
	late bool // looks like a retransmission
	held bool // one that came together with it does, or did before this one took its place
}

// rttWindow holds the last round trips. The zero value is empty.
type rttWindow struct {
	s [rttSamples]rttSample
	n int

	middle float64 // logarithm of the weighted median
	sigma  float64 // of the logarithm, robust
	count  float64 // samples that this rests on, by weight
}

// add takes a round trip that ended at a time. It says whether it is a sample of its own, and whether it looks late.
func (w *rttWindow) add(at moment, rtt time.Duration) (own, late bool) {
	late = w.isLate(rtt)
	if last := w.n - 1; last >= 0 && at-w.s[last].at < clump {
		old := w.s[last]
		counted := old.late || old.held
		if rtt < old.rtt {
			w.s[last] = rttSample{at: at, rtt: rtt, log: math.Log(float64(rtt)), late: late}
			w.measure()
		}
		w.s[last].held = counted || late
		return false, late && !counted
	}
	if w.n == rttSamples {
		w.drop(1)
	}
	w.s[w.n] = rttSample{at: at, rtt: rtt, log: math.Log(float64(rtt)), late: late}
	w.n++
	w.measure()
	return true, late
}

// isLate says whether a round trip is longer than usual by a retransmission timeout. A tenth less is asked for, since the
// usual time isn't exact.
func (w *rttWindow) isLate(rtt time.Duration) bool {
	if w.n == 0 {
		return false
	}
	usual := time.Duration(math.Exp(w.middle))
	return rtt > usual+(usual+rtoMin)*9/10
}

// drop forgets the oldest n.
func (w *rttWindow) drop(n int) {
	copy(w.s[:], w.s[n:w.n])
	w.n -= n
}

// expire forgets what is older than an age.
func (w *rttWindow) expire(now moment, age time.Duration) {
	n := 0
	for n < w.n && now-w.s[n].at > age {
		n++
	}
	if n > 0 {
		w.drop(n)
		w.measure()
	}
}

func (w *rttWindow) clear() { *w = rttWindow{} }

func (w *rttWindow) newest() rttSample { return w.s[w.n-1] }

// measure computes the weighted median, the variation and the weight. All weights shrink alike as time goes by, so that
// it changes only with the samples.
func (w *rttWindow) measure() {
	if w.n == 0 {
		w.middle, w.sigma, w.count = 0, 0, 0
		return
	}
	var logs [rttSamples]weighted
	newest := w.newest().at
	half := w.half()
	sum := 0.0
	for i, s := range w.s[:w.n] {
		logs[i] = weighted{s.log, math.Exp2(-float64(newest-s.at) / float64(half))}
		sum += logs[i].w
	}
	w.middle = weightedMedian(logs[:w.n])
	for i := range logs[:w.n] {
		logs[i].x = math.Abs(logs[i].x - w.middle)
	}
	w.sigma = shrunk(1.4826*weightedMedian(logs[:w.n]), sum)
	w.count = sum
}

// half is the age at which a sample counts half.
func (w *rttWindow) half() time.Duration {
	if k := w.n - 1 - halfCount; k >= 0 {
		return max(rttHalf, w.newest().at-w.s[k].at)
	}
	return max(rttHalf, w.newest().at-w.s[0].at)
}

// shrunk mixes a measured variation with what is known before.
func shrunk(sigma, n float64) float64 {
	return max(math.Sqrt((n*sigma*sigma+priorWeight*priorSigma*priorSigma)/(n+priorWeight)), leastSigma)
}

// cut looks for a change point, forgets what lies before it and returns the number of samples since it, or 0 if there
// is none. seen says that segments were lost lately.
func (w *rttWindow) cut(seen bool) int {
	least := shiftLeast
	if w.n > shiftLeast {
		late := 0
		for late < w.n && w.s[w.n-1-late].late {
			late++
		}
		switch {
		case late >= shiftLeast && seen:
			least = lossyShift
		case late >= shiftLeast:
			least = lateShift
		}
	}
	for k := least; k <= shiftMost && k < w.n; k++ {
		if w.shifted(k) {
			w.drop(w.n - k)
			for i := range w.s[:w.n] {
				w.s[i].late = false
			}
			w.measure()
			return k
		}
	}
	return 0
}

// shifted says whether the newest k are from another path than those before.
func (w *rttWindow) shifted(k int) bool {
	old, fresh := w.s[:w.n-k], w.s[w.n-k:w.n]
	was := median(old[max(0, len(old)-2*shiftMost):])
	up := fresh[0].log > was
	for _, s := range fresh {
		if (s.log > was) != up || math.Abs(s.log-was) < shiftRatio {
			return false
		}
	}
	n := float64(min(len(old), 2*shiftMost))
	var logs [2 * shiftMost]float64
	for i, s := range old[len(old)-int(n):] {
		logs[i] = math.Abs(s.log - was)
	}
	slices.Sort(logs[:int(n)])
	sigma := shrunk(1.4826*logs[int(n)/2], n)
	return math.Abs(median(fresh)-was) > shiftZ*medianLoss*sigma*math.Sqrt(1/float64(k)+1/n)
}

// tail is what one sample in 20 exceeds.
func (w *rttWindow) tail() time.Duration {
	var rtts [rttSamples]time.Duration
	for i, s := range w.s[:w.n] {
		rtts[i] = s.rtt
	}
	slices.Sort(rtts[:w.n])
	return rtts[(w.n*19+19)/20-1]
}

// below is the probability that the path's usual time is less.
func (w *rttWindow) below(d time.Duration) float64 {
	if d == math.MaxInt64 {
		return 1
	}
	spread := medianLoss * w.sigma / math.Sqrt(max(w.count, 1))
	return 0.5 * math.Erfc((w.middle-math.Log(float64(d)))/spread/math.Sqrt2)
}

// weighted is a value and its weight.
type weighted struct{ x, w float64 }

// weightedMedian sorts; there is at least one value.
func weightedMedian(v []weighted) float64 {
	slices.SortFunc(v, func(a, b weighted) int {
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		}
		return 0
	})
	sum := 0.0
	for _, e := range v {
		sum += e.w
	}
	part := 0.0
	for _, e := range v {
		if part += e.w; part >= sum/2 {
			return e.x
		}
	}
	return v[len(v)-1].x
}

// median of at most 2·shiftMost logarithms.
func median(s []rttSample) float64 {
	var logs [2 * shiftMost]float64
	for i := range s {
		logs[i] = s[i].log
	}
	slices.Sort(logs[:len(s)])
	if n := len(s); n%2 == 0 {
		return (logs[n/2-1] + logs[n/2]) / 2
	}
	return logs[len(s)/2]
}

// smoothed is RFC 6298, section 2. The zero value knows nothing.
type smoothed struct {
	srtt, rttvar time.Duration
	misses       int // attempts in a row that timed out: each doubles what the next one gets (Karn)
}

const maxShift = 3

// missed takes an attempt without an answer.
func (s *smoothed) missed() { s.misses = min(s.misses+1, maxShift) }

// atLeast takes a handshake, which tells when the path became longer than what is believed.
func (s *smoothed) atLeast(rtt time.Duration) {
	if rtt > s.answerBy() && s.srtt > 0 || s.srtt == 0 {
		s.srtt, s.rttvar = rto.First(rtt)
	}
}

func (s *smoothed) add(rtt time.Duration) {
	if s.srtt == 0 {
		s.srtt, s.rttvar = rto.First(rtt)
		return
	}
	s.srtt, s.rttvar = rto.Next(s.srtt, s.rttvar, rtt)
}

// unknownPath is taken for SRTT before the first measure.
const unknownPath = 500 * time.Millisecond

// answerBy is how long an answer takes at most, unless something held it up.
func (s smoothed) answerBy() time.Duration {
	if s.srtt == 0 {
		return 2 * unknownPath
	}
	return s.srtt + max(4*s.rttvar, varianceG)
}

func (s smoothed) rto() time.Duration {
	if s.srtt == 0 {
		return 2 * unknownPath
	}
	return max(s.answerBy(), rtoMin)
}
