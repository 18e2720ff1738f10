// Package linkwatch tells when this machine's way out changes: an address comes or goes, the default route turns to
// another interface. It sends no packet. On Linux the kernel says that something has changed (rtnetlink); elsewhere,
// and where that is forbidden, the addresses are compared every few seconds.
//
// What it says is about this machine alone. An interface that is up proves nothing about the internet behind it, and
// whoever waits for the network should go on trying while it says that there is none.
package linkwatch

import (
	"context"
	"sync"
	"time"
)

// Event is what is so now, and whether it differs from the event before.
type Event struct {
	// Up says that there is a way out: an interface that isn't the loopback is up with an address that others can
	// answer to, or there is a default route over one that is up. While nothing can be found out it is true: what isn't known should hold
	// nobody up.
	Up bool
	// Changed says that the addresses or the default route differ from those of the event before, so that
	// connections may be dead. It is false in the first event.
	Changed bool
}

// Options are Watch's. The zero value is right outside of tests.
type Options struct {
	// Interval is the time between two looks while the system doesn't tell of changes. Defaults to 2s.
	Interval time.Duration
	// Settle is how long after the first word of a change the look comes: a cable or a new network brings a burst of
	// words, address and route one after the other. Defaults to 200ms.
	Settle time.Duration
	// Look finds what is so now. Nil asks the system. It is called by Watch's goroutine.
	Look func() (Links, error)
	// Listen calls notice once it listens, and then whenever something may have changed, until ctx ends. When it returns
	// earlier, for whatever reason, Watch looks every Interval from then on. Nil is the system's way.
	Listen func(ctx context.Context, notice func()) error
}

const (
	// usualInterval bounds how late a change is seen by looking: a look costs half a millisecond.
	usualInterval = 2 * time.Second
	// usualSettle is short beside a reconnect, and longer than what a kernel needs from address to route.
	usualSettle = 200 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = usualInterval
	}
	if o.Settle <= 0 {
		o.Settle = usualSettle
	}
	if o.Look == nil {
		o.Look = lookAtSystem
	}
	if o.Listen == nil {
		o.Listen = listen
	}
	return o
}

// Watch calls on with what is so now, and then at each change until ctx ends; it returns ctx's error. Changes within
// Settle are one event. on is called by Watch's goroutine, one call at a time: while it blocks, changes are merged.
func Watch(ctx context.Context, options Options, on func(Event)) error {
	o := options.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	var listener sync.WaitGroup
	defer listener.Wait()
	defer stop()
	wake, deaf := make(chan struct{}, 1), make(chan struct{})
	w := watcher{look: o.Look, on: on}
	w.first()
	listener.Go(func() {
		defer close(deaf)
		_ = o.Listen(ctx, func() { // whyever it ends: looking is what is left
			select {
			case wake <- struct{}{}:
			default:
			}
		})
	})
	var ticks <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
			if err := settle(ctx, o.Settle); err != nil {
				return err
			}
			select { // what was said meanwhile is part of the look
			case <-wake:
			default:
			}
		case <-deaf:
			deaf = nil
			ticker := time.NewTicker(o.Interval)
			defer ticker.Stop() // once: deaf is nil from now on
			ticks = ticker.C
		case <-ticks:
		}
		if ctx.Err() == nil {
			w.again()
		}
	}
}

func settle(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watcher compares what it sees with what it saw.
type watcher struct {
	look  func() (Links, error)
	on    func(Event)
	known bool
	up    bool
	path  string
}

func (w *watcher) first() {
	w.up = true
	if links, err := w.look(); err == nil {
		w.known = true
		w.up, w.path = links.judge()
	}
	w.on(Event{Up: w.up})
}

func (w *watcher) again() {
	links, err := w.look()
	if err != nil {
		return // as before, until it is known better
	}
	up, path := links.judge()
	e := Event{Up: up, Changed: w.known && path != w.path}
	tell := e.Changed || up != w.up
	w.known, w.up, w.path = true, up, path
	if tell {
		w.on(e)
	}
}
