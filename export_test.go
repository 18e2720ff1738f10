package chatsdk

import (
	"context"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// Refusal says of a problem whether the same entry can succeed later.
var Refusal = refusal

// PostMessage sends one message over HTTP.
func (c *Client) PostMessage(ctx context.Context, channel string, in wire.SendRequest) (wire.SendReply, error) {
	access, err := c.tokens.Token(ctx)
	if err != nil {
		return wire.SendReply{}, err
	}
	return c.ep.send(ctx, access, channel, in)
}

// PostMessages sends messages of several channels over HTTP.
func (c *Client) PostMessages(ctx context.Context, in wire.BatchRequest) (wire.BatchReply, error) {
	access, err := c.tokens.Token(ctx)
	if err != nil {
		return wire.BatchReply{}, err
	}
	return c.ep.sendBatch(ctx, access, in)
}
