package accuracy

import (
	"math"
	"math/rand/v2"
	"time"
)

// Model is how round trips of a link vary and how long it stays as it is. The zero value is Familiar.
type Model int

// Models.
const (
	// Familiar varies as the estimator expects: its prior for the variation is this one's, and its numbers were tuned on it.
	Familiar Model = iota
	Calm           // varies by less than half of that
	Jittery        // varies by more than twice that
	Spiky          // one segment in 20 is later, by 150 ms on average
	Wavering       // varies by as much, but slowly: whatever is sent within 3 s is late together
	Hasty          // changes every 20 to 40 s
	Steady         // changes every 8 to 12 minutes
	models
)

var modelNames = [models]string{"familiar", "calm", "jittery", "spiky", "wavering", "hasty", "steady"}

// String returns the model's name in lower case.
func (m Model) String() string { return modelNames[m] }

// MarshalText writes the name.
func (m Model) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// variety is what a model is.
type variety struct {
	sigma              float64       // of the logarithm of a round trip
	slow               float64       // the same, of what changes only every slowFor
	spikes             float64       // share of segments that are later
	spike              time.Duration // by which, on average
	dwellMin, dwellMax time.Duration
}

const slowFor = 3 * time.Second

var varieties = func() (all [models]variety) {
	for m := range all {
		all[m] = variety{sigma: 0.12, spikes: 0.005, spike: 40 * time.Millisecond, dwellMin: time.Minute, dwellMax: 3 * time.Minute}
	}
	all[Calm].sigma = 0.05
	all[Jittery].sigma = 0.3
	all[Spiky].spikes, all[Spiky].spike = 0.05, 150*time.Millisecond
	all[Wavering].sigma, all[Wavering].slow = 0.05, 0.12
	all[Hasty].dwellMin, all[Hasty].dwellMax = 20*time.Second, 40*time.Second
	all[Steady].dwellMin, all[Steady].dwellMax = 8*time.Minute, 12*time.Minute
	return all
}()

// dwell draws how long a link stays as it is.
func (v variety) dwell(r *rand.Rand) time.Duration {
	return v.dwellMin + time.Duration(r.Int64N(int64(v.dwellMax-v.dwellMin)))
}

// delay draws the time of one way, at a time of a link with a salt.
func (v variety) delay(r *rand.Rand, rtt, at time.Duration, salt uint64) time.Duration {
	log := r.NormFloat64() * v.sigma * math.Sqrt2
	if v.slow > 0 {
		log += v.slow * drift(at, salt)
	}
	d := time.Duration(float64(rtt) / 2 * math.Exp(log))
	if r.Float64() < v.spikes {
		d += time.Duration(r.ExpFloat64() * float64(v.spike))
	}
	return d
}

// drift goes from one normal number to another in slowFor: the same for whoever asks at the same time.
func drift(at time.Duration, salt uint64) float64 {
	knot, part := uint64(at/slowFor), float64(at%slowFor)/float64(slowFor)
	normal := func(knot uint64) float64 { return rand.New(rand.NewPCG(knot, salt)).NormFloat64() }
	return normal(knot)*(1-part) + normal(knot+1)*part
}
