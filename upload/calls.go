package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of what a request may bring.
const (
	maxLabel = 4 << 10
	maxName  = 255 // the longest name of a file on the usual file systems
	maxType  = 127 // RFC 6838 section 4.2, twice and a slash
)

// check fills in what the caller may leave out, and refuses what can't be uploaded.
func (r Request) check() (Request, error) {
	if r.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return r, fmt.Errorf("upload: make id: %w", err)
		}
		r.ID = id.String()
	}
	id, err := uuid.Parse(r.ID)
	if err != nil || len(r.ID) != 36 {
		return r, &InvalidError{Field: "id", Reason: "it must be a UUID such as 0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"}
	}
	r.ID = id.String()
	if r.Path == "" {
		return r, &InvalidError{Field: "path", Reason: "it is empty"}
	}
	if r.Path, err = filepath.Abs(r.Path); err != nil {
		return r, &InvalidError{Field: "path", Reason: "it can't be made absolute"}
	}
	r.Name = r.FileName()
	if r.ContentType == "" {
		r.ContentType = mime.TypeByExtension(filepath.Ext(r.Name))
	}
	switch {
	case r.Name == "" || len(r.Name) > maxName:
		return r, &InvalidError{Field: "name", Reason: fmt.Sprintf("it must have 1 to %d bytes", maxName)}
	case len(r.ContentType) > maxType || strings.ContainsFunc(r.ContentType, func(c rune) bool { return c < ' ' || c > '~' }):
		return r, &InvalidError{Field: "contentType", Reason: fmt.Sprintf("it must have at most %d printable ASCII characters", maxType)}
	case len(r.Label) > maxLabel:
		return r, &InvalidError{Field: "label", Reason: fmt.Sprintf("it must have at most %d bytes", maxLabel)}
	}
	return r, nil
}

// baseName is the last element of a name, of either system's spelling, without what could hide or harm in it.
func baseName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.ToValidUTF8(name, string(utf8.RuneError))
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, name)
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// Add takes a file and returns its upload, once the store has it. An ID seen before changes nothing, and the upload as it
// is now is returned. The file is looked at (64 KiB at both ends), not read. Errors: *InvalidError, those of package os
// where the file can't be read, ErrFull, ErrDisk, ErrClosed, or the store's. When ctx ends first, nobody knows whether it
// was added; asking again with the same ID is safe.
func (q *Queue) Add(ctx context.Context, r Request) (Upload, error) {
	if r.ID != "" { // known ones are answered even where their file is gone
		if u, ok := q.Get(r.ID); ok {
			return u, nil
		}
	}
	r, err := r.check()
	if err != nil {
		return Upload{}, err
	}
	src, err := inspect(r.Path)
	if err != nil {
		return Upload{}, fmt.Errorf("upload: %w", err)
	}
	now := time.Now().Round(0)
	u := Upload{
		ID: r.ID, Account: r.Account, Label: r.Label, Path: r.Path, Name: r.Name, ContentType: r.ContentType,
		OnChange: r.OnChange, Source: src, Key: r.ID, CreatedAt: now, UpdatedAt: now,
		Progress: Progress{Total: src.Size, ResumedFrom: -1, Left: -1},
	}
	var out Upload
	if err := q.ask(ctx, func(t *txn) error { return q.o.add(t, u, &out) }); err != nil {
		return Upload{}, err // out may still be written to
	}
	return out, nil
}

// add puts a new upload at the end. Settled ones make room for it.
func (o *owner) add(t *txn, u Upload, out *Upload) error {
	if old := t.row(u.ID); old != nil {
		*out = old.clone()
		return nil
	}
	if err := o.makeRoom(t); err != nil {
		return err
	}
	for _, s := range t.staged {
		u.Order = max(u.Order, s.Order)
	}
	u.Order = max(u.Order, o.order) + 1
	u.Account = cmp.Or(u.Account, cmp.Or(t.account, o.account))
	if u.Account != cmp.Or(t.account, o.account) {
		u.State = WaitingAuth
	}
	t.add(u)
	*out = u.clone()
	return nil
}

// makeRoom forgets the oldest settled uploads beyond Options.KeepSettled, and more where there is no room else.
func (o *owner) makeRoom(t *txn) error {
	var settled []Upload
	rows := len(t.staged)
	for id, u := range o.rows {
		if t.staged[id] == nil && !slices.Contains(t.remove, id) {
			rows++
			if u.State.Settled() && len(u.Leftovers) == 0 {
				settled = append(settled, *u)
			}
		}
	}
	n := max(len(settled)-o.q.opts.KeepSettled, rows+1-o.q.opts.MaxUploads, 0)
	if n > len(settled) {
		return ErrFull
	}
	sortByOrder(settled)
	for _, u := range settled[:n] {
		t.drop(u.ID)
	}
	return nil
}

// open returns an upload that isn't settled.
func (t *txn) open(id string) (*Upload, error) {
	u := t.row(id)
	switch {
	case u == nil || u.Forget:
		return nil, ErrNotFound
	case u.State.Settled():
		return nil, ErrSettled
	}
	return u, nil
}

// Pause stops an upload until Resume; what the server has stays there. It is kept over a restart. Errors: ErrNotFound,
// ErrSettled, ErrClosed, or the store's.
func (q *Queue) Pause(ctx context.Context, id string) error {
	return q.shift(ctx, id, evPause, ReasonPaused)
}

// Resume lets a paused upload go on. One that isn't paused stays as it is. Errors as for Pause.
func (q *Queue) Resume(ctx context.Context, id string) error {
	return q.shift(ctx, id, evResume, ReasonQueued)
}

// shift takes an open upload through an event.
func (q *Queue) shift(ctx context.Context, id string, ev event, reason string) error {
	id = strings.ToLower(id)
	return q.ask(ctx, func(t *txn) error {
		_, err := t.open(id)
		if err == nil {
			t.move(id, ev, Change{Reason: reason})
		}
		return err
	})
}

// Cancel takes an upload back, or gives a failed one up. It is over when Cancel returns; the server's copy is dropped in
// the background, in a later process if need be. Errors: ErrNotFound, ErrSettled if it is done, ErrClosed, or the store's.
func (q *Queue) Cancel(ctx context.Context, id string) error {
	id = strings.ToLower(id)
	return q.ask(ctx, func(t *txn) error {
		u := t.row(id)
		switch {
		case u == nil || u.Forget:
			return ErrNotFound
		case u.State == Done:
			return ErrSettled
		case u.State == Cancelled:
			return nil
		}
		u = t.edit(id, true)
		u.leave()
		u.Code, u.Err = "", ""
		t.move(id, evCancel, Change{Reason: ReasonCancelled})
		return nil
	})
}

// metadata is the Upload-Metadata of a creation.
func (u *Upload) metadata(key, sum string) string {
	return metadata("key", key, "filename", u.Name, "filetype", u.ContentType, "sha256", sum)
}

// leave makes the server's copy one that nobody wants any more.
func (u *Upload) leave() {
	if u.URL != "" || u.Posted {
		l := Leftover{URL: u.URL, Key: u.Key, Size: u.Source.Size}
		if l.URL == "" && planted != bugDropByKey {
			l.Metadata = u.metadata(u.Key, u.SHA256)
		}
		u.Leftovers = append(u.Leftovers, l)
	}
	u.URL, u.Posted, u.Offset, u.HashState, u.HashedTo, u.ExpiresAt = "", false, 0, nil, 0, time.Time{}
	u.Progress.Acked, u.Progress.Sent = 0, 0
}

// again makes it begin anew, with another copy at the server.
func (u *Upload) again() {
	u.leave()
	u.Restarts++
	u.Key = fmt.Sprintf("%s.%d", u.ID, u.Restarts)
}

// Retry tries a failed upload again: it goes on from the server's offset, and if the file changed, begins anew with the
// file as it is now. Errors: ErrNotFound, ErrNotFailed, ErrClosed, those of package os where the file can't be read, or
// the store's.
func (q *Queue) Retry(ctx context.Context, id string) error {
	id = strings.ToLower(id)
	known, ok := q.Get(id)
	if !ok {
		return ErrNotFound
	}
	src, err := inspect(known.Path)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return q.ask(ctx, func(t *txn) error {
		u := t.row(id)
		switch {
		case u == nil || u.Forget:
			return ErrNotFound
		case u.State != Failed:
			return ErrNotFailed
		}
		u = t.edit(id, true)
		if u.Code == CodeRestarts || u.Code == CodeCorrupt || !src.same(u.Source) {
			u.again()
			u.Source, u.SHA256, u.Restarts = src, "", 0
			u.Key = u.ID + "." + uuid.NewString()
			u.Progress.Total = src.Size
		}
		u.Code, u.Err = "", ""
		t.move(id, evRetry, Change{Reason: ReasonQueued})
		return nil
	})
}

// Remove forgets a settled upload; what the server has of one that is done stays there. What is left of another has to be
// dropped there first: until then it is only hidden. Errors: ErrNotFound, ErrNotSettled, ErrClosed, or the store's.
func (q *Queue) Remove(ctx context.Context, id string) error {
	id = strings.ToLower(id)
	return q.ask(ctx, func(t *txn) error {
		u := t.row(id)
		switch {
		case u == nil || u.Forget:
			return ErrNotFound
		case !u.State.Settled():
			return ErrNotSettled
		}
		u = t.edit(id, true)
		if u.State == Failed {
			u.leave()
		}
		if len(u.Leftovers) == 0 {
			t.drop(id)
			return nil
		}
		u.Forget = true
		return nil
	})
}

// SetAccount says whose uploads go from now on; those of others stay, waiting for auth. Uploads added while nobody was
// known belong to the first account that is. It returns when nothing of the former account is under way any more. The
// account is kept: a new run begins with it. Without any call all uploads of nobody go. Errors: ctx's, ErrClosed, or the
// store's.
func (q *Queue) SetAccount(ctx context.Context, account string) error {
	if account == "" {
		return errors.New("upload: SetAccount needs an account; uploads of nobody are those added before the first one")
	}
	return q.wait(ctx, request{drain: true, apply: func(t *txn) error { q.o.setAccount(t, account); return nil }})
}

func (o *owner) setAccount(t *txn, account string) {
	was := cmp.Or(t.account, o.account)
	if was == account {
		return
	}
	t.account = account
	ids := make(map[string]bool, len(o.rows))
	for id := range o.rows {
		ids[id] = true
	}
	for id := range t.staged {
		ids[id] = true
	}
	for id := range ids {
		u := t.row(id)
		if u == nil {
			continue
		}
		if u.Account == "" {
			t.edit(id, true).Account = account
			u = t.row(id)
		}
		switch {
		case u.State.Settled() || u.State == Paused:
		case u.Account != account:
			t.move(id, evAuth, Change{Reason: ReasonAuth})
		case was == "":
			t.move(id, evQueue, Change{Reason: ReasonAdopted})
		default:
			t.move(id, evQueue, Change{Reason: ReasonQueued})
		}
	}
}
