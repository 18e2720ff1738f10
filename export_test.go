package chatsdk

import (
	"context"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// PostMessage sends one message over HTTP.
func (c *Client) PostMessage(ctx context.Context, channel string, in wire.SendRequest) (wire.SendReply, error) {
	return c.ep.send(ctx, channel, in)
}

// PostMessages sends messages of several channels over HTTP.
func (c *Client) PostMessages(ctx context.Context, in wire.BatchRequest) (wire.BatchReply, error) {
	return c.ep.sendBatch(ctx, in)
}
