package chatsdk

import (
	"context"
	"iter"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
)

// Item is one line of a channel as a person sees it.
type Item struct {
	Message // User of an own message that nobody was signed in for yet is ""
	// State is that of an own message on its way. What the server has is Sent, whoever wrote it.
	State outbox.State
	// Reason says why an own message is where it is, in the outbox's words, and for a parked one why it was refused; ""
	// for what the server has.
	Reason string
}

// Timeline is Messages with local echo: it also yields own messages of the channel as soon as they are queued, with a Seq
// of 0 and the time here while the server hasn't numbered them, and again whenever their State moves. It begins with those
// that are on their way or parked, also from earlier runs. Own are the messages of the account that is signed in, or was
// last; those of another one on the same store aren't yielded. An Item replaces the one before with its ID. Once a message
// came from the server, nothing older is yielded for it. Only what the server has counts as processed.
func (c *Client) Timeline(ctx context.Context, name string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		t := timeline{client: c, own: c.queue.Watch(ctx), stored: make(chan handed), ended: make(chan error, 1)}
		// After Watch, so that nothing is missed: what moved in between is told again, the newest last.
		present := c.queue.Entries()
		if !c.spawn(func() { t.ended <- c.Process(ctx, name, func(m Message) error { return t.hand(ctx, c.ctx, m) }) }) {
			yield(Item{}, ErrClosed)
			return
		}
		for _, e := range present {
			if t.concerns(name, e) && !yield(t.echo(e, presentReason(e)), nil) {
				return
			}
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
	client *Client
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
		if v.Reason == outbox.ReasonPresent || !t.concerns(name, v.Entry) {
			return true // it was told at the beginning, or isn't for here
		}
		return yield(t.echo(v.Entry, v.Reason), nil)
	}
}

// concerns says whether an entry is to be shown: in this channel, of the account that is signed in or of nobody yet, and
// not there already as the server has it.
func (t *timeline) concerns(name string, e outbox.Entry) bool {
	own := e.Account == "" || e.Account == t.client.sender() || planted == bugEchoAll
	return e.Channel == name && own && !t.came(e.ID)
}

// echo is an entry as an Item, with the user's name as the server gives it.
func (t *timeline) echo(e outbox.Entry, reason string) Item {
	return Item{State: e.State, Reason: reason, Message: Message{
		Channel: e.Channel, Seq: e.Seq, ID: e.ID, User: t.client.userOf(e.Account), Text: e.Text, Attachments: e.Attachments, Time: e.CreatedAt,
	}}
}

// presentReason is the Reason of an entry that was there before.
func presentReason(e outbox.Entry) string {
	if e.State == outbox.Parked {
		return e.Err
	}
	return outbox.ReasonPresent
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
