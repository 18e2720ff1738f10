package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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

// TestWrongClockIsNotForGood: by this machine's clock the certificate is over, or not valid yet. That isn't tried again at
// once, and may be right an hour later; an unknown authority won't.
func TestWrongClockIsNotForGood(t *testing.T) {
	check(func() error {
		for _, row := range []struct {
			err       error
			kind      error
			retryable bool
		}{
			{x509.CertificateInvalidError{Reason: x509.Expired}, api.ErrClock, true},
			{x509.CertificateInvalidError{Reason: x509.NameMismatch}, api.ErrFailed, false},
			{x509.UnknownAuthorityError{}, api.ErrFailed, false},
		} {
			n := 0
			c, err := client(func(*http.Request) (*http.Response, error) {
				n++
				return nil, &tls.CertificateVerificationError{Err: row.err}
			}, api.Options{})
			if err != nil {
				return err
			}
			_, _, err = get(context.Background(), c, "GET", "/x", "")
			var e *api.Error
			if !errors.Is(err, row.kind) || !errors.As(err, &e) || e.Retryable() != row.retryable || n != 1 || e.Fault != api.FaultPath {
				return fmt.Errorf("%w: %d attempts, %w", row.err, n, err)
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		return nil
	}).run(t)
}
