package scenario

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// Client is one user of a world with one device: a chatsdk.Client, an application that reads the channel, and a record
// of what it does.
type Client struct {
	Name string
	Link *faultnet.Link
	Chat *chatsdk.Client      // nil in scenarios whose clients talk by HTTP alone
	HTTP *faultnet.HTTPFaults // of its requests; only in those

	run    *Run
	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error

	mu      sync.Mutex // guards below
	changed chan struct{}
	seen    clientState
	offered map[string]time.Time
	settled int
	acks    []time.Duration
	resends int
}

// clientState is what the application saw of its client so far.
type clientState struct {
	state     realtime.State
	shown     uint64    // seq of the newest message shown
	lostAt    time.Time // when the connection was last seen to be lost
	connected time.Time // when it was last made
	synced    time.Time // when the channel was last caught up
	reconnect int       // connections after the first
}

// AddClient makes a user, signs it in, joins the channel, begins to read it from its first message, and connects.
// It returns when the client has caught up.
func (w *World) AddClient(ctx context.Context, name string) (*Client, error) {
	r, err := w.join(ctx, name)
	if err != nil {
		return nil, err
	}
	chat, err := chatsdk.Open(ctx, chatsdk.Options{
		Server: r.url, Store: chatsdk.InMemory(), From: inbox.Start, DialContext: r.dial, Rand: w.fork(), Logger: w.log.With(slog.String("who", name)),
	})
	if err != nil {
		return nil, err
	}
	c := &Client{
		Name: name, Link: r.link, Chat: chat, run: w.History.StartRun(name, BeginStart),
		changed: make(chan struct{}), offered: map[string]time.Time{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	w.mu.Lock()
	w.clients = append(w.clients, c)
	w.mu.Unlock()
	updates := chat.Watch(c.ctx)
	c.wg.Go(func() { c.follow(updates) })
	if err := chat.SignIn(ctx, name, password); err != nil {
		return nil, err
	}
	c.wg.Go(c.read)
	chat.Connect()
	return c, c.await(ctx, func(s clientState) bool { return !s.synced.IsZero() })
}

// Stop ends the client. It may be called more than once.
func (c *Client) Stop() error {
	c.once.Do(func() {
		c.err = c.Chat.Close()
		c.cancel()
		c.wg.Wait()
		c.run.Stopped(true)
	})
	return c.err
}

// read is the application: it shows every message.
func (c *Client) read() {
	for m, err := range c.Chat.Messages(c.ctx, Channel) {
		if err != nil {
			return
		}
		c.run.Shown(m.Channel, m.Seq, m.ID, m.User, m.Text, m.Replay)
		c.note(func(s *clientState) { s.shown = m.Seq })
	}
}

// follow records the client's own reports.
func (c *Client) follow(updates <-chan chatsdk.Update) {
	for u := range updates {
		switch {
		case u.Connection != nil:
			c.followConnection(*u.Connection)
		case u.Entry != nil:
			c.followEntry(*u.Entry, u.At)
		case u.Channel != nil && u.Channel.Synced:
			c.run.Synced(u.Channel.Channel)
			c.note(func(s *clientState) { s.synced = time.Now() })
		}
	}
}

func (c *Client) followConnection(v realtime.Change) {
	c.run.State(v.From.String(), v.To.String(), string(v.Reason))
	c.note(func(s *clientState) {
		now := time.Now()
		switch {
		case v.To == realtime.Connected:
			if !s.connected.IsZero() {
				s.reconnect++
			}
			s.connected = now
		case s.state == realtime.Connected:
			s.lostAt = now
		}
		s.state = v.To
	})
}

func (c *Client) followEntry(v outbox.Change, at time.Time) {
	e := v.Entry
	switch v.To {
	case outbox.Sent:
		c.run.Acked(e.Channel, e.ID, e.Seq)
		c.note(func(*clientState) {
			c.settled++
			c.acks = append(c.acks, at.Sub(c.offered[e.ID]))
			c.resends += max(0, e.Attempt-1)
		})
	case outbox.Parked:
		c.run.Parked(e.Channel, e.ID, v.Reason)
		c.note(func(*clientState) { c.settled++ })
	case outbox.Cancelled:
		c.run.Cancelled(e.Channel, e.ID, v.Reason)
		c.note(func(*clientState) { c.settled++ })
	case outbox.Expired:
		c.run.Expired(e.Channel, e.ID, v.Reason)
		c.note(func(*clientState) { c.settled++ })
	case outbox.Queued, outbox.Sending:
	}
}

// Send sends a text and records the promise.
func (c *Client) Send(ctx context.Context, text string) error {
	id := uuid.NewString()
	c.run.Offered(Channel, id, text)
	c.note(func(*clientState) { c.offered[id] = time.Now() })
	e, err := c.Chat.SendEntry(ctx, outbox.Entry{ID: id, Channel: Channel, Text: text})
	if err != nil {
		return fmt.Errorf("%s: send: %w", c.Name, err)
	}
	c.run.Accepted(e.Channel, e.ID, e.Text, c.Chat.Durable())
	return nil
}

// note changes what is known under the lock and wakes await.
func (c *Client) note(f func(*clientState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.seen)
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until ok says so of the client's state.
func (c *Client) await(ctx context.Context, ok func(clientState) bool) error {
	for {
		c.mu.Lock()
		s, changed := c.seen, c.changed
		c.mu.Unlock()
		if ok(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s is %v, shown up to %d: %w", c.Name, s.state, s.shown, ctx.Err())
		}
	}
}

// settledAll waits until every message sent was reported as settled.
func (c *Client) settledAll(ctx context.Context) error {
	return c.awaitCounts(ctx, func(open, _ int, _ uint64) bool { return open == 0 })
}

// shownUpTo waits until the application was shown the message with the seq.
func (c *Client) shownUpTo(ctx context.Context, seq uint64) error {
	return c.awaitCounts(ctx, func(_, _ int, shown uint64) bool { return shown >= seq })
}

// awaitCounts waits until ok says so of the number of messages on their way, of all messages, and of the newest seq shown.
func (c *Client) awaitCounts(ctx context.Context, ok func(open, offered int, shown uint64) bool) error {
	for {
		c.mu.Lock()
		shown, offered, changed := c.seen.shown, len(c.offered), c.changed
		open := offered - c.settled
		c.mu.Unlock()
		if ok(open, offered, shown) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %d messages still on their way, shown up to %d: %w", c.Name, open, shown, ctx.Err())
		}
	}
}

// Recovery is how a client came through a fault, counted from when it began.
type Recovery struct {
	Detect  time.Duration `json:"detectNs"`  // until the client saw that the connection was lost
	Connect time.Duration `json:"connectNs"` // until there was a new one
	CatchUp time.Duration `json:"catchUpNs"` // until the channel was caught up on it
}

// recovered waits until the client has noticed a loss after since and has caught up again.
func (c *Client) recovered(ctx context.Context, since time.Time) (Recovery, error) {
	var at clientState
	err := c.await(ctx, func(s clientState) bool {
		at = s
		// Synced against lostAt, not connected: the two reports come from different parts and may pass each other.
		return !s.lostAt.Before(since) && s.connected.After(s.lostAt) && s.synced.After(s.lostAt)
	})
	caught := max(at.synced.Sub(since), at.connected.Sub(since))
	return Recovery{Detect: at.lostAt.Sub(since), Connect: at.connected.Sub(since), CatchUp: caught}, err
}
