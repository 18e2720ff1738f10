package uploads

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/tus/tusd/v2/pkg/handler"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// HeaderSHA256 carries the SHA-256 of a finished upload, hexadecimal, on the replies to the request that finished it and
// to HEAD.
const HeaderSHA256 = wire.HeaderUploadSHA256

// maxError bounds what is read of an error that tusd writes.
const maxError = 1 << 10

// reply adds to tusd's replies what it doesn't know of, and turns its errors into problems.
type reply struct {
	http.ResponseWriter

	h       *Handler
	request *request
	method  string
	failed  int // the status of an error, or 0
	text    bytes.Buffer
}

// Unwrap serves http.ResponseController.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader keeps an error back for finish.
func (r *reply) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		r.failed = status
		return
	}
	r.dress()
	r.ResponseWriter.WriteHeader(status)
}

// Write takes the text of an error, or hands a body on.
func (r *reply) Write(p []byte) (int, error) {
	if r.failed == 0 {
		return r.ResponseWriter.Write(p)
	}
	r.text.Write(p[:min(len(p), max(0, maxError-r.text.Len()))])
	return len(p), nil
}

// dress puts the headers of the upload on a good reply.
func (r *reply) dress() {
	head := r.Header()
	row := r.request.row
	if location := head.Get("Location"); location != "" && row != nil {
		// Without scheme and host: whoever ends TLS before us knows them, we don't.
		head.Set("Location", r.h.o.Base+row.ID)
	}
	if row == nil || r.method == http.MethodDelete {
		return
	}
	head.Set("Cache-Control", "no-store")
	switch row.State {
	case Finished:
		setDigest(head, row.SHA256)
	case Open:
		head.Set("Upload-Expires", expiry(row.ExpiresAt))
	case Gone:
	}
	if r.method == http.MethodHead && row.Metadata != "" {
		head.Set("Upload-Metadata", row.Metadata)
	}
}

// setDigest tells the SHA-256 of the whole, in our header and in that of RFC 9530, which clients of any server look for.
func setDigest(head http.Header, sum string) {
	head.Set(HeaderSHA256, sum)
	if raw, err := hex.DecodeString(sum); err == nil {
		head.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(raw)+":")
	}
}

// finish answers the error that was kept back.
func (r *reply) finish() {
	if r.failed == 0 {
		return
	}
	head := r.Header()
	head.Del("Content-Length")
	if r.request.why() != nil {
		head.Set("Connection", "close") // or net/http would wait for the rest of the body
	}
	code, detail := r.code()
	if code == wire.CodeOffsetMismatch && r.request.row != nil {
		head.Set("Upload-Offset", strconv.FormatInt(r.request.row.Offset, 10)) // spares the client a HEAD
	}
	r.h.o.Refuse(r.ResponseWriter, code, detail)
}

func (r *reply) code() (code, detail string) {
	name, text, ok := strings.Cut(strings.TrimSpace(r.text.String()), ": ")
	switch {
	case ok:
		return codeOf(handler.Error{ErrorCode: name, Message: text})
	case r.failed == http.StatusNotFound: // an answer to HEAD has no text
		return wire.CodeNotFound, ""
	case r.failed == http.StatusLocked:
		return wire.CodeUploadLocked, ""
	}
	return wire.CodeInternal, ""
}

// codes are those of tusd's errors.
var codes = []struct {
	err  handler.Error
	code string
}{
	{handler.ErrUnsupportedVersion, wire.CodeTusVersion},
	{handler.ErrMaxSizeExceeded, wire.CodeTooLarge},
	{handler.ErrSizeExceeded, wire.CodeTooLarge},
	{handler.ErrInvalidContentType, wire.CodeMediaType},
	{handler.ErrNotFound, wire.CodeNotFound},
	{handler.ErrFileLocked, wire.CodeUploadLocked},
	{handler.ErrLockTimeout, wire.CodeUploadLocked},
	{handler.ErrUploadInterrupted, wire.CodeUploadLocked},
	{handler.ErrMismatchOffset, wire.CodeOffsetMismatch},
	{handler.ErrUploadNotFinished, wire.CodeUploadUnfinished},
	{handler.ErrModifyFinal, wire.CodeForbidden},
	{handler.ErrServerShutdown, wire.CodeUnavailable},
	{handler.ErrReadTimeout, wire.CodeUnavailable},
	{handler.ErrConnectionReset, wire.CodeUnavailable},
	{handler.ErrUnexpectedEOF, wire.CodeUnavailable},
}

// codeOf gives an error of tusd, or one made by refusal, its code.
func codeOf(err handler.Error) (code, detail string) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code, err.Message
		}
	}
	if !strings.HasPrefix(err.ErrorCode, "ERR_") {
		return err.ErrorCode, err.Message
	}
	if strings.HasPrefix(err.ErrorCode, "ERR_INTERNAL") {
		return wire.CodeInternal, ""
	}
	return wire.CodeBadRequest, err.Message
}
