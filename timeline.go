package chatsdk

import (
	"context"
	"iter"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
)

// Item is one line of a channel as a person sees it.
type Item struct {
	Message
	// State is that of an own message on its way. What the server has is Sent, whoever wrote it.
	State outbox.State
	// Reason says why an own message is where it is, in the outbox's words; "" for what the server has.
	Reason string
}

// Timeline is Messages with local echo: it also yields own messages of the channel as soon as they are queued, with a Seq
// of 0 and the time here while the server hasn't numbered them, and again whenever their State moves. An Item replaces
// the one before with its ID. Once a message came from the server, nothing older is yielded for it. Only what the server
// has counts as processed.
func (c *Client) Timeline(ctx context.Context, name string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		t := timeline{own: c.queue.Watch(ctx), stored: make(chan handed), ended: make(chan error, 1)}
		if !c.spawn(func() { t.ended <- c.Process(ctx, name, func(m Message) error { return t.hand(ctx, c.ctx, m) }) }) {
			yield(Item{}, ErrClosed)
			return
		}
		for t.next(name, yield) {
		}
	}
}

// echoes is how many of the newest messages are remembered, to leave out what the queue tells of them later. The queue
// tells within a round trip.
const echoes = 1024

// timeline merges what the server has and what the queue tells. Its fields are the reading goroutine's.
type timeline struct {
	own    <-chan outbox.Change
	stored chan handed
	ended  chan error
	seen   [echoes]string // ids of the newest messages, a ring
	at     int
}

// handed is a message on its way to the loop body; done is closed when the body is done with it.
type handed struct {
	Message
	done chan struct{}
}

// hand gives a message to the loop and waits until its body is done with it. The client may be closed by that very body.
func (t *timeline) hand(ctx, client context.Context, m Message) error {
	h := handed{m, make(chan struct{})}
	select {
	case t.stored <- h:
	case <-ctx.Done():
		return inbox.ErrNotShown
	}
	select {
	case <-h.done:
		return nil
	case <-client.Done():
		return ErrClosed
	}
}

// next yields one item, or nothing where there is no news in a change, and says whether to go on.
func (t *timeline) next(name string, yield func(Item, error) bool) bool {
	select {
	case err := <-t.ended:
		yield(Item{}, err)
		return false
	case h := <-t.stored:
		defer close(h.done)
		t.seen[t.at], t.at = h.ID, (t.at+1)%echoes
		return yield(Item{Message: h.Message, State: outbox.Sent}, nil)
	case v, ok := <-t.own:
		if !ok {
			t.own = nil // the client is being closed, and the other side says so
			return true
		}
		e := v.Entry
		if e.Channel != name || t.came(e.ID) {
			return true
		}
		m := Message{
			Channel: e.Channel, Seq: e.Seq, ID: e.ID, User: e.Account, Text: e.Text, Attachments: e.Attachments, Time: e.CreatedAt,
		}
		return yield(Item{Message: m, State: v.To, Reason: v.Reason}, nil)
	}
}

// came says whether the server's copy of a message was yielded.
func (t *timeline) came(id string) bool {
	for _, s := range t.seen {
		if s == id {
			return true
		}
	}
	return false
}
