package chatsdk

import (
	"context"
	"encoding/json"

	"github.com/chatsdk/chatsdk/outbox"
)

// Entry returns a message that was sent with this store; ok is false if there is none with the id.
func (c *Client) Entry(id string) (e outbox.Entry, ok bool) { return c.queue.Get(id) }

// Entries returns the messages on their way out and the parked ones, in order, each with what it waits for.
func (c *Client) Entries() []outbox.Entry { return c.queue.Entries() }

// Edit gives a message that is still queued another Text and Attachments; see outbox.Queue.Edit.
func (c *Client) Edit(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	was, known := c.queue.Get(e.ID)
	if known {
		e.Needs = was.Needs
		if err := c.checkContent(e, 0); err != nil {
			return outbox.Entry{}, err
		}
	}
	return c.queue.Edit(ctx, e)
}

// Cancel takes a message back that is still queued.
func (c *Client) Cancel(ctx context.Context, id string) error { return c.queue.Cancel(ctx, id) }

// Retry sends a parked message after all, under its id.
func (c *Client) Retry(ctx context.Context, id string) error { return c.queue.Retry(ctx, id) }

// Discard gives a parked message up.
func (c *Client) Discard(ctx context.Context, id string) error { return c.queue.Discard(ctx, id) }

// Resolve gives the messages that wait for a need its result, a JSON object, and Fail parks them; see outbox.Entry.Needs.
func (c *Client) Resolve(ctx context.Context, need string, result json.RawMessage) error {
	if err := checkResult(result); err != nil {
		return err
	}
	return c.queue.Resolve(ctx, need, result)
}

// Fail parks the messages that wait for a need.
func (c *Client) Fail(ctx context.Context, need, reason string) error {
	return c.queue.Fail(ctx, need, reason)
}

// PauseSending keeps messages queued until it is called with false.
func (c *Client) PauseSending(paused bool) { c.queue.Pause(paused) }

// SetAside returns what the store holds of the queue and can't read.
func (c *Client) SetAside(ctx context.Context) ([]outbox.Aside, error) { return c.queue.SetAside(ctx) }
