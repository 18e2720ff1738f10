package chatsdk

import (
	"encoding/json"
	"strings"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
)

// messageLimits bound a message: as the server told them last, or what servers usually take before it told any. Without
// its word a longer text is up to Options.Queue.
func (c *Client) messageLimits() wire.Limits {
	c.mu.Lock()
	l := c.path.limits
	c.mu.Unlock()
	if l.TextBytes <= 0 {
		l.TextBytes = max(wire.UsualTextBytes, c.opts.Queue.MaxTextBytes)
	}
	if l.Attachments <= 0 {
		l.Attachments = wire.UsualAttachments
	}
	return l
}

// checkEntry refuses what the server would refuse for good, with files to come beside its attachments: accepted here, it
// would be promised first and parked later. The error is an *outbox.InvalidError.
func (c *Client) checkEntry(e outbox.Entry, files int) error {
	if planted == bugPromiseAnything {
		return nil
	}
	if bad := wire.CheckChannel(e.Channel); bad != nil {
		return invalid(bad)
	}
	return c.checkContent(e, files)
}

// checkContent is checkEntry without the channel.
func (c *Client) checkContent(e outbox.Entry, files int) error {
	limits := c.messageLimits()
	text := e.Text
	if text == "" && files+len(e.Needs) > 0 {
		text = " " // it won't be empty
	}
	limits.Attachments -= files + len(e.Needs)
	if limits.Attachments < 0 {
		return invalid(&wire.Misfit{Field: "attachments", Reason: "with the files they are more than the server takes"})
	}
	if _, bad := limits.CheckContent(text, e.Attachments); bad != nil {
		return invalid(bad)
	}
	return nil
}

func invalid(bad *wire.Misfit) error {
	return &outbox.InvalidError{Field: bad.Field, Reason: bad.Reason}
}

// knownEntry says whether an id was queued before: then nothing that comes with it matters.
func (c *Client) knownEntry(id string) bool {
	if id == "" {
		return false
	}
	_, known := c.queue.Get(strings.ToLower(id))
	return known
}

// checkResult refuses a need's result that can't stand in a message's attachments.
func checkResult(result json.RawMessage) error {
	if planted != bugPromiseAnything && !wire.IsObject(result) {
		return &outbox.InvalidError{Field: "needs", Reason: "the result isn't a JSON object"}
	}
	return nil
}
