package accuracy

import (
	"math"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// TestBestOnLoss holds the bound against somebody who decides by the observed share alone, in a simulation: never
// better, and near it once there are enough segments.
func TestBestOnLoss(t *testing.T) {
	r := Tuning.rand(1, streamLink)
	for n, slack := range map[int]float64{10: 0.3, 100: 0.15, 1000: 0.05, 4000: 0.03} {
		const runs = 4000
		right := 0
		for i := range runs {
			truth := quality.Excellent + quality.Level(i%4)
			p, k := drawLoss(r, truth), 0
			for range n {
				if r.Float64() < p {
					k++
				}
			}
			if levelOfLoss(float64(k)/float64(n)) == truth {
				right++
			}
		}
		got, best := float64(right)/runs, namedRight(n)
		if noise := 3 * math.Sqrt(0.25/runs); got > best+noise || got < best-slack {
			t.Errorf("%d segments: %.3f named right by the share, the bound is %.3f", n, got, best)
		}
	}
	low, high := lossRange(quality.Poor)
	mean := (high - low) / math.Log(high/low) // of a rate whose logarithm is uniform
	if got := namedRight(1); math.Abs(got-(1+mean)/4) > 1e-3 {
		t.Errorf("from one segment %.4f, want %.4f: that it was lost speaks for the worst", got, (1+mean)/4)
	}
	if got := namedRight(0); math.Abs(got-0.25) > 1e-9 {
		t.Errorf("without a segment one in four is right, not %v", got)
	}
	last := 0.0
	for _, rate := range []float64{0.01, 0.1, 1, 10, 30} {
		got := bestOnLoss(rate)
		if got <= last || got > 1 {
			t.Errorf("at %v segments a second %v, at fewer %v", rate, got, last)
		}
		last = got
	}
}

// TestNobodyBeatsTheBest: with a bound that doesn't hold the comparison would be worth nothing.
func TestNobodyBeatsTheBest(t *testing.T) {
	for i, traffic := range []Traffic{Idle, Usual} {
		s := Setting{Cause: Lossy, Traffic: traffic}
		r := Measure(Tuning, s, uint64(100*i), 4, 20*time.Minute)
		best := bestOnLoss(float64(r.Ours.Segments) / r.Ours.Seconds)
		if got := r.Ours.Settled(); got > best+0.05 { // some 40 stretches
			t.Errorf("%s: %.3f settled, the best is %.3f", s, got, best)
		}
	}
}
