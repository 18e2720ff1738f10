package chatsdk

import (
	"context"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

// Update is one change of the client's: exactly one of the pointers is set.
type Update struct {
	At         time.Time
	Connection *realtime.Change // the connection moved
	Entry      *outbox.Change   // a queued message moved
	Channel    *inbox.Change    // a channel caught up, or fell behind
	Session    *token.Change    // the session moved
}

// Status is the client's state at one moment.
type Status struct {
	Server     string // its address, as Open understood it
	User       string // "" if nobody is signed in
	Device     string
	Session    token.Change
	Connection realtime.Snapshot
	Queue      outbox.Snapshot
	Channels   map[string]inbox.Snapshot // those joined
	Durable    bool
}

// State returns a snapshot that is the caller's own.
func (c *Client) State() Status {
	user, _, _ := c.Session()
	st := Status{
		Server: c.ep.base.String(), User: user, Device: c.device, Session: c.tokens.State(),
		Connection: c.rt.State(), Queue: c.queue.State(), Durable: c.queue.Durable(),
		Channels: map[string]inbox.Snapshot{},
	}
	c.mu.Lock()
	names := make([]string, 0, len(c.channels))
	for name := range c.channels {
		names = append(names, name)
	}
	c.mu.Unlock()
	for _, name := range names {
		st.Channels[name] = c.inbox.State(name)
	}
	return st
}

// Watch delivers the present state of the connection and the session at once, and then each change of them, of the
// queued messages and of the channels, until ctx or the client ends; then the channel is closed. Changes of queued
// messages are never left out; where the reader is slow, those of the connection may be merged into the newest.
func (c *Client) Watch(ctx context.Context) <-chan Update {
	ctx, stop := c.bound(ctx)
	out := make(chan Update)
	put := func(u Update) {
		u.At = time.Now()
		select {
		case out <- u:
		case <-ctx.Done():
		}
	}
	// Made here and not in the goroutines, so that nothing that happens after Watch returned is missed.
	conn, entries, channels, tokens := c.rt.Watch(ctx), c.queue.Watch(ctx), c.inbox.Watch(ctx), c.tokens.Watch(ctx)
	ok := c.spawn(func() {
		defer close(out)
		defer stop()
		var wg sync.WaitGroup
		wg.Go(func() { forward(conn, put, func(v realtime.Change) Update { return Update{Connection: &v} }) })
		wg.Go(func() { forward(entries, put, func(v outbox.Change) Update { return Update{Entry: &v} }) })
		wg.Go(func() { forward(channels, put, channelUpdate) })
		wg.Go(func() { forward(tokens, put, func(v token.Change) Update { return Update{Session: &v} }) })
		wg.Wait()
	})
	if !ok {
		stop()
		close(out)
	}
	return out
}

func forward[T any](in <-chan T, put func(Update), update func(T) Update) {
	for v := range in {
		if u := update(v); u != (Update{}) {
			put(u)
		}
	}
}

// channelUpdate leaves out the empty change that stands for "none so far".
func channelUpdate(v inbox.Change) Update {
	if v.Channel == "" {
		return Update{}
	}
	return Update{Channel: &v}
}
