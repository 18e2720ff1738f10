package chatsdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

// Client is a chat client that keeps going on bad networks. It wires the parts together: session, connection, queue of
// what goes out, cache of what came in. It may be used concurrently. Make one with Open and end it with Close.
type Client struct {
	opts    Options
	log     *slog.Logger
	http    *http.Client
	ep      *endpoints
	device  string
	tokens  *token.Source
	refresh token.RefreshFunc // the session's
	rt      *realtime.Client
	queue   *outbox.Queue
	inbox   *inbox.Inbox
	up      uploads
	quality *quality.Monitor
	loop    loop

	sockets   sockets
	transfers transfers
	peer      peer
	probing   probing

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // follow
	once   sync.Once
	err    error // of Close

	effort atomic.Int64              // the present realtime.Profile
	cutOff atomic.Bool               // the server couldn't be reached, and hasn't been since
	trying atomic.Pointer[time.Time] // since when the server is tried that wasn't reached since; nil once it was

	ready  sync.Mutex // held over looking at the connection and telling queue and inbox, neither of which blocks
	byHTTP bool       // the queue was told to send by HTTP; guarded by ready

	mu       sync.Mutex // guards what follows; never held over a call into a part
	closed   bool
	channels map[string]*channel
	path     path // how messages may leave
}

// Open makes a client that is ready to queue and to read what its store holds, and connects nowhere yet: SignIn and
// Connect do. ctx bounds opening only.
func Open(ctx context.Context, opts Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	base, err := parseServer(opts.Server)
	if err != nil {
		return nil, err
	}
	opts, err = opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{opts: opts, log: opts.Logger, channels: map[string]*channel{}}
	c.transfers.zero, c.peer.ask = time.Now(), make(chan uint64, 1)
	c.effort.Store(int64(opts.Profile))
	c.loop.init()
	c.up.init()
	c.sockets.dial, c.opts.DialContext = c.loop.gate.watching(opts.DialContext), c.dial
	c.http = c.opts.httpClient()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.ep = &endpoints{base: base, http: c.http, timeout: opts.CallTimeout}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open client: %w", err), c.Close())
	}
	return c, nil
}

// open makes and starts the parts. Where it fails, Close undoes what was done.
func (c *Client) open(ctx context.Context) (err error) {
	o := c.opts
	if c.device, err = o.Store.Device(); err != nil {
		return fmt.Errorf("read device: %w", err)
	}
	if c.tokens, err = c.session(); err != nil {
		return err
	}
	if err := c.openQuality(); err != nil {
		return err
	}
	if err := c.ep.open(c); err != nil {
		return err
	}
	c.inbox, err = inbox.New(inbox.Options{
		Store: o.Store.Inbox(), Fetch: c.fetch, Rand: fork(o.Rand), Logger: c.log,
	})
	if err != nil {
		return err
	}
	queue := o.Queue
	queue.Store, queue.Send, queue.Rand, queue.Logger = o.Store.Outbox(), c.sendBatch, fork(o.Rand), c.log
	c.queue, err = outbox.New(queue)
	if err != nil {
		return err
	}
	c.rt, err = realtime.New(realtime.Options{
		URL: c.ep.websocket(), Token: connectionTokens{c.tokens}, DialContext: c.telling(o.DialContext), TLSConfig: o.TLSConfig,
		Profile: o.Profile, Name: "chatsdk-go", Rand: fork(o.Rand), Logger: c.log,
		Header: o.keyHeader(), OnRoundTrip: c.onRoundTrip, OnExchange: c.onExchange, OnConnected: c.onConnected, OnReached: c.onReached,
		AttemptTimeout: c.dialTime,
	})
	if err != nil {
		return err
	}
	if err := c.tokens.Start(); err != nil {
		return err
	}
	if err := c.inbox.Start(); err != nil {
		return err
	}
	if err := c.queue.Start(); err != nil {
		return err
	}
	if err := c.openAccount(ctx); err != nil {
		return err
	}
	if err := c.openUploads(ctx); err != nil {
		return fmt.Errorf("open uploads: %w", err)
	}
	if err := c.rt.Start(); err != nil {
		return err
	}
	if err := c.quality.Start(); err != nil { // its news reach all parts
		return err
	}
	c.wg.Go(c.followConnection)
	c.wg.Go(c.followSession)
	c.wg.Go(c.followPeer)
	if c.loopClosed() {
		c.loop.rand = fork(o.Rand)
		c.wg.Go(c.followQuality)
	}
	return nil
}

// Close disconnects, stops everything and returns when nothing of the client runs any more. What is queued stays in
// the store. It is safe to call more than once and while other calls are under way: those return ErrClosed or their
// part's closed error.
func (c *Client) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.cancel()
		c.probing.rest()
		var errs []error
		// The connection first: its last events may still reach the queue and the inbox.
		if c.rt != nil {
			errs = append(errs, c.rt.Close())
		}
		if c.quality != nil {
			errs = append(errs, c.quality.Close())
		}
		if c.up.queue != nil {
			errs = append(errs, c.up.queue.Close())
		}
		if c.queue != nil {
			errs = append(errs, c.queue.Close())
		}
		if c.inbox != nil {
			errs = append(errs, c.inbox.Close())
		}
		c.ep.close() // after the parts that use it, and before the session that it asks
		if c.tokens != nil {
			errs = append(errs, c.tokens.Close())
		}
		c.wg.Wait()
		c.http.CloseIdleConnections()
		c.err = errors.Join(errs...)
	})
	return c.err
}

// spawn runs f in a goroutine that Close waits for; it says false, and runs nothing, if the client is closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(f)
	}
	return !c.closed
}

// bound makes a context that ends with ctx or with Close.
func (c *Client) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// onRoundTrip takes the connection's measures: the HTTP calls go the same way.
func (c *Client) onRoundTrip(rtt time.Duration, err error) {
	if err == nil {
		c.ep.api.ObserveRTT(rtt)
		c.ep.auth.ObserveRTT(rtt)
		if planted != bugDeafUploads {
			c.up.queue.ObserveRTT(rtt)
		}
	}
	if c.opts.OnRoundTrip != nil {
		c.opts.OnRoundTrip(rtt, err)
	}
}

// Connect connects and stays connected: it tries again for as long as Disconnect and Close aren't called and the
// server doesn't refuse for good. It returns at once; Watch tells what happens.
func (c *Client) Connect() {
	now := time.Now()
	c.trying.CompareAndSwap(nil, &now)
	c.wantServer(true)
	c.rt.Connect()
}

// Disconnect closes the connection and stays disconnected. Queued messages stay queued. It returns at once: what is sent
// in the same moment may still leave. Watch tells when the connection is closed.
func (c *Client) Disconnect() {
	c.trying.Store(nil)
	c.wantServer(false)
	c.rt.Disconnect()
}

// lateReach is when the first pause of TCP is over: what was begun before the server was reached that late may sit in a
// pause that is longer. A first attempt tells nothing of its failing for up to 10 s.
const lateReach = time.Second

// onReached lets a session that couldn't be renewed in an outage be renewed at its end, once for each outage: it backs off
// for up to a minute, or waits for a connection in TCP's pauses, and knows nothing of the connection's dial, which got
// through.
func (c *Client) onReached() {
	since := c.trying.Swap(nil)
	late := since != nil && time.Since(*since) > lateReach
	if c.cutOff.CompareAndSwap(true, false) || late {
		c.back()
	}
}

// NetworkChanged tells the client that the device's network changed (another Wi-Fi, a new address, back from
// airplane mode): a waiting or pending attempt starts anew, and a live connection is checked at once.
func (c *Client) NetworkChanged() {
	c.quality.NetworkChanged()
	c.moved()
}

// moved tells everybody but the monitor that the network is another one.
func (c *Client) moved() {
	now := time.Now()
	c.loop.moved.Store(&now)
	c.tokens.NetworkChanged()
	c.ep.api.NetworkChanged()
	c.ep.auth.NetworkChanged()
	c.rt.NetworkChanged()
	c.up.away.Store(false)
	c.kickUploads()
}

// SetProfile changes how much effort goes into being quick: realtime.Foreground while somebody is waiting,
// realtime.Background while nobody is.
func (c *Client) SetProfile(p realtime.Profile) {
	c.effort.Store(int64(p))
	c.rt.SetProfile(p)
	c.quality.SetEffort(effortOf(p))
}

// profile is the present one.
func (c *Client) profile() realtime.Profile { return realtime.Profile(c.effort.Load()) }

// CreateChannel makes a channel. A private one answers only its members, of which the caller is one.
func (c *Client) CreateChannel(ctx context.Context, name string, private bool, members ...string) error {
	return c.ep.createChannel(ctx, wire.ChannelRequest{Name: name, Private: private, Members: members})
}
