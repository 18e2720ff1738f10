package uploads

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	xslog "golang.org/x/exp/slog"

	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// networkTimeout is how long a body may be silent: a link that loses segments is silent for 13 s after five in a row.
	// Whoever wants the upload meanwhile doesn't wait for it.
	networkTimeout = 20 * time.Second
	// lockTimeout bounds the wait for a predecessor, which only has to sync what it has.
	lockTimeout = 10 * time.Second
	// Grace is how long goroutines of tusd outlive a request. They do nothing we need: what has to be finished when the
	// client has gone doesn't use the request's context.
	Grace = time.Millisecond
	// storeTimeout bounds one use of the Store.
	storeTimeout = 10 * time.Second
)

// Options say how a Handler behaves. All fields are needed.
type Options struct {
	FS       FS
	Store    Store
	Base     string // path below which uploads are, with a slash at its end
	MaxBytes int64  // most bytes of one upload
	Quota    Quota  // of each user
	// OpenTTL is how long an upload is kept after its last progress, UnpostedTTL how long a finished one waits for a
	// message that has it attached.
	OpenTTL, UnpostedTTL time.Duration
	Log                  *slog.Logger
	// Unavailable tells whether an error of the Store passes by itself.
	Unavailable func(error) bool
	// Refuse writes an error reply. detail is for people and may be empty.
	Refuse func(w http.ResponseWriter, code, detail string)
	// Count takes what happens: "created", "repeated", "finished", "discarded", "deleted", "expired" with n uploads,
	// "bytes" with n bytes taken.
	Count func(what string, n int64)
}

// Handler answers requests about uploads. It may be used concurrently.
type Handler struct {
	o     Options
	tus   http.Handler
	locks *locks

	stopping context.Context // ends in Stop
	stop     context.CancelFunc
}

// New makes a Handler. Run is to run beside it.
func New(o Options) (*Handler, error) {
	h := &Handler{o: o, locks: newLocks()}
	h.stopping, h.stop = context.WithCancel(context.Background())
	composer := handler.NewStoreComposer()
	s := store{h}
	composer.UseCore(s)
	composer.UseTerminater(s)
	composer.UseConcater(s)
	composer.UseLengthDeferrer(s)
	composer.UseLocker(h.locks)
	tus, err := handler.NewHandler(handler.Config{
		StoreComposer: composer, MaxSize: o.MaxBytes, BasePath: o.Base, DisableDownload: true,
		Cors:                             &handler.CorsConfig{Disable: true}, // the server's own covers it
		Logger:                           quiet(),
		GracefulRequestCompletionTimeout: Grace, AcquireLockTimeout: lockTimeout, NetworkTimeout: networkTimeout,
	})
	if err != nil {
		return nil, err
	}
	h.tus = tus
	return h, nil
}

// quiet is a logger that says nothing: whatever matters is logged here, without what clients send.
func quiet() *xslog.Logger {
	return xslog.New(xslog.NewTextHandler(io.Discard, &xslog.HandlerOptions{Level: xslog.LevelError + 1}))
}

// Stop interrupts the requests that run, in order: what has arrived of them is kept, and they answer 503, as do all that
// come later.
func (h *Handler) Stop() { h.stop() }

// Close gives the folder back. Requests and Run must have ended.
func (h *Handler) Close() error { return h.o.FS.Close() }

// extensions are those of tus.
const extensions = "creation,creation-with-upload,creation-defer-length,termination,concatenation,checksum,expiration"

// Discover answers OPTIONS, which needs no login.
func (h *Handler) Discover(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Tus-Resumable", "1.0.0")
	head.Set("Tus-Version", "1.0.0")
	head.Set("Tus-Extension", extensions)
	head.Set("Tus-Max-Size", strconv.FormatInt(h.o.MaxBytes, 10))
	head.Set("Tus-Checksum-Algorithm", ChecksumAlgorithms)
	w.WriteHeader(http.StatusNoContent)
}

// idPattern is what IDs made here look like.
var idPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Serve answers a request of a user who is signed in.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, user string) {
	method := r.Method
	if other := r.Header.Get("X-HTTP-Method-Override"); method == http.MethodPost && other != "" {
		method = other
	}
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(h.o.Base, "/")), "/")
	id = strings.TrimPrefix(id, "/")
	switch {
	case id != "" && !idPattern.MatchString(id):
		h.o.Refuse(w, wire.CodeNotFound, "no such upload")
	case id != "" && method == http.MethodGet:
		h.download(w, r, user, id)
	case id == "" && method == http.MethodPost,
		id != "" && (method == http.MethodHead || method == http.MethodPatch || method == http.MethodDelete):
		h.serveTus(w, r, &request{user: user, id: id, length: r.ContentLength}, method)
	default:
		allow := "POST, OPTIONS"
		if id != "" {
			allow = "GET, HEAD, PATCH, DELETE, OPTIONS"
		}
		w.Header().Set("Allow", allow)
		h.o.Refuse(w, wire.CodeMethodNotAllowed, "use one of "+allow)
	}
}

// serveTus has tusd answer, after a look at what it doesn't know of.
func (h *Handler) serveTus(w http.ResponseWriter, r *http.Request, in *request, method string) {
	w.Header().Set("Tus-Resumable", "1.0.0")
	code, detail := h.examine(r, in, method)
	if code != "" {
		h.o.Refuse(w, code, detail)
		return
	}
	in.control = http.NewResponseController(w)
	// tusd's goroutines end with this context, also where a caller's never ends.
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), requestKey{}, in))
	defer cancel()
	defer context.AfterFunc(h.stopping, func() { in.interrupt(handler.ErrServerShutdown) })()
	defer func() {
		in.finish()
		_ = in.control.SetWriteDeadline(time.Time{}) // the connection goes on
	}()
	r = r.Clone(ctx)
	r.Method = method
	r.URL.Path = in.id
	r.Header.Del("X-HTTP-Method-Override")
	r.Body = body{r.Body, in}
	out := &reply{ResponseWriter: w, h: h, request: in, method: method}
	h.tus.ServeHTTP(out, r)
	out.finish()
}

// examine reads the headers and the row. It answers the code of a problem, or "".
func (h *Handler) examine(r *http.Request, in *request, method string) (code, detail string) {
	if h.stopping.Err() != nil {
		return wire.CodeUnavailable, "the server is stopping"
	}
	var err error
	if method == http.MethodPost {
		if in.metadata, err = parseMetadata(r.Header.Get("Upload-Metadata")); err != nil {
			return wire.CodeBadRequest, err.Error()
		}
	}
	if method == http.MethodPatch && planted != bugNoLastDigest {
		if in.digest, err = parseReprDigest(r.Header); err != nil {
			return wire.CodeBadRequest, err.Error()
		}
	}
	if in.sum, err = parseChecksum(r.Header.Get("Upload-Checksum")); err != nil {
		return wire.CodeBadRequest, err.Error()
	}
	if in.id == "" {
		return "", ""
	}
	row, err := h.owned(in.user, in.id)
	var tusErr handler.Error
	if errors.As(err, &tusErr) {
		code, detail = codeOf(tusErr)
		return code, detail
	}
	in.row = row
	return "", ""
}

// owned finds an upload of a user that is still there. Errors are ones for tusd. A stranger learns no more of it than that
// it isn't theirs to use: the same as of one that never was.
func (h *Handler) owned(user, id string) (*Upload, error) {
	ctx, cancel := storeContext()
	defer cancel()
	row, err := h.o.Store.Upload(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, handler.ErrNotFound
	case err != nil:
		return nil, h.fail("read upload", err)
	case row.User != user && planted != bugAnyOwner:
		return nil, handler.ErrNotFound
	case row.State == Gone, row.State == Open && !time.Now().Before(row.ExpiresAt) && planted != bugServeExpired:
		return nil, refusal(wire.CodeUploadExpired, "the upload has expired: start it anew")
	}
	return &row, nil
}

// storeContext bounds a use of the Store that no client's departure ends.
func storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), storeTimeout)
}

// refusal is an error that tusd hands through to reply.
func refusal(code, detail string) error {
	return handler.NewError(code, detail, http.StatusInternalServerError)
}

// fail turns an error of disk or Store into what the client is told, and logs what it isn't.
func (h *Handler) fail(what string, err error) error {
	var known handler.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrQuota):
		return refusal(wire.CodeQuotaExceeded, "over your quota: delete an upload, or wait until unused ones expire")
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return refusal(wire.CodeUploadExpired, "the upload was ended meanwhile")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		h.o.Log.Error("no room for uploads", "error", err)
		return refusal(wire.CodeDiskFull, "the server's disk is full: try again later")
	}
	h.o.Log.Error("upload failed", "doing", what, "error", err)
	if h.o.Unavailable(err) {
		return refusal(wire.CodeUnavailable, "try again later")
	}
	return refusal(wire.CodeInternal, "")
}

// expiry is a time as HTTP writes it.
func expiry(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
