package realtime

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// dispatcher runs the application's handlers on one goroutine, in order, from a bounded queue.
type dispatcher struct {
	limit, bytesLimit int
	log               *slog.Logger
	onConnected       func([]byte)
	drained           func() // the queue was full and is half empty again
	wake              chan struct{}

	mu       sync.Mutex // guards below
	items    []item
	bytes    int
	full     bool
	connects uint64 // number of the newest OnConnected
}

// item is an event for one subscription's handler, or the data of a connect reply.
type item struct {
	fn      func(Event)
	removed *atomic.Bool // nil: never
	ev      Event
	connect uint64 // not 0: OnConnected
}

func newDispatcher(o Options, drained func()) *dispatcher {
	return &dispatcher{
		limit: o.QueueLimit, bytesLimit: o.QueueBytes, log: o.Logger, onConnected: o.OnConnected,
		drained: drained, wake: make(chan struct{}, 1),
	}
}

// publication queues a publication and says whether there was room.
func (d *dispatcher) publication(it item) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full || len(d.items) >= d.limit || d.bytes+len(it.ev.Data) > d.bytesLimit && len(d.items) > 0 {
		d.full = true
		return false
	}
	d.addLocked(it)
	return true
}

// control queues an event that can't be asked for again. There are at most a few for each subscription that isn't
// behind, and none for one that is.
func (d *dispatcher) control(it item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addLocked(it)
}

// connected queues OnConnected; one that is still waiting is superseded.
func (d *dispatcher) connected(data []byte) {
	if d.onConnected == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.connects++
	d.addLocked(item{connect: d.connects, ev: Event{Data: data}})
}

func (d *dispatcher) addLocked(it item) {
	d.items = append(d.items, it)
	d.bytes += len(it.ev.Data)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take removes the oldest item. It says when a full queue has become half empty.
func (d *dispatcher) take() (it item, ok, drained bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.items) == 0 {
		d.items = nil // let go of what a burst left behind
		return item{}, false, false
	}
	it = d.items[0]
	d.items[0] = item{}
	d.items = d.items[1:]
	d.bytes -= len(it.ev.Data)
	if d.full && len(d.items) <= d.limit/2 && d.bytes <= d.bytesLimit/2 {
		d.full, drained = false, true
	}
	if it.connect != 0 && it.connect != d.connects {
		it.connect, it.ev.Data = 0, nil
	}
	return it, true, drained
}

func (d *dispatcher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		for ctx.Err() == nil {
			it, ok, drained := d.take()
			if !ok {
				break
			}
			if drained {
				d.drained()
			}
			d.call(it)
		}
	}
}

// call runs one handler and contains its panic: the connection is not to suffer from it.
func (d *dispatcher) call(it item) {
	defer func() {
		if r := recover(); r != nil {
			d.log.Error("realtime: handler panicked", "channel", it.ev.Channel, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	switch {
	case it.connect != 0:
		d.onConnected(it.ev.Data)
	case it.fn == nil || it.removed != nil && it.removed.Load():
	default:
		it.fn(it.ev)
	}
}
