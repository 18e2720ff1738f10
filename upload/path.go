package upload

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	dialFor   = 5 * time.Second        // a connection may take to open
	dialLeast = 400 * time.Millisecond // between two tries to open it
)

// path knows how long a round trip takes, from the dials.
type path struct {
	mu  sync.Mutex // guards below
	rtt time.Duration
}

// every is the time after which another dial is made beside those that hang.
func (p *path) every() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rtt == 0 {
		return time.Second
	}
	return min(max(4*p.rtt, dialLeast), dialFor)
}

func (p *path) dialled(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

type dialled struct {
	conn net.Conn
	err  error
	took time.Duration
}

// dialler opens connections so that one is there soon after an outage: a dial that lost its SYN waits 1 s, 2 s, 4 s before
// it sends another, so a new one is begun beside it every few round trips. The first that opens is taken.
func (p *path) dialler(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialFor)
		defer cancel()
		results, running := make(chan dialled, dialFor/dialLeast+2), 0
		begin := func() {
			running++
			go func() {
				start := time.Now()
				conn, err := dial(ctx, network, addr)
				results <- dialled{conn, err, time.Since(start)}
			}()
		}
		begin()
		again := time.NewTicker(p.every())
		defer again.Stop()
		for {
			select {
			case d := <-results:
				running--
				if d.err != nil && running > 0 && ctx.Err() == nil {
					continue
				}
				cancel()
				for ; running > 0; running-- {
					if late := <-results; late.err == nil {
						_ = late.conn.Close()
					}
				}
				if d.err == nil {
					p.dialled(d.took)
				}
				return d.conn, d.err
			case <-again.C:
				if ctx.Err() == nil {
					begin()
				}
			}
		}
	}
}
