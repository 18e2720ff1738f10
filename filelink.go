package chatsdk

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// quietAfter is how long after the last message uploads have the link for themselves again.
	quietAfter = 2 * time.Second
	// relinkAfter is when everything is looked at again after a store couldn't write.
	relinkAfter = time.Second
)

// fileLink ties messages to their uploads: what an upload came to is told to the message that waits for it, what becomes
// of the message to its uploads. Each side keeps what it knows in its own store, and nothing is kept here: repair compares
// the two and does what is missing, at the start and after each failure, so that a crash between two steps costs nothing.
type fileLink struct {
	c       *Client
	uploads <-chan upload.Change
	entries <-chan outbox.Change
	again   *time.Timer // repairs when it ends
}

// newFileLink begins to watch. run goes on from there.
func newFileLink(c *Client) *fileLink {
	return &fileLink{c: c, uploads: c.up.queue.Watch(c.ctx), entries: c.queue.Watch(c.ctx)}
}

// run goes on until the client ends.
func (f *fileLink) run() {
	f.again = time.NewTimer(0) // what a former run left undone
	defer f.again.Stop()
	quiet := time.NewTimer(quietAfter)
	defer quiet.Stop()
	for {
		var err error
		select {
		case u, ok := <-f.uploads:
			if !ok {
				return
			}
			err = f.uploadMoved(u)
		case e, ok := <-f.entries:
			if !ok {
				return
			}
			err = f.messageMoved(e)
		case <-f.c.up.poke:
			for _, id := range f.c.up.takeSettled() {
				err = errors.Join(err, f.tell(id))
			}
		case <-f.again.C:
			err = f.repair()
		case <-f.c.up.chat:
			f.c.up.queue.SetBusy(true)
			quiet.Reset(quietAfter)
		case <-quiet.C:
			f.c.up.queue.SetBusy(false)
		case <-f.c.ctx.Done():
			return
		}
		if err != nil && f.c.ctx.Err() == nil {
			f.c.log.Error("tie uploads to their messages", "err", err)
			f.again.Reset(relinkAfter)
		}
	}
}

// uploadMoved tells a message what became of its upload.
func (f *fileLink) uploadMoved(u upload.Change) error {
	_, ours := MessageOf(u.Upload)
	early := planted == bugResolveEarly && u.Upload.Progress.Acked == u.Upload.Source.Size && u.Upload.URL != ""
	if !ours || !u.To.Settled() && !early {
		return nil
	}
	return f.tell(u.Upload.ID)
}

// tell gives the message that waits for an upload its outcome, as it is now.
func (f *fileLink) tell(id string) error {
	q, need := f.c.queue, needPrefix+id
	u, ok := f.c.up.queue.Get(id)
	a, done := AttachmentOf(u)
	var err error
	switch {
	case !ok:
		err = q.Fail(f.c.ctx, need, "its upload isn't known any more; cancel the message and send it again")
	case done:
		err = f.resolve(need, a)
	case u.State == upload.Failed:
		err = q.Fail(f.c.ctx, need, u.Name+": "+u.Err)
	case u.State == upload.Cancelled:
		err = q.Fail(f.c.ctx, need, u.Name+": its upload was cancelled")
	case u.State == upload.Done:
		err = q.Fail(f.c.ctx, need, u.Name+": the server gave its copy no address")
	}
	if errors.Is(err, outbox.ErrNotFound) { // nobody waits: parked, taken back, or told before
		return nil
	}
	return err
}

// resolve hands an attachment to the message that waits for it.
func (f *fileLink) resolve(need string, a Attachment) error {
	result, err := json.Marshal(a)
	if err != nil {
		return err
	}
	err = f.c.queue.Resolve(f.c.ctx, need, result)
	if invalid, ok := errors.AsType[*outbox.InvalidError](err); ok { // with its attachments it is too large
		return f.c.queue.Fail(f.c.ctx, need, invalid.Error())
	}
	return err
}

// messageMoved takes the uploads of a message along that was taken back or is to be tried again.
func (f *fileLink) messageMoved(e outbox.Change) error {
	if len(e.Entry.Needs) == 0 {
		return nil
	}
	switch {
	case e.To == outbox.Cancelled || e.To == outbox.Expired:
		return f.cancel(e.Entry)
	case e.To == outbox.Queued && e.Reason == outbox.ReasonRetry:
		return f.retry(e.Entry)
	}
	return nil
}

// cancel takes back the uploads of a message, those too that are there already as far as they can be.
func (f *fileLink) cancel(e outbox.Entry) error {
	if planted == bugCancelMessageAlone {
		return nil
	}
	var errs []error
	for _, id := range fileNeeds(e) {
		err := f.c.up.queue.Cancel(f.c.ctx, id)
		if !errors.Is(err, upload.ErrNotFound) && !errors.Is(err, upload.ErrSettled) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// retry tries the failed uploads of a message again. What can't be tried parks the message once more.
func (f *fileLink) retry(e outbox.Entry) error {
	var errs []error
	for _, id := range fileNeeds(e) {
		err := f.c.up.queue.Retry(f.c.ctx, id)
		if errors.Is(err, upload.ErrNotFailed) || errors.Is(err, upload.ErrNotFound) {
			err = nil
			if u, ok := f.c.up.queue.Get(id); !ok || u.State.Settled() {
				err = f.tell(id)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// repair compares uploads with messages and does what is missing.
func (f *fileLink) repair() error {
	var errs []error
	for _, u := range f.c.up.queue.Uploads() {
		message, ok := MessageOf(u)
		if ok && !u.State.Settled() && !f.c.up.held(message) {
			errs = append(errs, f.wanted(u.ID, message))
		}
	}
	for _, e := range f.c.queue.Entries() {
		if e.State != outbox.Queued || f.c.up.held(e.ID) {
			continue
		}
		if planted == bugRetryFailed {
			errs = append(errs, f.retry(e))
			continue
		}
		for _, id := range fileNeeds(e) {
			if u, ok := f.c.up.queue.Get(id); !ok || u.State.Settled() {
				errs = append(errs, f.tell(id))
			}
		}
	}
	return errors.Join(errs...)
}

// wanted cancels an upload whose message was taken back, or was never queued: the process ended between the two, and
// nobody was told that it was.
func (f *fileLink) wanted(id, message string) error {
	e, ok, err := f.message(message)
	switch {
	case err != nil:
		return err
	case ok && e.State != outbox.Cancelled && e.State != outbox.Expired, planted == bugOrphansStay:
		return nil
	}
	err = f.c.up.queue.Cancel(f.c.ctx, id)
	if errors.Is(err, upload.ErrNotFound) || errors.Is(err, upload.ErrSettled) {
		return nil
	}
	return err
}

// message finds a message. Where the store can't be read that is an error: a message that is in doubt keeps its files.
func (f *fileLink) message(id string) (outbox.Entry, bool, error) {
	if e, ok := f.c.queue.Get(id); ok {
		return e, true, nil
	}
	return f.c.opts.Store.Outbox().Get(context.WithoutCancel(f.c.ctx), id)
}
