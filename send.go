package chatsdk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// Send queues a text for a channel and returns the queued entry. It needs no connection: the message goes out when
// there is one, once, after the messages queued for the channel before it. Whether it survives the process is up to
// the store: Durable tells.
func (c *Client) Send(ctx context.Context, channel, text string) (outbox.Entry, error) {
	return c.SendEntry(ctx, outbox.Entry{Channel: channel, Text: text})
}

// SendEntry is Send with an id of the caller's, a UUID. An id that was queued before changes nothing, and the entry it
// names is returned.
func (c *Client) SendEntry(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	if c.ctx.Err() != nil {
		return outbox.Entry{}, ErrClosed
	}
	return c.queue.Enqueue(ctx, e)
}

// Cancel takes a message back that is still queued.
func (c *Client) Cancel(ctx context.Context, id string) error { return c.queue.Cancel(ctx, id) }

// Entry returns a message that was sent with this store; ok is false if there is none with the id.
func (c *Client) Entry(id string) (e outbox.Entry, ok bool) { return c.queue.Get(id) }

// Durable says whether a queued message survives the end of the process.
func (c *Client) Durable() bool { return c.queue.Durable() }

// sendBatch sends entries in one request and reads one result for each. An error means that nobody knows what the
// server took of it.
func (c *Client) sendBatch(ctx context.Context, batch []outbox.Entry) ([]outbox.Result, error) {
	in := wire.BatchRequest{Messages: make([]wire.BatchEntry, len(batch))}
	for i, e := range batch {
		in.Messages[i] = wire.BatchEntry{Channel: e.Channel, SendRequest: wire.SendRequest{
			ID: e.ID, DeviceSeq: e.DeviceSeq, Text: e.Text, Attachments: e.Attachments,
		}}
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	b, err = c.rt.RPC(ctx, wire.RPCSend, b)
	if err != nil {
		return nil, err
	}
	var out wire.BatchReply
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("read batch reply: %w", err)
	}
	if len(out.Results) != len(batch) {
		return nil, fmt.Errorf("batch of %d answered with %d results", len(batch), len(out.Results))
	}
	results := make([]outbox.Result, len(batch))
	for i, r := range out.Results {
		switch {
		case r.Problem != nil:
			results[i].Err = refusal(r.Problem)
		case r.ID != batch[i].ID || r.Seq == 0:
			return nil, fmt.Errorf("batch reply: result %d is for another message", i)
		default:
			results[i] = outbox.Result{Seq: r.Seq, Time: r.Time}
		}
	}
	return results, nil
}

// refusal says of a problem whether the same entry can succeed later.
func refusal(p *wire.Problem) *outbox.Refusal {
	r := &outbox.Refusal{
		Code: p.Code, Expected: p.Expected,
		RetryAfter: time.Duration(p.RetryAfterMS) * time.Millisecond,
	}
	switch p.Code {
	case wire.CodeBadRequest, wire.CodeTooLarge, wire.CodeForbidden, wire.CodeNotFound, wire.CodeInvalidChannel, wire.CodeIDReused:
		r.Permanent = true
	}
	return r
}

// onConnected settles with the queue what the server took before, and lets it send. It runs on the connection's
// dispatch goroutine, before any event of the new connection.
func (c *Client) onConnected(data []byte) {
	var d wire.ConnectData
	if err := json.Unmarshal(data, &d); err != nil {
		c.log.Warn("connect reply without the server's data; not a chatsdk server, or an old one")
	}
	for ch, last := range d.DeviceSeqs {
		c.queue.Settle(ch, last)
	}
	c.ep.api.ServerUp()
	c.updateReady()
}

// followConnection holds the queue and the inbox back while there is no connection.
func (c *Client) followConnection() {
	for range c.rt.Watch(c.ctx) {
		c.updateReady()
	}
}

// updateReady tells queue and inbox whether there is a connection now. It looks and tells under one lock: a look from
// before a reconnect, told after it, would hold both back until the next one.
func (c *Client) updateReady() {
	c.ready.Lock()
	defer c.ready.Unlock()
	up := c.rt.State().State == realtime.Connected
	c.inbox.NetworkUp(up)
	c.queue.SetReady(up)
}
