package chatsdk

import (
	"context"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

// Update is one change of the client's: exactly one of the pointers is set.
type Update struct {
	At         time.Time
	Connection *realtime.Change    // the connection moved
	Entry      *outbox.Change      // a queued message moved
	Channel    *inbox.Change       // a channel caught up, or fell behind
	Session    *token.Change       // the session moved
	Store      *outbox.StoreChange // the queue's store can't write any more, or can again
	Quality    *quality.Change     // the network became better or worse, or another reason for what it is was found
}

// Status is the client's state at one moment.
type Status struct {
	Server     string // its address, as Open understood it
	User       string // "" if nobody is signed in
	Device     string
	Session    token.Change
	Connection realtime.Snapshot
	Queue      outbox.Snapshot
	Uploads    upload.Snapshot
	Channels   map[string]inbox.Snapshot // those joined
	Durable    bool
	Quality    quality.Report
	Circuit    api.Circuit // of HTTP calls: open while the server is left alone
}

// State returns a snapshot that is the caller's own.
func (c *Client) State() Status {
	user, _, _ := c.Session()
	st := Status{
		Server: c.ep.base.String(), User: user, Device: c.device, Session: c.tokens.State(),
		Connection: c.rt.State(), Queue: c.queue.State(), Durable: c.queue.Durable(),
		Uploads:  c.up.queue.State(),
		Channels: map[string]inbox.Snapshot{}, Quality: c.quality.State(), Circuit: c.ep.circuit(),
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

// Watch delivers the present state of the connection, of the session and of the network at once, and then each change of them, of the
// queued messages and of the channels, until ctx or the client ends; then the channel is closed. What happens on a
// connection comes after the news of the connection itself. Changes of queued messages are never left out; where the
// reader is slow, those of the connection, of the session and of each channel may be merged into the newest.
func (c *Client) Watch(ctx context.Context) <-chan Update {
	ctx, stop := c.bound(ctx)
	out := make(chan Update)
	// Made here and not in the goroutine, so that nothing that happens after Watch returned is missed.
	w := watch{
		ctx: ctx, out: out, state: c.rt.State,
		conn: c.rt.Watch(ctx), entries: c.queue.Watch(ctx), channels: c.inbox.Watch(ctx), sessions: c.tokens.Watch(ctx),
		stores: c.queue.WatchStore(ctx), quality: c.quality.Follow(ctx),
	}
	ok := c.spawn(func() {
		defer close(out)
		defer stop()
		w.run()
	})
	if !ok {
		stop()
		close(out)
	}
	return out
}

// watch joins the changes of the parts for one watcher. Its channels are nil once they are closed.
type watch struct {
	ctx      context.Context // of one Watch, for its length
	out      chan<- Update
	state    func() realtime.Snapshot
	conn     <-chan realtime.Change
	entries  <-chan outbox.Change
	channels <-chan inbox.Change
	sessions <-chan token.Change
	stores   <-chan outbox.StoreChange
	quality  <-chan quality.Change
	failing  bool      // the last one that was passed on said so
	told     time.Time // At of the last change of the connection that was passed on
}

func (w *watch) run() {
	for w.conn != nil || w.entries != nil || w.channels != nil || w.sessions != nil || w.stores != nil || w.quality != nil {
		select {
		case v, ok := <-w.conn:
			w.connection(v, ok)
		case v, ok := <-w.entries:
			if !ok {
				w.entries = nil
				continue
			}
			w.follow(Update{Entry: &v})
		case v, ok := <-w.channels:
			if !ok {
				w.channels = nil
				continue
			}
			w.follow(channelUpdate(v))
		case v, ok := <-w.sessions:
			if !ok {
				w.sessions = nil
				continue
			}
			w.follow(Update{Session: &v})
		case v, ok := <-w.stores:
			w.store(v, ok)
		case v, ok := <-w.quality:
			if !ok {
				w.quality = nil
				continue
			}
			w.put(Update{Quality: &v})
		}
	}
}

func (w *watch) connection(v realtime.Change, ok bool) {
	if !ok {
		w.conn = nil
		return
	}
	w.told = v.At
	w.put(Update{Connection: &v})
}

// store passes on that the store fails, and that it doesn't any more; that all is well from the start is no news.
func (w *watch) store(v outbox.StoreChange, ok bool) {
	if !ok {
		w.stores = nil
		return
	}
	if fails := v.Err != nil; fails != w.failing {
		w.failing = fails
		w.follow(Update{Store: &v})
	}
}

// follow passes on what another part says, after everything that the connection had become when it said so: the parts
// speak through goroutines of their own, which may pass each other.
func (w *watch) follow(u Update) {
	if u == (Update{}) {
		return
	}
	for since := w.state().Since; w.conn != nil && w.told.Before(since); {
		v, ok := <-w.conn
		w.connection(v, ok)
	}
	w.put(u)
}

func (w *watch) put(u Update) {
	u.At = time.Now()
	select {
	case w.out <- u:
	case <-w.ctx.Done():
	}
}

// channelUpdate leaves out the empty change that stands for "none so far".
func channelUpdate(v inbox.Change) Update {
	if v.Channel == "" {
		return Update{}
	}
	return Update{Channel: &v}
}
