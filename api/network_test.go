package api_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestWaitEndsWithItsNetwork(t *testing.T) { check(checkWaitEndsWithNetwork).run(t) }

// checkWaitEndsWithNetwork lets 50 calls wait long after a lost request; then the network goes and comes back, or changes.
// They are done within 500 ms of that, spread. A wait that the server asked for is sat out either way.
func checkWaitEndsWithNetwork() error {
	for _, row := range []struct {
		name   string
		lost   bool // or refused by the server, with a wait
		happen func(*network, *api.Client)
		back   time.Duration // from the beginning
		spread bool
	}{
		{"gone and back", true, func(n *network, _ *api.Client) {
			time.Sleep(2 * time.Second)
			n.set(false)
			time.Sleep(8 * time.Second)
			n.set(true)
		}, 10 * time.Second, true},
		{"changed", true, func(_ *network, c *api.Client) {
			time.Sleep(10 * time.Second)
			c.NetworkChanged()
		}, 10 * time.Second, true},
		{"the server's wait, gone and back", false, func(n *network, c *api.Client) {
			time.Sleep(2 * time.Second)
			n.set(false)
			time.Sleep(8 * time.Second)
			n.set(true)
			c.NetworkChanged()
		}, 40 * time.Second, false},
	} {
		net := newNetwork(true)
		var first atomic.Int32
		first.Store(50)
		c, err := client(func(req *http.Request) (*http.Response, error) {
			switch {
			case !net.Online():
				return nil, fmt.Errorf("an attempt without a network: %w", errLost)
			case first.Add(-1) < 0:
				return answer(req, 200, ""), nil
			case row.lost:
				return nil, errLost
			}
			return answer(req, 408, "", "Retry-After", "40"), nil
		}, api.Options{Network: net, Deadline: -1, RetryMin: 5 * time.Hour, RetryMax: 5 * time.Hour, MaxRetryAfter: 5 * time.Hour})
		if err != nil {
			return err
		}
		least, most := firstAndLast(c, func() { row.happen(net, c) })
		switch {
		case least < row.back && row.spread, row.spread && (most > row.back+resume || most-least < resume/10):
			return fmt.Errorf("%s: done from %v to %v", row.name, least, most)
		case !row.spread && least < row.back:
			return fmt.Errorf("%s: done from %v on", row.name, least)
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// firstAndLast begins 50 calls, lets something happen, and says after what time the first and the last were done.
func firstAndLast(c *api.Client, happen func()) (least, most time.Duration) {
	began := time.Now()
	var mu sync.Mutex // guards least and most
	var wg sync.WaitGroup
	least = 1 << 62
	for range 50 {
		wg.Go(func() {
			_, _, _ = get(context.Background(), c, "GET", "/x", "")
			mu.Lock()
			defer mu.Unlock()
			least, most = min(least, time.Since(began)), max(most, time.Since(began))
		})
	}
	happen()
	wg.Wait()
	return least, most
}

// resume is over how long calls come back after an outage.
const resume = 500 * time.Millisecond
