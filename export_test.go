package chatsdk

import (
	"context"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
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

// SendOverHTTP sends a batch as the queue does without a connection.
func (c *Client) SendOverHTTP(ctx context.Context, ids ...string) ([]outbox.Result, error) {
	in := wire.BatchRequest{}
	for _, id := range ids {
		in.Messages = append(in.Messages, wire.BatchEntry{Channel: "general", SendRequest: wire.SendRequest{ID: id, Text: id}})
	}
	t, _ := c.tokens.Tokens()
	return c.sendOverHTTP(ctx, c.account(t.User), in)
}
