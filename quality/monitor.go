package quality

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/internal/notify"
)

const (
	// mailbox bounds the samples that wait for the monitor's goroutine. It needs microseconds for one: a full mailbox
	// means that Options.Sockets holds it up, or that the machine is swamped.
	mailbox = 1024
	// ownID marks the ids that the monitor gives to its probes.
	ownID = 1 << 63
)

// Monitor knows how good the network is, from what it is told and, where nobody tells anything, from probes. Make it
// with New, then Start, and end it with Close. It may be used concurrently.
type Monitor struct {
	o      Options         // with defaults
	ctx    context.Context // the monitor's own, ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the owner, probes, the listener to links
	seed   uint64         // that waits are spread by
	prober Prober
	own    *httpProber // the default prober, or nil
	box    chan Sample
	events chan event    // from goroutines that may wait; unbuffered
	wake   chan struct{} // one value: the owner looks at asked, and whether it is watched
	hub    *notify.Hub[Change]
	wall   func() time.Time // the clock that goes on while the machine sleeps

	running  atomic.Bool
	ids      atomic.Uint64
	watchers atomic.Int64
	dropped  atomic.Uint64

	mu      sync.Mutex // guards below
	started bool
	closed  bool
	asked   asked
	report  Report
	advice  Advice
	stats   Stats
}

// asked is what callers want of the owner.
type asked struct {
	effort  *Effort
	probing *bool
	changed bool // the network
}

// Stats are counts since New.
type Stats struct {
	Probes  uint64 // begun
	Samples uint64 // taken, the monitor's own included
	Refused uint64 // made no sense, see Refusal
	Dropped uint64 // Observe found no room for them
}

// New checks the options and returns a monitor at rest: no goroutine runs and nothing is sent before Start.
func New(o Options) (*Monitor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Monitor{
		o: o, seed: o.seed(), prober: o.Prober, box: make(chan Sample, mailbox), events: make(chan event), wake: make(chan struct{}, 1),
		wall:   func() time.Time { return time.Now().Round(0) },
		report: Report{At: time.Now(), Reason: ReasonStart},
		advice: NewEstimator(o.Effort).Advice(),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if m.prober == nil {
		if m.own, err = newHTTPProber(o); err != nil {
			m.cancel()
			return nil, err
		}
		m.prober = m.own
	}
	m.hub = notify.New(Change{Report: m.report}, mergeChanges)
	return m, nil
}

// Start starts the monitor's goroutine, and with it the first probes. Calling it again does nothing; after Close it
// returns ErrClosed.
func (m *Monitor) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if m.started {
		return nil
	}
	m.started = true
	m.running.Store(true)
	m.wg.Go(newOwner(m).run)
	if m.o.Links != nil {
		m.wg.Go(m.listen)
	}
	return nil
}

// Close ends probes and watches, and returns when every goroutine of the monitor is gone. State stays what it was.
// Idempotent.
func (m *Monitor) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.wg.Wait()
	if m.own != nil {
		m.own.close()
	}
	m.hub.Close()
	return nil
}

// State returns what was known when something last happened; Report.At says when that was, a minute ago at most.
func (m *Monitor) State() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.report
}

// Advice returns what others may set their bounds by, as of the last State.
func (m *Monitor) Advice() Advice {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.advice
}

// Stats returns counts since New.
func (m *Monitor) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Dropped = m.dropped.Load()
	return s
}

// Watch returns a channel that gets the present state at once, and then each change of Level, Reach or Reason. Changes
// are merged only if the reader falls more than 64 behind; nobody waits for it. The channel is closed when ctx ends or by
// Close.
func (m *Monitor) Watch(ctx context.Context) <-chan Change {
	m.watchers.Add(1)
	context.AfterFunc(ctx, func() { m.watchers.Add(-1) })
	m.poke() // somebody watches: counters of sockets are worth reading
	return m.Follow(ctx)
}

// Follow is Watch for who acts on what is known anyway: it is no reason to wake up and read the counters of sockets that
// nothing goes over.
func (m *Monitor) Follow(ctx context.Context) <-chan Change {
	m.mu.Lock()
	defer m.mu.Unlock() // publish holds it too
	return m.hub.WatchFrom(ctx, Change{Report: m.report, FromLevel: m.report.Level, FromReach: m.report.Reach})
}

// Observe tells the monitor what happened: an answer, an attempt that failed, a transfer, … It never blocks. A zero At
// stands for now; what is from the future, or older than a minute, is refused and counted (Stats.Refused). It returns
// false, and the sample is lost and counted (Stats.Dropped), before Start, if 1024 of them wait, or if the sample's ID is
// none that NextID gives. After such a loss whatever is outstanding isn't waited for any more: an end that was lost would
// look like silence.
func (m *Monitor) Observe(s Sample) bool {
	if s.At.IsZero() {
		s.At = time.Now()
	}
	if s.ID < ownID && m.running.Load() {
		select {
		case m.box <- s:
			return true
		default:
		}
	}
	m.dropped.Add(1)
	return false
}

// NextID returns a number that names an exchange, or a socket, to this monitor. It is given once.
func (m *Monitor) NextID() uint64 { return m.ids.Add(1) }

// NetworkChanged says that the device's network may have changed: what was measured is forgotten, and probes are made
// at once, on new connections. It never blocks; bursts are merged.
func (m *Monitor) NetworkChanged() { m.ask(func(a *asked) { a.changed = true }) }

// SetEffort changes the effort from now on, Options.PingInterval included. What is known stays.
func (m *Monitor) SetEffort(e Effort) {
	e = sane(e)
	m.ask(func(a *asked) { a.effort = &e })
}

// SetProbing says whether probes are made, which is so at first. Without them the monitor goes by what it is told, and by
// what it was told before for as long as that is young enough: where nobody wants the server there is nothing to send.
func (m *Monitor) SetProbing(on bool) { m.ask(func(a *asked) { a.probing = &on }) }

func (m *Monitor) ask(f func(*asked)) {
	m.mu.Lock()
	f(&m.asked)
	m.mu.Unlock()
	m.poke()
}

func (m *Monitor) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// tell gives the owner an event, unless the monitor ends first.
func (m *Monitor) tell(e event) {
	select {
	case m.events <- e:
	case <-m.ctx.Done():
	}
}

// listen passes on what the operating system says.
func (m *Monitor) listen() {
	err := m.o.Links(m.ctx, func(up, changed bool) { m.tell(event{kind: evLink, at: time.Now(), up: up, changed: changed}) })
	if m.ctx.Err() == nil {
		m.o.Logger.Warn("network events ended; probes go on", "err", err)
	}
}
