package realtime

import (
	"context"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/internal/notify"
)

// Client keeps one connection and its subscriptions. Make it with New, then Start. Safe for concurrent use.
type Client struct {
	o      Options // with defaults
	ep     endpoint
	ctx    context.Context // the client's own, ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the client
	events chan event     // from goroutines that may wait; unbuffered, so what was sent has been received
	box    mailbox        // from callers, who may not
	hub    *notify.Hub[Change]
	disp   *dispatcher
	wall   func() time.Time // the clock that goes on while the machine sleeps
	once   sync.Once

	mu      sync.Mutex // guards below
	started bool
	closed  bool
	snap    Snapshot
	stats   Stats
	subs    map[string]*Subscription
}

// Snapshot is the client's state at one moment.
type Snapshot struct {
	State        State
	Since        time.Time
	Reason       Reason
	Err          error
	Attempt      int           // failed attempts in a row, 0 once connected
	RetryIn      time.Duration // as told when it was scheduled
	SRTT, RTTVar time.Duration // RFC 6298, from control pings and handshakes; 0 before the first measure
	LateShare    float64       // share of the last probes that came late enough to smell of loss
	SuspectAfter time.Duration // an unanswered probe makes the link suspect after this long
	DeadAfter    time.Duration // and dead after this long
	ClientID     string        // given by the server to the present connection
	ConnectData  []byte        // data of the last connect reply
	LocalAddr    string        // of the present connection
}

// New checks the options and returns a client at rest: no goroutine runs and nothing is sent before Start.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	ep, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{o: o, ep: ep, events: make(chan event), subs: make(map[string]*Subscription)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.box.wake = make(chan struct{}, 1)
	c.wall = func() time.Time { return time.Now().Round(0) }
	c.disp = newDispatcher(o, func() { c.box.put(event{kind: evDrained}) })
	now := time.Now()
	c.snap = Snapshot{State: Disconnected, Since: now, Reason: ReasonStart}
	c.hub = notify.New(Change{Reason: ReasonStart, At: now}, mergeChanges)
	return c, nil
}

// Start starts the client's goroutines; it doesn't connect. Calling it again does nothing; after Close it returns
// ErrClosed.
func (c *Client) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.started {
		return nil
	}
	c.started = true
	c.wg.Go(newOwner(c).run)
	c.wg.Go(func() { c.disp.run(c.ctx) })
	return nil
}

// Close ends the connection, fails what waits for an answer with ErrClosed, and returns when every goroutine of the
// client is gone, running handlers included: don't call it from one. It takes a quarter of a second at most, plus the
// time that the application's own functions take. Idempotent.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.once.Do(c.cancel)
	c.wg.Wait()
	c.hub.Close()
	return nil
}

// Connect asks for a connection. It doesn't wait: see Watch. While an attempt is due later, it is made now; out of
// Failed it starts anew.
func (c *Client) Connect() { c.box.put(event{kind: evConnect}) }

// Disconnect ends the connection and stops trying. Subscriptions stay and are taken up again by Connect.
func (c *Client) Disconnect() { c.box.put(event{kind: evDisconnect}) }

// NetworkChanged says that the device's network may have changed. A pending attempt is restarted and pauses start from
// the shortest again, unless the server itself asked for the delay; a live connection is probed. What was learnt about
// the path counts for less from now on. Bursts are merged.
func (c *Client) NetworkChanged() { c.box.put(event{kind: evNetworkChanged}) }

// PathBack says that something else of this process has just got through to the server, as after an outage: a pause ends,
// unless it is for what the server itself asked or said, and an attempt that hangs, as one does whose first segment was lost, is begun
// anew. One that gets on is left alone, and so is a live connection, which is only asked for a sign of life. Nothing that
// was learnt about the path is forgotten. Bursts are merged.
func (c *Client) PathBack() { c.box.put(event{kind: evPathBack}) }

// PathLost says that nothing else of this process gets through to the server any more. That ends no connection, since it
// may be wrong: a live one is asked for a sign of life at once. Until there is one, silence on a path that is new isn't
// taken for segments lost in a row, for others would have been heard. Bursts are merged.
func (c *Client) PathLost() { c.box.put(event{kind: evPathLost}) }

// SetProfile changes the effort from now on.
func (c *Client) SetProfile(p Profile) { c.box.put(event{kind: evProfile, profile: p}) }

// State returns the present state.
func (c *Client) State() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.snap
	s.ConnectData = append([]byte(nil), s.ConnectData...)
	return s
}

// Watch returns a channel that gets the last change at once (To is the present state; ReasonStart before there was any)
// and then each further one. Changes are merged only if the reader falls more than 64 behind. The channel is closed when ctx ends or by Close.
func (c *Client) Watch(ctx context.Context) <-chan Change { return c.hub.Watch(ctx) }

// Stats returns counters since New.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Subscribe adds a subscription. It doesn't wait for the server: events tell. It works in every state, and the
// subscription is taken up again on each new connection until it is removed.
func (c *Client) Subscribe(channel string, o SubscribeOptions) (*Subscription, error) {
	s := &Subscription{c: c, channel: channel}
	s.onEvent = o.OnEvent
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if len(channel) > c.o.FrameLimit/2 {
		return nil, ErrTooLarge
	}
	if _, ok := c.subs[channel]; ok {
		return nil, ErrAlreadySubscribed
	}
	c.subs[channel] = s
	c.box.put(event{kind: evSubscribe, sub: s})
	return s, nil
}

// Unsubscribe removes the channel's subscription. It returns nil if there is none.
func (c *Client) Unsubscribe(channel string) error {
	c.mu.Lock()
	s, closed := c.subs[channel], c.closed
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if s != nil {
		c.unsubscribe(s)
	}
	return nil
}

// unsubscribe removes by identity: a later subscription to the same channel stays.
func (c *Client) unsubscribe(s *Subscription) {
	s.removed.Store(true) // nothing is handed over from here on
	if c.forget(s) {
		c.box.put(event{kind: evUnsubscribe, sub: s})
	}
}

// forget makes room for another subscription to the channel.
func (c *Client) forget(s *Subscription) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs[s.channel] != s {
		return false
	}
	delete(c.subs, s.channel)
	return true
}

// RPC calls a method of the server and waits for the answer, ctx, the end of the connection or Options.CommandTimeout,
// whichever comes first. Without a connection it fails at once with ErrNotConnected; nothing is queued. After
// ErrConnectionLost, ErrTimeout and an ended ctx the call may have been applied. Errors of the server are *RPCError.
func (c *Client) RPC(ctx context.Context, method string, data []byte) ([]byte, error) {
	call, err := c.newCall(method, data)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	ok, closed := c.started, c.closed
	c.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if !ok {
		return nil, ErrNotConnected
	}
	c.box.put(event{kind: evCall, call: call})
	select {
	case r := <-call.done:
		return r.data, r.err
	case <-ctx.Done():
		c.box.put(event{kind: evAbandon, call: call})
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, ErrClosed
	}
}
