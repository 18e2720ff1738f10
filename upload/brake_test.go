package upload_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

const (
	// megabit is a million bits a second in bytes.
	megabit = 1e6 / 8
	// unseen is how long a queue may be on short paths, where twice the round trip is less: what is below 20 ms isn't told
	// from a busy processor, and it takes a second round trip to believe it.
	unseen = 40 * time.Millisecond
	// learn is how long an upload may take to find its rate.
	learn = 15 * time.Second
)

// begun returns a link on which an upload has gone on for some time, beside a chat that was there before.
func begun(rate float64, rtt, room, ago time.Duration) *modelLink {
	l := newModelLink(1, rate*megabit, rtt, room)
	l.idle = true
	l.run(3 * time.Second)
	l.idle = false
	l.run(ago)
	return l
}

// short says whether messages met short queues, while the upload used the link.
func (l *modelLink) short(used float64) error {
	p95 := percentile(l.delays, 0.95)
	if longest := max(l.rtt, unseen); p95 >= longest {
		return fmt.Errorf("p95 of the queue is %v, want less than %v; %.2f of the link used", p95, longest, l.used)
	}
	if l.used < used {
		return fmt.Errorf("%.2f of the link used, want %.2f; p95 of the queue is %v", l.used, used, p95)
	}
	return nil
}

// checkQueue looks at links of all kinds.
func checkQueue(t *testing.T) error {
	var errs []error
	for _, rate := range []float64{1, 10, 50, 100} {
		for _, rtt := range []time.Duration{10 * time.Millisecond, 40 * time.Millisecond, 300 * time.Millisecond} {
			for _, room := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
				l := begun(rate, rtt, room, learn)
				l.run(time.Minute)
				used := 0.93
				if rtt >= 300*time.Millisecond {
					used = 0.80 // a chunk of 2 s waits so long for its answer
				}
				if err := l.short(used); err != nil {
					errs = append(errs, fmt.Errorf("%v Mbit/s, RTT %v, a queue of %v: %w", rate, rtt, room, err))
				}
				t.Logf("%v Mbit/s, RTT %v, a queue of %v: p95 %v, %.2f used", rate, rtt, room, percentile(l.delays, 0.95), l.used)
			}
		}
	}
	return errors.Join(errs...)
}

// checkNoise has a busy processor delay round trips for minutes: an upload is braked by half for it at most.
func checkNoise(t *testing.T) error {
	ms := float64(time.Millisecond)
	var errs []error
	for name, x := range map[string]struct {
		noise func(rng *rand.Rand) float64 // in ms
		used  float64
	}{
		"each tenth, 50 ms on average":    {func(rng *rand.Rand) float64 { return rng.ExpFloat64() * 50 * float64(rng.IntN(10)/9) }, 0.80},
		"all, 10 ms on average":           {func(rng *rand.Rand) float64 { return rng.ExpFloat64() * 10 }, 0.70},
		"all, 20 ms on average":           {func(rng *rand.Rand) float64 { return rng.ExpFloat64() * 20 }, 0.45},
		"each other one, by up to 150 ms": {func(rng *rand.Rand) float64 { return rng.Float64() * 150 * float64(rng.IntN(2)) }, 0.45},
		"all, by up to 150 ms":            {func(rng *rand.Rand) float64 { return rng.Float64() * 150 }, 0.45},
		"all, by 30 ms to 130 ms":         {func(rng *rand.Rand) float64 { return 30 + rng.Float64()*100 }, 0.45},
		"all, by 100 ms":                  {func(*rand.Rand) float64 { return 100 }, 0.45},
	} {
		seed := envSeed(t, 1)
		for _, rate := range []float64{10, 100} {
			l := begun(rate, 40*time.Millisecond, 300*time.Millisecond, 2*learn)
			l.rng = rand.New(rand.NewPCG(seed, 1))
			l.noise = func(rng *rand.Rand) time.Duration { return time.Duration(x.noise(rng) * ms) }
			l.run(3 * time.Minute)
			if l.used < x.used {
				errs = append(errs, fmt.Errorf("SEED=%d, %v Mbit/s, %s: %.2f used, want %.2f", seed, rate, name, l.used, x.used))
			}
			t.Logf("SEED=%d, %v Mbit/s, %s: %.2f used", seed, rate, name, l.used)
			l.noise = quiet
			l.run(time.Minute)
			l.run(time.Minute)
			if err := l.short(0.9); err != nil {
				errs = append(errs, fmt.Errorf("SEED=%d, %v Mbit/s, %s, later: %w", seed, rate, name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// TestBrakeFollows changes the link midway.
func TestBrakeFollows(t *testing.T) {
	for name, x := range map[string]struct {
		change func(l *modelLink)
		within time.Duration
		used   float64
	}{
		"three quarters": {func(l *modelLink) { l.rate *= 0.75 }, learn, 0.93},
		"half":           {func(l *modelLink) { l.rate *= 0.5 }, learn, 0.93},
		"just below half, where the floor is in the way": {func(l *modelLink) { l.rate *= 0.45 }, 3 * learn, 0.93},
		"a quarter":             {func(l *modelLink) { l.rate *= 0.25 }, 2 * learn, 0.93},
		"a tenth":               {func(l *modelLink) { l.rate *= 0.1 }, 2 * learn, 0.93},
		"double":                {func(l *modelLink) { l.rate *= 2 }, learn, 0.93},
		"8 times":               {func(l *modelLink) { l.rate *= 8 }, 2 * learn, 0.93},
		"others take 40%":       {func(l *modelLink) { l.cross = 0.4 * l.rate }, learn, 0.93 * 0.6},
		"others take 80%":       {func(l *modelLink) { l.cross = 0.8 * l.rate }, 3 * learn, 0.85 * 0.2},
		"a path 60 ms longer":   {func(l *modelLink) { l.rtt += 60 * time.Millisecond }, 2 * learn, 0.9},
		"a path of half length": {func(l *modelLink) { l.rtt /= 2 }, learn, 0.93},
	} {
		for _, room := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprint(name, ", a queue of ", room), func(t *testing.T) {
				l := begun(10, 40*time.Millisecond, room, 2*learn)
				x.change(l)
				l.run(x.within)
				l.run(time.Minute)
				if err := l.short(x.used); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestBrakeNeedsEyes: without round trips nothing is held back, and where they come while a queue is there, it is found.
func TestBrakeNeedsEyes(t *testing.T) {
	seen := false
	l := newModelLink(1, 10*megabit, 40*time.Millisecond, 300*time.Millisecond)
	l.blind = func() bool { return !seen }
	l.run(time.Minute)
	if l.used < 0.95 || l.brake.Limit(l.now) != 0 {
		t.Errorf("unseen, %.2f of the link used, limit %v", l.used, l.brake.Limit(l.now))
	}
	seen = true
	l.run(learn)
	l.run(time.Minute)
	if err := l.short(0.93); err != nil {
		t.Error(err)
	}
	seen = false
	l.run(6 * time.Second)
	if limit := l.brake.Limit(l.now); limit != 0 {
		t.Errorf("unseen again, limit %v", limit)
	}
}

// TestBrakeLetsFastPathsGo: a path faster than 32 MB/s isn't braked, whatever its round trips are.
func TestBrakeLetsFastPathsGo(t *testing.T) {
	var b upload.Brake
	now := time.Unix(1_700_000_000, 0)
	for i := range 100 {
		now = now.Add(500 * time.Millisecond)
		b.Observe(now, time.Duration(1+i%50)*10*time.Millisecond)
		b.Sent(now, 20<<20)
		b.Acked(now, 20<<20, 500*time.Millisecond, 0)
		if limit := b.Limit(now); limit != 0 {
			t.Fatalf("limit %v", limit)
		}
	}
	for range 3 { // it has become slower
		now = now.Add(500 * time.Millisecond)
		b.Observe(now, 10*time.Millisecond)
		b.Sent(now, 1<<20)
		b.Acked(now, 1<<20, 500*time.Millisecond, 0)
	}
	if limit := b.Limit(now); limit < 1<<20 || limit > 8<<20 {
		t.Errorf("limit %v on a path of 2 MiB/s", limit)
	}
}

// TestBrakeForgets: another network, or a minute without an upload, halves what is known.
func TestBrakeForgets(t *testing.T) {
	for name, change := range map[string]func(l *modelLink){
		"another network": func(l *modelLink) {
			l.idle = true
			l.run(2 * time.Second)
			l.brake.Moved(l.now)
			l.size, l.socket = 0, 0 // requests are given up
			l.run(2 * time.Second)
			l.idle = false
		},
		"a minute without an upload": func(l *modelLink) {
			l.idle = true
			l.run(61 * time.Second)
			l.idle = false
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := begun(10, 40*time.Millisecond, 300*time.Millisecond, learn)
			before := l.brake.Limit(l.now)
			change(l)
			l.run(10 * time.Millisecond)
			if after := l.brake.Limit(l.now); after < before*0.45 || after > before*0.8 {
				t.Errorf("%.0f bytes a second before, %.0f after", before, after)
			}
			l.run(learn)
			l.run(time.Minute)
			if err := l.short(0.93); err != nil {
				t.Error(err)
			}
		})
	}
}
