package main

import (
	"errors"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// follow tells what the client's parts tell.
func (c *chat) follow(updates <-chan chatsdk.Update) {
	for u := range updates {
		switch {
		case u.Connection != nil:
			c.connectionMoved(*u.Connection)
			for _, name := range c.order.state(u.Connection.To == realtime.Connected) {
				c.put(syncedEvent{head: now("synced"), Channel: name})
			}
		case u.Entry != nil:
			if e, ready := c.order.moved(*u.Entry); ready {
				c.putOutcome(e)
			}
		case u.Channel != nil:
			if u.Channel.Err != nil {
				c.put(errorEvent{head: now("error"), Code: "rewound", Message: plainError(u.Channel.Err), Channel: u.Channel.Channel})
			}
			if c.order.caughtUp(*u.Channel, c.doneWith(u.Channel.Channel)) {
				c.put(syncedEvent{head: now("synced"), Channel: u.Channel.Channel})
			}
		default:
			c.moved(u)
		}
	}
}

// doneWith is the seq up to which nothing of a channel is shown any more in this run.
func (c *chat) doneWith(channel string) uint64 {
	if c.from != inbox.Processed.String() {
		return 0
	}
	return c.client.State().Channels[channel].Processed
}

// read shows a channel's messages. One is done with when its line is written, and not before: what waits here when the
// program is killed has to come again.
func (c *chat) read(name string) {
	err := c.client.Process(c.ctx, name, func(m chatsdk.Message) error {
		err := c.out.show(c.ctx, messageEvent{
			head: now("message"), Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text,
			Time: stamp(m.Time), Replay: m.Replay, Attachments: m.Attachments,
		})
		if err == nil && c.order.shown(name, m.Seq) {
			c.put(syncedEvent{head: now("synced"), Channel: name})
		}
		return err
	})
	c.readEnded(name, err)
}

func (c *chat) readEnded(name string, err error) {
	if c.ctx.Err() != nil || errors.Is(err, errOutputClosed) {
		return
	}
	code := "failed"
	var refused *chatsdk.ChannelError
	if errors.As(err, &refused) && refused.Code == 103 {
		code = "forbidden"
	}
	c.put(errorEvent{head: now("error"), Code: code, Message: plainError(err), Channel: name})
	if !c.opts.json {
		c.end(failure(err, ""))
	}
}
