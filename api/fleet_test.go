package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// fleetRow is a crowd of clients that make one call a minute each, and a server in trouble. One of a budget's tokens a
// second would be nothing to a client with 20 calls a second, and pays for 5 retries of each of these.
type fleetRow struct {
	name  string
	fail  func(*rand.Rand) int // the status, 0 for none at all
	calls int                  // of each client in the outage
	warm  int                  // and before it
	most  float64              // requests for each call in the outage
}

func always(status int) func(*rand.Rand) int { return func(*rand.Rand) int { return status } }

func fleetRows() []fleetRow {
	half := func(status int) func(*rand.Rand) int {
		return func(rng *rand.Rand) int { return map[bool]int{true: status, false: 200}[rng.IntN(2) == 0] }
	}
	return []fleetRow{
		{"all 503", always(503), 10, 20, 1.1},
		{"all 500", always(500), 10, 20, 1.1},
		{"all 429", always(429), 10, 20, 1.1},
		{"all 503 since they were started", always(503), 20, 0, 1.1}, // two retries of each new client
		{"half 503", half(503), 60, 20, 1.1},
		{"half 500", half(500), 60, 20, 1.1},
		// Nothing tells it from a path that loses requests, so that this costs no budget; what bounds it is that attempts
		// without an answer are given more and more time, until one takes all that its call has.
		{"hangs", always(0), 150, 20, 1.1},
	}
}

// TestCrowdOfQuietClients: 500 clients with one call a minute each are no more of a load to a server in trouble than one
// with many.
func TestCrowdOfQuietClients(t *testing.T) {
	s := seed(t)
	for _, row := range fleetRows() {
		t.Run(row.name, func(t *testing.T) {
			check(func() error {
				ratio, err := fleet(s, row, 500)
				if t.Logf("load is %.3f of what was offered", ratio); err == nil && ratio > row.most {
					err = fmt.Errorf("more than %.2f", row.most)
				}
				return err
			}).run(t)
		})
	}
}

// someFleet is one row with fewer clients.
func someFleet(name string) check {
	return func() error {
		for _, row := range fleetRows() {
			if row.name != name {
				continue
			}
			ratio, err := fleet(1, row, 20)
			if err == nil && ratio > row.most {
				err = fmt.Errorf("%s: load is %.3f of what was offered", name, ratio)
			}
			return err
		}
		return nil
	}
}

// fleet lets clients call, and says how many requests came of each call after the server got into trouble.
func fleet(seed uint64, row fleetRow, clients int) (float64, error) {
	var mu sync.Mutex // guards rng and errs
	var errs []error
	rng := rand.New(rand.NewPCG(seed, 20))
	var trouble atomic.Bool
	var hits, calls atomic.Int64
	serve := func(req *http.Request) (*http.Response, error) {
		if !trouble.Load() {
			return answer(req, 200, ""), slowly(req, 50*time.Millisecond)
		}
		hits.Add(1)
		mu.Lock()
		status := row.fail(rng)
		mu.Unlock()
		if status == 0 {
			return nil, silence(req)
		}
		return answer(req, status, ""), slowly(req, 50*time.Millisecond)
	}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			c, err := client(serve, api.Options{Rand: rand.New(rand.NewPCG(seed, uint64(100+n)))})
			if err == nil {
				time.Sleep(time.Duration(n) * time.Minute / time.Duration(clients))
				for k := range row.warm + row.calls {
					if k >= row.warm {
						calls.Add(1)
					}
					wg.Go(func() { _, _, _ = get(context.Background(), c, "GET", "/x", "") })
					time.Sleep(time.Minute)
				}
				err = c.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	time.Sleep(time.Duration(row.warm) * time.Minute)
	trouble.Store(true)
	wg.Wait()
	return float64(hits.Load()) / float64(calls.Load()), errors.Join(errs...)
}
