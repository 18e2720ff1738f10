package backoff_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

func TestDelay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n, most := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 1 << 30: time.Second,
	} {
		for range 1000 {
			if d := backoff.Delay(r, 100*time.Millisecond, time.Second, n); d < most/2 || d > most {
				t.Fatalf("retry %d waits %v, want %v to %v", n, d, most/2, most)
			}
		}
	}
}

func TestRand(t *testing.T) {
	mine := rand.New(rand.NewPCG(1, 2))
	if backoff.Rand(mine) != mine {
		t.Error("a given source isn't used")
	}
	if a, b := backoff.Rand(nil), backoff.Rand(nil); a.Uint64() == b.Uint64() {
		t.Error("two sources of their own give the same numbers")
	}
}
