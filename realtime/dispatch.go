package realtime

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// dispatcher runs the application's handlers on one goroutine, in order, from a bounded queue: publications up to its
// limits, and beside them one event of each kind for each subscription between two of its publications.
type dispatcher struct {
	limit, bytesLimit int
	log               *slog.Logger
	onConnected       func([]byte)
	drained           func() // the queue was full and is half empty again
	wake              chan struct{}

	mu      sync.Mutex // guards below
	items   []item
	taken   uint64 // items that have left the queue at its front: the number of items[0]
	void    int    // items that a later one has superseded
	bytes   int
	full    bool
	connect uint64              // number of the newest OnConnected, and one
	runs    map[source]controls // of the subscriptions whose newest event in the queue is no publication
}

// item is an event for one subscription's handler, or the data of a connect reply.
type item struct {
	fn      func(Event)
	removed *atomic.Bool // nil: never
	ev      Event
	connect bool // OnConnected
	void    bool // superseded
}

// source is whom an event is of: a subscription, or a server-side one, which has nothing but its channel.
type source struct {
	removed *atomic.Bool
	channel string
}

// controls are the numbers of the events of each kind that wait, counted from 1; 0 if none does.
type controls [EventUnsubscribed + 1]uint64

func newDispatcher(o Options, drained func()) *dispatcher {
	return &dispatcher{
		limit: o.QueueLimit, bytesLimit: o.QueueBytes, log: o.Logger, onConnected: o.OnConnected,
		drained: drained, wake: make(chan struct{}, 1), runs: make(map[source]controls),
	}
}

// publication queues a publication and says whether there was room.
func (d *dispatcher) publication(it item) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full || d.lenLocked() >= d.limit || d.bytes+len(it.ev.Data) > d.bytesLimit && d.lenLocked() > 0 {
		d.full = true
		return false
	}
	if len(d.runs) > 0 {
		delete(d.runs, it.source())
	}
	d.addLocked(it)
	return true
}

// control queues an event that can't be asked for again. While the handler is busy connections come and go: what they
// say of the subscription between the same two publications is told once, as the last of them has it.
func (d *dispatcher) control(it item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	src := it.source()
	run := d.runs[src]
	if old := d.waitingLocked(run[it.ev.Kind]); old != nil {
		if it.ev.Kind == EventSubscribed { // the handler knows of neither: nothing is missed only if both say so
			it.ev.Recovered = it.ev.Recovered && old.ev.Recovered
			it.ev.WasRecovering = old.ev.WasRecovering
		}
		d.voidLocked(old)
	}
	if it.ev.Kind == EventSubscribed { // what was caught up is so no longer
		if old := d.waitingLocked(run[EventCaughtUp]); old != nil {
			d.voidLocked(old)
		}
		run[EventCaughtUp] = 0
	}
	d.addLocked(it)
	run[it.ev.Kind] = d.taken + uint64(len(d.items))
	d.runs[src] = run
	d.compactLocked()
}

// connected queues OnConnected; one that is still waiting is superseded.
func (d *dispatcher) connected(data []byte) {
	if d.onConnected == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.waitingLocked(d.connect); old != nil {
		d.voidLocked(old)
	}
	d.addLocked(item{connect: true, ev: Event{Data: data}})
	d.connect = d.taken + uint64(len(d.items))
	d.compactLocked()
}

func (it *item) source() source { return source{it.removed, it.ev.Channel} }

func (d *dispatcher) lenLocked() int { return len(d.items) - d.void }

// waitingLocked is the item with a number, counted from 1, or nil if it has left the queue.
func (d *dispatcher) waitingLocked(number uint64) *item {
	if number <= d.taken {
		return nil
	}
	return &d.items[number-d.taken-1]
}

func (d *dispatcher) addLocked(it item) {
	d.items = append(d.items, it)
	d.bytes += len(it.ev.Data)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *dispatcher) voidLocked(it *item) {
	d.bytes -= len(it.ev.Data)
	*it = item{void: true}
	d.void++
}

// fewVoid superseded items aren't worth a pass over the queue.
const fewVoid = 64

// compactLocked gives back the room of superseded items when they are most of the queue.
func (d *dispatcher) compactLocked() {
	if d.void <= fewVoid || d.void <= len(d.items)/2 {
		return
	}
	kept := make([]item, 0, d.lenLocked()+fewVoid)
	moved := make(map[uint64]uint64) // numbers
	for i, it := range d.items {
		if !it.void {
			kept = append(kept, it)
			moved[d.taken+uint64(i)+1] = d.taken + uint64(len(kept))
		}
	}
	d.items, d.void = kept, 0
	d.connect = moved[d.connect] // 0 if it isn't waiting
	for src, run := range d.runs {
		for kind := range run {
			run[kind] = moved[run[kind]]
		}
		d.runs[src] = run
		if run == (controls{}) {
			delete(d.runs, src)
		}
	}
}

// take removes the oldest item. It says when a full queue has become half empty.
func (d *dispatcher) take() (it item, ok, drained bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if len(d.items) == 0 {
			d.items = nil // let go of what a burst left behind
			clear(d.runs)
			return item{}, false, false
		}
		it = d.items[0]
		d.items[0] = item{}
		d.items = d.items[1:]
		d.taken++
		if !it.void {
			break
		}
		d.void--
	}
	d.bytes -= len(it.ev.Data)
	if d.full && d.lenLocked() <= d.limit/2 && d.bytes <= d.bytesLimit/2 {
		d.full, drained = false, true
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
	case it.connect:
		d.onConnected(it.ev.Data)
	case it.fn == nil || it.removed != nil && it.removed.Load():
	default:
		it.fn(it.ev)
	}
}
