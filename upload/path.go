package upload

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	dialFirst = 5 * time.Second        // a dial may take, while no round trip is known
	dialLeast = 400 * time.Millisecond // and at least once one is
	dialSlow  = 4                      // every so many dials in a row that failed get the first bound again
)

// path knows how long a round trip takes, from the dials. A dial in an outage hangs on its own ever longer waits, so it
// is given up early and begun again.
type path struct {
	mu     sync.Mutex // guards below
	rtt    time.Duration
	failed int // dials in a row
}

func (p *path) bound() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rtt == 0 || p.failed%dialSlow == dialSlow-1 {
		return dialFirst
	}
	return min(max(4*p.rtt, dialLeast), dialFirst)
}

func (p *path) dialled(d time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed++
		return
	}
	p.failed = 0
	if p.rtt == 0 {
		p.rtt = d
	}
	p.rtt += (d - p.rtt) / 4
}

// patience is how long nothing may move: after, or some round trips if that is more.
func (p *path) patience(after time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(after, 4*p.rtt)
}

// dialler bounds each dial, and measures it.
func (p *path) dialler(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		bounded, cancel := context.WithTimeout(ctx, p.bound())
		defer cancel()
		start := time.Now()
		conn, err := dial(bounded, network, addr)
		if err == nil || !errors.Is(err, context.Canceled) {
			p.dialled(time.Since(start), err)
		}
		return conn, err
	}
}
