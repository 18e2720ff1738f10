package faultnet_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// worldSeeds is how many random worlds a run of the tests looks at.
const worldSeeds = 30

// TestRandomConditionsLoseNothing changes the conditions at random while data flows both ways: every byte arrives once
// and in order, and soon after everything has healed.
func TestRandomConditionsLoseNothing(t *testing.T) {
	for seed := range uint64(worldSeeds) {
		bubble.Run(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, seed, faultnet.Symmetric(rtt))
			if seed%2 == 1 {
				w.net.SetBuffer(8 << 10)
			}
			client, server := w.dial()
			const size = 200 << 10
			results := make(chan error, 4)
			go func() { results <- produce(client, size) }()
			go func() { results <- produce(server, size) }()
			go func() { results <- consume(client, size) }()
			go func() { results <- consume(server, size) }()
			for range 40 {
				w.link.Set(randomConditions(rng))
				time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
			}
			w.link.Set(faultnet.Conditions{})
			healed := time.Now()
			for range 4 {
				if err := <-results; err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
			// The timeout doubles up to 120 s during an outage of at most 80 s.
			if got := time.Since(healed); got > 2*time.Minute+time.Second {
				t.Errorf("seed %d: done only %v after the heal", seed, got)
			}
		})
	}
}

func randomConditions(rng *rand.Rand) faultnet.Conditions {
	flow := func() faultnet.Flow {
		f := faultnet.Flow{
			Delay: time.Duration(rng.IntN(300)) * time.Millisecond, Jitter: time.Duration(rng.IntN(100)) * time.Millisecond,
			Down: rng.IntN(4) == 0, Stall: rng.IntN(4) == 0,
		}
		if rng.IntN(2) == 0 {
			f.Loss = 0.3 * rng.Float64()
		}
		if rng.IntN(2) == 0 {
			f.Rate = 1000 + rng.Int64N(100_000)
		}
		return f
	}
	return faultnet.Conditions{Up: flow(), Down: flow()}
}

// pattern is the byte at a place of the stream.
func pattern(i int) byte { return byte(i ^ i>>8 ^ i>>16) }

func produce(conn io.Writer, size int) error {
	for sent := 0; sent < size; {
		b := make([]byte, min(1+sent%3000, size-sent))
		for i := range b {
			b[i] = pattern(sent + i)
		}
		if _, err := conn.Write(b); err != nil {
			return err
		}
		sent += len(b)
		if sent%7 == 0 {
			time.Sleep(time.Second)
		}
	}
	return nil
}

func consume(conn io.Reader, size int) error {
	b := make([]byte, 4096)
	for got := 0; got < size; {
		n, err := conn.Read(b[:min(len(b), size-got)])
		if err != nil {
			return err
		}
		for i := range n {
			if b[i] != pattern(got+i) {
				return fmt.Errorf("byte %d is %d, want %d", got+i, b[i], pattern(got+i))
			}
		}
		got += n
	}
	return nil
}
