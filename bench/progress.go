package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// progress is what a client was seen to do so far. All methods may be called concurrently.
type progress struct {
	mu         sync.Mutex // guards all below
	changed    chan struct{}
	up         bool
	lost       time.Time // when the connection was last seen to be lost
	connected  time.Time // when it was last made
	synced     time.Time // when the channel was last caught up
	reconnects int
	shown      uint64 // seq of the newest message shown
	trouble    string // what the client gave up on
}

// moment is a copy of the times.
type moment struct {
	lost, connected, synced time.Time
	shown                   uint64
	trouble                 string
}

// recovery is how a client came through a fault, counted from when it began.
type recovery struct {
	detect, connect, caughtUp time.Duration
}

func newProgress() *progress { return &progress{changed: make(chan struct{})} }

// note changes what is known under the lock and wakes await.
func (p *progress) note(f func(now time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(time.Now())
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *progress) noteUp() {
	p.note(func(now time.Time) {
		if !p.connected.IsZero() {
			p.reconnects++
		}
		p.up, p.connected = true, now
	})
}

func (p *progress) noteLost() {
	p.note(func(now time.Time) {
		if p.up {
			p.lost = now
		}
		p.up = false
	})
}

func (p *progress) noteSynced()            { p.note(func(now time.Time) { p.synced = now }) }
func (p *progress) noteShown(seq uint64)   { p.note(func(time.Time) { p.shown = seq }) }
func (p *progress) noteTrouble(why string) { p.note(func(time.Time) { p.trouble = why }) }

// reconnected is how many connections were made after the first.
func (p *progress) reconnected() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reconnects
}

// await waits until ok says so.
func (p *progress) await(ctx context.Context, ok func(moment) bool) (moment, error) {
	for {
		p.mu.Lock()
		m := moment{p.lost, p.connected, p.synced, p.shown, p.trouble}
		changed := p.changed
		p.mu.Unlock()
		if ok(m) {
			return m, nil
		}
		if m.trouble != "" {
			return m, fmt.Errorf("gave up: %s", m.trouble)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
}

// ready waits for the first connection with the channel caught up.
func (p *progress) ready(ctx context.Context) error {
	_, err := p.await(ctx, func(m moment) bool { return !m.connected.IsZero() && !m.synced.IsZero() })
	return err
}

// recovered waits until a loss after since was noticed and the channel was caught up on a new connection. Synced is
// compared with lost and not with connected: the two reports come from different parts and may pass each other.
func (p *progress) recovered(ctx context.Context, since time.Time) (recovery, error) {
	m, err := p.await(ctx, func(m moment) bool {
		return !m.lost.Before(since) && m.connected.After(m.lost) && m.synced.After(m.lost)
	})
	last := m.synced
	if m.connected.After(last) {
		last = m.connected
	}
	return recovery{m.lost.Sub(since), m.connected.Sub(since), last.Sub(since)}, err
}

// pause lets time go by, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
