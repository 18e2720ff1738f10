package uploads

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// download serves the bytes of a finished upload to its owner and to those who may read a message that has it attached.
// It takes no lock: the bytes don't change any more.
func (h *Handler) download(w http.ResponseWriter, r *http.Request, user, id string) {
	row, code, detail := h.readable(user, id)
	if code != "" {
		h.o.Refuse(w, code, detail)
		return
	}
	var content io.ReadSeeker = bytes.NewReader(nil) // an empty upload has no file
	if row.Length != 0 {
		f, err := h.o.FS.Open(id)
		if err != nil {
			h.o.Log.Error("open the file of an upload", "id", id, "error", err)
			h.o.Refuse(w, wire.CodeInternal, "")
			return
		}
		defer func() { _ = f.Close() }() // it was only read
		content = f
	}
	head := w.Header()
	head.Set("Content-Type", contentType(row))
	head.Set("Content-Disposition", "attachment; filename*=UTF-8''"+fileName(row))
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'") // should a browser show it all the same
	head.Set("Cache-Control", "private")
	if row.SHA256 != "" {
		setDigest(head, row.SHA256)
		head.Set("ETag", `"`+row.SHA256+`"`)
	}
	out := &paced{ResponseWriter: w, control: http.NewResponseController(w)}
	out.extend()
	if r.ContentLength == 0 {
		_ = out.control.SetReadDeadline(time.Time{}) // there is no body, and the connection may be busy for long
	}
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }() // the connection goes on
	http.ServeContent(out, r, "", row.CreatedAt, content)
	if out.failed {
		for _, name := range []string{"Content-Disposition", "ETag", "Repr-Digest", "Last-Modified", HeaderSHA256} {
			head.Del(name)
		}
		h.o.Refuse(w, wire.CodeRange, "the range isn't within the file")
	}
}

// readable finds an upload that a user may download, or says with a code why there is none.
func (h *Handler) readable(user, id string) (row Upload, code, detail string) {
	const unknown = "no such upload"
	ctx, cancel := storeContext()
	defer cancel()
	row, err := h.o.Store.Upload(ctx, id)
	if err == nil && row.User != user {
		if row.State == Gone {
			return row, wire.CodeNotFound, unknown
		}
		err = h.o.Store.UploadReadable(ctx, id, user)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return row, wire.CodeNotFound, unknown
	case err != nil:
		h.o.Log.Error("read upload", "error", err)
		return row, wire.CodeUnavailable, "try again later"
	case row.State == Gone:
		return row, wire.CodeUploadExpired, "the upload has expired"
	case row.State == Open && planted != bugServeUnfinished:
		return row, wire.CodeUploadUnfinished, "the upload isn't finished"
	}
	return row, "", ""
}

// contentType is the client's word for it. What it says can't do harm: browsers save what comes as an attachment.
func contentType(u Upload) string {
	if t := Type(u); t != "" {
		return t
	}
	return "application/octet-stream"
}

// fileName is the name for filename* (RFC 8187).
func fileName(u Upload) string {
	name := Name(u)
	if name == "" {
		name = "file"
	}
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// paced gives each write its own deadline, so that a large file may take as long as it needs, and keeps the text of a
// refused range back.
type paced struct {
	http.ResponseWriter

	control *http.ResponseController
	failed  bool
}

func (p *paced) extend() {
	_ = p.control.SetWriteDeadline(time.Now().Add(2 * networkTimeout)) // not every ResponseWriter can
}

func (p *paced) WriteHeader(status int) {
	if p.failed = status >= http.StatusBadRequest; !p.failed {
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *paced) Write(b []byte) (int, error) {
	if p.failed {
		return len(b), nil
	}
	p.extend()
	return p.ResponseWriter.Write(b)
}
