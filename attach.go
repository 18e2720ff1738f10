package chatsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

// Attachment is a file that goes with a message, as the server has it.
type Attachment struct {
	ID     string // of the server's copy; Download takes it
	Name   string // as the sender calls it; see SafeName
	Size   int64  // in bytes
	Type   string // media type, as the sender says; "" if unknown
	SHA256 string // in hex
}

// Attachments returns the files of a message. What else an application put beside them is left out; it stands in
// Message.Attachments.
func Attachments(m Message) []Attachment {
	var list []json.RawMessage
	if json.Unmarshal(m.Attachments, &list) != nil {
		return nil
	}
	var out []Attachment
	for _, raw := range list {
		var a wire.Attachment
		if json.Unmarshal(raw, &a) == nil && a.Upload != "" {
			out = append(out, Attachment{ID: a.Upload, Name: a.Name, Size: a.Size, Type: a.Type, SHA256: a.SHA256})
		}
	}
	return out
}

// MarshalJSON gives a as it stands in outbox.Entry.Attachments, for files that were uploaded with Upload.
func (a Attachment) MarshalJSON() ([]byte, error) {
	return json.Marshal(wire.Attachment{Upload: a.ID, Name: a.Name, Size: a.Size, SHA256: a.SHA256, Type: a.Type})
}

// AttachmentOf is what a message says of an upload; ok is false unless that is done.
func AttachmentOf(u upload.Upload) (a Attachment, ok bool) {
	at, err := url.Parse(u.URL)
	if err != nil || u.State != upload.Done && planted != bugResolveEarly || u.URL == "" {
		return Attachment{}, false
	}
	return Attachment{
		ID: at.Path[strings.LastIndexByte(at.Path, '/')+1:], Name: u.Name, Size: u.Source.Size, Type: u.ContentType, SHA256: u.SHA256,
	}, true
}

// File is one that goes with a message. Path is required.
type File struct {
	// Path is where it is, and has to stay until the message is sent.
	Path string
	// Name and ContentType are told to those who read. They default to what Path says.
	Name, ContentType string
	// OnChange is what becomes of the message when the file changes before it is uploaded. Defaults to upload.Fail: the
	// message is parked, since what would be sent isn't what was chosen.
	OnChange upload.Policy
}

const (
	// needPrefix begins the need of a message that an upload brings; the upload's id follows.
	needPrefix = "upload:"
	// messageLabel begins the label of an upload that is for a message; the message's id follows.
	messageLabel = "message:"
	// maxFiles is the most files of a message: the most needs that an entry may have.
	maxFiles = 16
)

// UploadOf says which upload a message waits for by a need; ok is false for needs of the application's own.
func UploadOf(n outbox.Need) (id string, ok bool) { return strings.CutPrefix(n.Name, needPrefix) }

// MessageOf says which message an upload is for; ok is false where it is for none.
func MessageOf(u upload.Upload) (id string, ok bool) { return strings.CutPrefix(u.Label, messageLabel) }

// fileNeeds are the uploads that a message still waits for.
func fileNeeds(e outbox.Entry) (ids []string) {
	for _, n := range e.Needs {
		if id, ok := UploadOf(n); ok && n.Result == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// SendFiles is SendEntry with files: they are uploaded first, by themselves, and the message goes out when all are at the
// server and checked, before the messages of its channel that were queued later. Like those it needs no connection, and
// once SendFiles has returned it survives what the store survives. Where a file can't be taken nothing is queued. An upload
// that fails for good parks the message; Retry tries both again. Cancel takes the message and its uploads back.
func (c *Client) SendFiles(ctx context.Context, e outbox.Entry, files ...File) (outbox.Entry, error) {
	if c.ctx.Err() != nil {
		return outbox.Entry{}, ErrClosed
	}
	if len(files) == 0 {
		return c.SendEntry(ctx, e)
	}
	offered := e
	e, old, err := c.prepareFiles(e, len(files))
	if err != nil || old {
		return e, err
	}
	if err := c.checkEntry(offered, len(files)); err != nil {
		return outbox.Entry{}, err
	}
	if err := c.startUploads(ctx); err != nil {
		return outbox.Entry{}, err
	}
	c.up.hold(e.ID, 1)
	defer c.up.hold(e.ID, -1)
	if planted == bugMessageFirst {
		if e, err = c.enqueue(c.ctx, e); err != nil {
			return outbox.Entry{}, err
		}
	}
	var taken []string
	for i, f := range files {
		id := fileNeeds(e)[i]
		taken = append(taken, id) // nobody knows of one that failed, when ctx ended
		_, err = c.up.queue.Add(ctx, upload.Request{
			ID: id, Account: e.Account, Path: f.Path, Name: f.Name, ContentType: f.ContentType,
			Label: messageLabel + e.ID, OnChange: f.OnChange,
		})
		if err != nil {
			return outbox.Entry{}, errors.Join(closedError(err), c.dropFiles(taken))
		}
	}
	// From here on ctx doesn't count any more: the message is in the queue or it isn't, and its files with it.
	queued, err := c.enqueue(c.ctx, e)
	if err != nil {
		return outbox.Entry{}, errors.Join(err, c.dropFiles(taken))
	}
	c.up.look(taken)
	return queued, nil
}

// prepareFiles gives a message its id and what it waits for. old says that it was queued before.
func (c *Client) prepareFiles(e outbox.Entry, n int) (_ outbox.Entry, old bool, err error) {
	if n+len(e.Needs) > maxFiles {
		return outbox.Entry{}, false, &outbox.InvalidError{Field: "needs", Reason: fmt.Sprintf("more than %d files", maxFiles)}
	}
	id := uuid.Must(uuid.NewV7())
	if e.ID != "" {
		if id, err = uuid.Parse(e.ID); err != nil || len(e.ID) != len(uuid.Nil.String()) {
			return outbox.Entry{}, false, &outbox.InvalidError{Field: "id", Reason: "it must be a UUID such as 0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"}
		}
		if was, ok := c.queue.Get(id.String()); ok {
			return was, true, nil
		}
	}
	e.ID = id.String()
	if e.Account == "" {
		e.Account = c.queue.State().Account
	}
	e.Needs = append([]outbox.Need(nil), e.Needs...)
	for i := range n {
		// Made from the message's id, so that asking again after a crash finds the same uploads.
		file := uuid.NewSHA1(id, fmt.Appendf(nil, "file %d", i))
		e.Needs = append(e.Needs, outbox.Need{Name: needPrefix + file.String()})
	}
	return e, false, nil
}

// dropFiles takes back the uploads of a message that wasn't queued. Where it can't, the next start does.
func (c *Client) dropFiles(ids []string) error {
	var errs []error
	for _, id := range ids {
		err := c.up.queue.Cancel(c.ctx, id)
		if err != nil && !errors.Is(err, upload.ErrNotFound) && !errors.Is(err, upload.ErrSettled) && c.ctx.Err() == nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// hold keeps the uploads of a message that isn't queued yet from being taken for forgotten ones.
func (u *uploads) hold(message string, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.adding[message] += by; u.adding[message] == 0 {
		delete(u.adding, message)
	}
}

func (u *uploads) held(message string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.adding[message] > 0
}

// look has those of the uploads that are settled already told to their message, which wasn't queued when they were.
func (u *uploads) look(ids []string) {
	u.mu.Lock()
	for _, id := range ids {
		if up, ok := u.queue.Get(id); !ok || up.State.Settled() {
			u.settled[id] = struct{}{}
		}
	}
	some := len(u.settled) > 0
	u.mu.Unlock()
	if some {
		poke(u.poke)
	}
}

func (u *uploads) takeSettled() (ids []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.settled {
		ids = append(ids, id)
	}
	clear(u.settled)
	return ids
}
