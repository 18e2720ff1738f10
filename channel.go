package chatsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/realtime"
)

// Message is a message of a channel as the application sees it.
type Message = inbox.Message

// channel is one that this client joined.
type channel struct {
	name   string
	ctx    context.Context // ends when the server refuses the channel for good, with the refusal as its cause
	refuse context.CancelCauseFunc
}

// ChannelError says that the server refuses a channel for good.
type ChannelError struct {
	Channel string
	Code    uint32 // error or unsubscribe code of the Centrifuge protocol; 103 is permission denied
	Reason  string
}

// Error names the channel and the server's reason.
func (e *ChannelError) Error() string {
	return fmt.Sprintf("chatsdk: channel %s refused: %s (%d); check its name and that you are a member", e.Channel, e.Reason, e.Code)
}

// Join begins to receive a channel, now if connected and with each connection from then on. Joining again changes
// nothing, unless the server refused the channel before: then it is asked again. Messages joins by itself.
func (c *Client) Join(name string) error {
	_, err := c.join(name)
	return err
}

func (c *Client) join(name string) (*channel, error) {
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	c.mu.Lock()
	ch := c.channels[name]
	if ch != nil && ch.ctx.Err() == nil {
		c.mu.Unlock()
		return ch, nil
	}
	ch = &channel{name: name}
	ch.ctx, ch.refuse = context.WithCancelCause(c.ctx)
	c.channels[name] = ch
	c.mu.Unlock()
	_, err := c.rt.Subscribe(name, realtime.SubscribeOptions{OnEvent: func(e realtime.Event) { c.onEvent(ch, e) }})
	if err != nil {
		ch.refuse(err)
		return nil, fmt.Errorf("join %s: %w", name, err)
	}
	return ch, nil
}

// onEvent feeds the inbox from a subscription. It runs on the connection's dispatch goroutine, in order.
func (c *Client) onEvent(ch *channel, e realtime.Event) {
	switch e.Kind {
	case realtime.EventSubscribed:
		var data wire.SubscribeData
		if err := json.Unmarshal(e.SubData, &data); err != nil {
			c.log.Warn("subscribe reply without the channel's last seq; fetching to be sure", "channel", ch.name)
			c.inbox.Refresh(ch.name)
			return
		}
		c.inbox.Follow(ch.name, data.Last)
		if !e.Recovered {
			c.inbox.CaughtUp(ch.name) // no publications will come for what was missed
		}
	case realtime.EventPublication:
		c.onPublication(ch, e.Data)
	case realtime.EventCaughtUp:
		c.inbox.CaughtUp(ch.name)
	case realtime.EventUnsubscribed:
		if e.Final {
			ch.refuse(&ChannelError{Channel: ch.name, Code: e.Code, Reason: e.Reason})
		}
	}
}

// onPublication takes one message from the stream. The stream is a hint: what can't be read is fetched.
func (c *Client) onPublication(ch *channel, data []byte) {
	var m wire.Message
	if err := json.Unmarshal(data, &m); err != nil || m.Channel != ch.name || m.Seq == 0 {
		c.log.Warn("publication is no message of its channel; fetching instead", "channel", ch.name)
		c.inbox.Refresh(ch.name)
		return
	}
	c.chatActive()
	c.inbox.Receive(message(m))
	c.delivered(m)
}

// delivered tells the queue of own messages that are seen to be stored.
func (c *Client) delivered(messages ...wire.Message) {
	user, _, ok := c.Session()
	for _, m := range messages {
		if ok && user == m.User {
			c.queue.Delivered(m.ID, m.Seq)
		}
	}
}

func message(m wire.Message) Message {
	return Message{
		Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text,
		Attachments: m.Attachments, Time: m.Time,
	}
}

// fetch reads a page of history: over the connection, which costs one round trip, or by HTTP where there is none.
func (c *Client) fetch(ctx context.Context, name string, after uint64, limit int) ([]Message, uint64, error) {
	reply, err := c.fetchRPC(ctx, name, after, limit)
	var refused *realtime.RPCError
	if err != nil && !errors.As(err, &refused) && ctx.Err() == nil {
		reply, err = c.ep.history(ctx, wire.HistoryRequest{Channel: name, After: after, Limit: limit})
	}
	if err != nil {
		return nil, 0, err
	}
	c.delivered(reply.Messages...)
	out := make([]Message, len(reply.Messages))
	for i, m := range reply.Messages {
		out[i] = message(m)
	}
	return out, reply.Last, nil
}

func (c *Client) fetchRPC(ctx context.Context, name string, after uint64, limit int) (wire.HistoryReply, error) {
	var out wire.HistoryReply
	in, err := json.Marshal(wire.HistoryRequest{Channel: name, After: after, Limit: limit})
	if err != nil {
		return out, fmt.Errorf("encode history request: %w", err)
	}
	b, err := c.rt.RPC(ctx, wire.RPCHistory, in)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, fmt.Errorf("read history reply: %w", err)
	}
	return out, nil
}

// Messages yields a channel's messages in the order of their seq, each once, without a gap: first what the application
// hasn't processed yet (see Options.From), then live until ctx ends. A message counts as processed when the loop body
// for it is done. Several loops over one channel see the same messages.
//
// The error, if any, is the last thing yielded: ctx's, ErrClosed, or a *ChannelError where the server refuses the
// channel. An outage is no error: the loop waits.
func (c *Client) Messages(ctx context.Context, name string) iter.Seq2[Message, error] {
	return c.MessagesFrom(ctx, name, c.opts.From)
}

// MessagesFrom is Messages with a start of its own.
func (c *Client) MessagesFrom(ctx context.Context, name string, from inbox.From) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		broken := false
		err := c.reading(ctx, name, func(ctx context.Context) error {
			for m, err := range c.inbox.Read(ctx, name, from) {
				if err != nil {
					return err
				}
				if broken = !yield(m, nil); broken {
					return nil
				}
			}
			return nil
		})
		if !broken {
			yield(Message{}, err)
		}
	}
}

// Process is Messages for an application that may have to say no: f is called for each message, which counts as
// processed when f returns nil. An error of f ends it and is returned; the message comes again in the next run, marked
// Replay unless the error matches inbox.ErrNotShown. Other errors are those of Messages.
func (c *Client) Process(ctx context.Context, name string, f func(Message) error) error {
	return c.reading(ctx, name, func(ctx context.Context) error { return c.inbox.Process(ctx, name, c.opts.From, f) })
}

// History returns older messages of a channel, for paging backwards: at most limit (and at most 1,000) of those before
// a seq, in order; a before of 0 stands for the newest. None means that the channel begins there. What this store keeps
// needs no connection; else, without one, it is inbox.ErrOffline. Nothing counts as processed by it.
func (c *Client) History(ctx context.Context, name string, before uint64, limit int) ([]Message, error) {
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	return c.inbox.History(ctx, name, before, limit)
}

// reading joins a channel and runs read, with a context that also ends when the server refuses the channel.
func (c *Client) reading(ctx context.Context, name string, read func(context.Context) error) error {
	ch, err := c.join(name)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ch.ctx, func() { cancel(context.Cause(ch.ctx)) })
	defer stop()
	if err := read(inner); err != nil {
		return c.readError(ctx, ch, err)
	}
	return nil
}

// readError says why a read ended in the caller's terms.
func (c *Client) readError(ctx context.Context, ch *channel, err error) error {
	switch {
	case !errors.Is(err, inbox.ErrClosed) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return err // the application's
	case ctx.Err() != nil:
		return ctx.Err()
	case c.ctx.Err() != nil:
		return ErrClosed
	case ch.ctx.Err() != nil:
		return context.Cause(ch.ctx)
	}
	return err
}
