package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tus/tusd/v2/pkg/handler"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// store is what tusd knows of the Handler.
type store struct{ h *Handler }

var (
	_ handler.DataStore               = store{}
	_ handler.TerminaterDataStore     = store{}
	_ handler.ConcaterDataStore       = store{}
	_ handler.LengthDeferrerDataStore = store{}
	_ handler.Upload                  = (*upload)(nil)
	_ handler.TerminatableUpload      = (*upload)(nil)
	_ handler.ConcatableUpload        = (*upload)(nil)
	_ handler.LengthDeclarableUpload  = (*upload)(nil)
)

// upload is an Upload in the hands of one request. The row is what the Store has, or had at last.
type upload struct {
	h       *Handler
	request *request
	row     *Upload
}

// storedTime is the present as every Store can keep it.
func storedTime() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// emptySum is the SHA-256 of nothing.
var emptySum = hex.EncodeToString(sha256.New().Sum(nil))

// NewUpload keeps a new upload, or answers what a creation with its key made.
func (s store) NewUpload(ctx context.Context, info handler.FileInfo) (handler.Upload, error) {
	in := requestOf(ctx)
	now := storedTime()
	row := Upload{
		ID: uuid.NewString(), User: in.user, Key: in.metadata["key"], Metadata: in.metadata.String(), Length: info.Size,
		CreatedAt: now, ExpiresAt: now.Add(s.h.o.OpenTTL),
	}
	switch {
	case info.IsFinal:
		row.Kind, row.Parts = Final, info.PartialUploads
	case info.IsPartial:
		row.Kind = Partial
	}
	if info.SizeIsDeferred {
		row.Length = Deferred
	}
	if row.Length == 0 && row.Kind != Final { // there is nothing to wait for, and no state between the two
		row.State, row.SHA256, row.ExpiresAt = Finished, emptySum, now.Add(s.h.o.UnpostedTTL)
		if want := in.metadata.sum(); want != "" && want != emptySum {
			return nil, refusal(wire.CodeDigestMismatch, "the sha256 in Upload-Metadata isn't that of an empty file")
		}
	}
	sctx, cancel := storeContext()
	defer cancel()
	kept, made, err := s.h.o.Store.CreateUpload(sctx, row, s.h.o.Quota)
	if err != nil {
		return nil, s.h.fail("create upload", err)
	}
	if !made {
		return s.repeated(in, row, kept)
	}
	in.row = &kept
	s.h.o.Count("created", 1)
	if kept.State == Finished {
		s.h.o.Count("finished", 1)
	}
	return &upload{s.h, in, &kept}, nil
}

// repeated answers a creation whose key was used: with the same address if it is the same creation.
func (s store) repeated(in *request, asked, kept Upload) (handler.Upload, error) {
	same := asked.Length == kept.Length && asked.Kind == kept.Kind && strings.Join(asked.Parts, " ") == strings.Join(kept.Parts, " ")
	if kept.Length >= 0 && asked.Length == Deferred { // it was told meanwhile
		same = asked.Kind == kept.Kind
	}
	if (!same || asked.Metadata != kept.Metadata) && planted != bugFirstReplyOnly {
		return nil, refusal(wire.CodeIDReused, "the key was used for another upload")
	}
	in.row = &kept
	s.h.o.Count("repeated", 1)
	if kept.Kind == Final && kept.State == Open { // the first try didn't get to its end
		return &upload{s.h, in, &kept}, nil
	}
	// tusd would write a body that came along at offset 0. It isn't looked at: the client sends it from Upload-Offset on.
	return nil, handler.Error{ErrorCode: "REPEATED", HTTPResponse: handler.HTTPResponse{
		StatusCode: http.StatusCreated, Header: handler.HTTPHeader{"Location": kept.ID, "Upload-Offset": offset(kept)},
	}}
}

// GetUpload finds an upload of the user who asks.
func (s store) GetUpload(ctx context.Context, id string) (handler.Upload, error) {
	in := requestOf(ctx)
	if !idPattern.MatchString(id) { // of a list to put together
		return nil, handler.ErrNotFound
	}
	row, err := s.h.owned(in.user, id)
	if err != nil {
		return nil, err
	}
	if id == in.id {
		in.row = row
	} else if row.Kind != Partial {
		return nil, handler.ErrInvalidConcat
	}
	return &upload{s.h, in, row}, nil
}

func (store) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload { return u.(*upload) }

func (store) AsConcatableUpload(u handler.Upload) handler.ConcatableUpload { return u.(*upload) }

func (store) AsLengthDeclarableUpload(u handler.Upload) handler.LengthDeclarableUpload {
	return u.(*upload)
}

// GetInfo is the row as tusd sees it.
func (u *upload) GetInfo(context.Context) (handler.FileInfo, error) {
	return handler.FileInfo{
		ID: u.row.ID, Size: max(u.row.Length, 0), SizeIsDeferred: u.row.Length == Deferred, Offset: u.row.Offset,
		IsPartial: u.row.Kind == Partial, IsFinal: u.row.Kind == Final, PartialUploads: u.row.Parts,
	}, nil
}

// GetReader isn't used: downloads don't go through tusd, which takes the writer's lock for them.
func (u *upload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, handler.ErrNotImplemented
}

// DeclareLength tells the length of an upload that began without.
func (u *upload) DeclareLength(ctx context.Context, length int64) error {
	if length == u.row.Offset { // that was all: there is no state in which it is whole and not finished
		u.row.Length = length
		return u.FinishUpload(ctx)
	}
	row := *u.row
	row.Length = length
	sctx, cancel := storeContext()
	defer cancel()
	if err := u.h.o.Store.AdvanceUpload(sctx, row, row.Offset, u.h.o.Quota); err != nil {
		return u.h.fail("declare length", err)
	}
	*u.row = row
	return nil
}

// FinishUpload ends an upload that is whole and wasn't ended with its last bytes: its length was told after them.
func (u *upload) FinishUpload(context.Context) error {
	if u.row.State != Open {
		return nil
	}
	w, err := u.open()
	if err != nil {
		return u.h.fail("finish upload", err)
	}
	defer w.close()
	return u.h.fails("finish upload", w.commit())
}

// Terminate deletes an upload.
func (u *upload) Terminate(context.Context) error {
	ctx, cancel := storeContext()
	defer cancel()
	err := u.h.o.Store.DeleteUpload(ctx, u.row.ID)
	switch {
	case errors.Is(err, ErrPosted):
		return refusal(wire.CodeUploadPosted, "a message has it attached")
	case errors.Is(err, ErrNotFound):
		return handler.ErrNotFound
	case err != nil:
		return u.h.fail("delete upload", err)
	}
	u.h.o.Count("deleted", 1)
	u.h.remove(u.row.ID)
	return nil
}

// fails is fail, or nil.
func (h *Handler) fails(what string, err error) error {
	if err == nil {
		return nil
	}
	return h.fail(what, err)
}

// remove deletes a file whose row is gone. What can't be deleted now is at the next start.
func (h *Handler) remove(id string) {
	if err := h.o.FS.Remove(id); err != nil && !notThere(err) {
		h.o.Log.Warn("delete the file of an upload", "id", id, "error", err)
	}
}
