package chatsdk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
)

// Send queues a text for a channel and returns the queued entry. It needs no connection: the message goes out when
// there is one, once, after the messages queued for the channel before it. Whether it survives the process is up to
// the store: Durable tells. What the server would refuse whatever happens isn't queued: the error is an
// *outbox.InvalidError. Others are those of outbox.Queue.Enqueue, and ErrClosed.
func (c *Client) Send(ctx context.Context, channel, text string) (outbox.Entry, error) {
	return c.SendEntry(ctx, outbox.Entry{Channel: channel, Text: text})
}

// SendEntry is Send with an id of the caller's, a UUID. An id that was queued before changes nothing, and the entry it
// names is returned.
func (c *Client) SendEntry(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	if c.ctx.Err() != nil {
		return outbox.Entry{}, ErrClosed
	}
	if err := c.checkEntry(e, 0); err != nil && !c.knownEntry(e.ID) {
		return outbox.Entry{}, err
	}
	return c.enqueue(ctx, e)
}

func (c *Client) enqueue(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	e, err := c.queue.Enqueue(ctx, e)
	if err == nil {
		c.chatActive()
	}
	return e, err
}

// Durable says whether a queued message survives the end of the process.
func (c *Client) Durable() bool { return c.queue.Durable() }

// sendBatch sends entries in one request and reads one result for each: over the connection where there is one, else by
// HTTP. An error means that nobody knows what the server took of it.
func (c *Client) sendBatch(ctx context.Context, batch []outbox.Entry) ([]outbox.Result, error) {
	in := wire.BatchRequest{Messages: make([]wire.BatchEntry, len(batch))}
	for i, e := range batch {
		in.Messages[i] = wire.BatchEntry{Channel: e.Channel, SendRequest: wire.SendRequest{
			ID: e.ID, DeviceSeq: e.DeviceSeq, Text: e.Text, Attachments: e.Attachments,
		}}
	}
	account := batch[0].Account // the queue sends one account's at a time
	if c.connected() {
		return c.sendOverConnection(ctx, account, in)
	}
	results, err := c.sendOverHTTP(ctx, account, in)
	if err != nil {
		c.lostHTTP()
	}
	return results, err
}

func (c *Client) sendOverConnection(ctx context.Context, account string, in wire.BatchRequest) ([]outbox.Result, error) {
	if of := c.connectionAccount(); of != account {
		return nil, fmt.Errorf("chatsdk: the connection isn't for the account of these messages")
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
	return resultsOf(in, out)
}

// resultsOf matches a reply with what was asked.
func resultsOf(in wire.BatchRequest, out wire.BatchReply) ([]outbox.Result, error) {
	if len(out.Results) != len(in.Messages) {
		return nil, fmt.Errorf("batch of %d answered with %d results", len(in.Messages), len(out.Results))
	}
	results := make([]outbox.Result, len(out.Results))
	for i, r := range out.Results {
		switch {
		case r.Problem != nil:
			results[i].Err = refusal(r.Problem)
		case r.ID != in.Messages[i].ID || r.Seq == 0:
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
	case wire.CodeBadRequest, wire.CodeTooLarge, wire.CodeForbidden, wire.CodeNotFound, wire.CodeInvalidChannel, wire.CodeIDReused,
		wire.CodeAttachmentUnusable:
		r.Permanent = true
	default:
		r.Permanent = p.Code != "" && p.RetryAfterMS == 0 && neverTaken(p.Status)
	}
	return r
}

// neverTaken says of a status that it is about the message, whatever the code is that a newer server gives as the reason:
// sent again for ever, it would hold its channel up for ever.
func neverTaken(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity:
		return true
	}
	return false
}
