package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server/uploads"
)

// uploadsPath is where uploads are.
const uploadsPath = "/api/uploads/"

// Uploads say where files are kept that clients upload, and how many how long. The zero value takes none.
type Uploads struct {
	// Dir is the folder for their bytes, made if it isn't there. It belongs to one server. Empty means that files aren't
	// taken.
	Dir string
	// FS is used instead of Dir unless it is nil. The Server closes it.
	FS uploads.FS
	// MaxBytes bounds one file. Defaults to 4 GiB.
	MaxBytes int64
	// QuotaBytes bounds what one user's uploads take: what is stored, and what those under way announced. Defaults to 16
	// GiB.
	QuotaBytes int64
	// QuotaCount bounds a user's uploads that no message has attached. Defaults to 1000.
	QuotaCount int
	// OpenTTL is how long an unfinished upload is kept after its last progress. Defaults to 168h (7 days).
	OpenTTL time.Duration
	// UnpostedTTL is how long a finished one is kept that no message has attached: a message waits at most that long in a
	// client's queue for a network. Defaults to 168h (7 days).
	UnpostedTTL time.Duration
}

func (u Uploads) on() bool { return u.Dir != "" || u.FS != nil }

func (u Uploads) withDefaults() Uploads {
	if u.MaxBytes <= 0 {
		u.MaxBytes = 4 << 30
	}
	if u.QuotaBytes <= 0 {
		u.QuotaBytes = 16 << 30
	}
	orInt(&u.QuotaCount, 1000)
	orDuration(&u.OpenTTL, 7*24*time.Hour)
	orDuration(&u.UnpostedTTL, 7*24*time.Hour)
	return u
}

// newUploads makes the part that takes files, if it is on.
func (s *Server) newUploads() error {
	cfg := s.cfg.Uploads
	if !cfg.on() {
		return nil
	}
	fs := cfg.FS
	if fs == nil {
		var err error
		if fs, err = uploads.OpenFolder(cfg.Dir); err != nil {
			return fmt.Errorf("open folder for uploads: %w", err)
		}
	}
	var err error
	s.uploads, err = uploads.New(uploads.Options{
		FS: fs, Store: s.cfg.Store, Base: uploadsPath, MaxBytes: cfg.MaxBytes,
		Quota: uploads.Quota{Bytes: cfg.QuotaBytes, Count: cfg.QuotaCount}, OpenTTL: cfg.OpenTTL, UnpostedTTL: cfg.UnpostedTTL,
		Log: s.log,
		Unavailable: func(err error) bool {
			return errors.Is(s.noteStore(err), ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
		},
		Refuse: func(w http.ResponseWriter, code, detail string) {
			if code == wire.CodeUnavailable || code == wire.CodeDiskFull {
				writeProblem(w, problemLater(code, detail, unavailableRetry))
				return
			}
			writeProblem(w, problem(code, detail))
		},
		Count: func(what string, n int64) {
			if what == "bytes" {
				s.metrics.received.Add(float64(n))
				return
			}
			s.metrics.uploads.WithLabelValues(what).Add(float64(n))
		},
	})
	return err
}

// serveUploads answers all that is about uploads. They have deadlines of their own, which move with progress.
func (s *Server) serveUploads(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	defer func() { s.metrics.request("uploads", rec.status, time.Since(start)) }()
	if !s.checkOrigin(w, r) {
		writeProblem(rec, problem(wire.CodeForbidden, "origin not allowed"))
		return
	}
	switch {
	case s.uploads == nil:
		writeProblem(rec, problem(wire.CodeNotFound, "this server takes no uploads"))
	case r.Method == http.MethodOptions:
		s.uploads.Discover(rec)
	default:
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(start.Add(requestTimeout)) // not every ResponseWriter can
		_ = rc.SetWriteDeadline(start.Add(2 * requestTimeout))
		s.signedIn(func(w http.ResponseWriter, r *http.Request, who identity) { s.uploads.Serve(w, r, who.user) })(rec, r)
		_ = rc.SetWriteDeadline(time.Time{}) // the connection goes on
	}
}

// stopUploads has the requests that bring bytes end, with what they brought.
func (s *Server) stopUploads() {
	if s.uploads != nil {
		s.uploads.Stop()
	}
}

// closeUploads gives the folder back, when nothing uses it any more.
func (s *Server) closeUploads() error {
	if s.uploads == nil {
		return nil
	}
	time.Sleep(2 * uploads.Grace) // goroutines of tusd
	return s.uploads.Close()
}

const (
	// uploadHeaders may be sent by pages, exposedUploadHeaders be read.
	uploadHeaders = "Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, Upload-Defer-Length, " +
		"Repr-Digest, Upload-Concat, X-HTTP-Method-Override, Range, If-Range"
	exposedUploadHeaders = "Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, " +
		"Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Upload-Defer-Length, Upload-Concat, " +
		wire.HeaderUploadSHA256 + ", Content-Range, Content-Disposition, Repr-Digest"
	// statusChecksumMismatch is of tus: the chunk was damaged on its way.
	statusChecksumMismatch = 460
)

// uploadStatusOf gives the codes about uploads their HTTP status.
func uploadStatusOf(code string) int {
	switch code {
	case wire.CodeTusVersion:
		return http.StatusPreconditionFailed
	case wire.CodeMediaType:
		return http.StatusUnsupportedMediaType
	case wire.CodeOffsetMismatch, wire.CodeUploadUnfinished, wire.CodeUploadPosted:
		return http.StatusConflict
	case wire.CodeUploadLocked:
		return http.StatusLocked
	case wire.CodeUploadExpired:
		return http.StatusGone
	case wire.CodeChecksumMismatch:
		return statusChecksumMismatch
	case wire.CodeDigestMismatch, wire.CodeAttachmentUnusable:
		return http.StatusUnprocessableEntity
	case wire.CodeDiskFull:
		return http.StatusInsufficientStorage
	case wire.CodeRange:
		return http.StatusRequestedRangeNotSatisfiable
	default:
		return http.StatusInternalServerError
	}
}

// attach looks up the uploads that an entry's attachments name, and fills in what its sender left out. Whether they may
// be used is the store's to say, with the message: here they only have to fit. An error means that nobody knows.
func (s *Server) attach(who identity, e *Entry) (*wire.Problem, error) {
	if e.Attachments == nil {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(e.Attachments, &list); err != nil {
		return e.refuse(problem(wire.CodeBadRequest, "attachments is a list of objects")), nil
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	for _, a := range list {
		id, bad := wire.UploadOf(a)
		switch {
		case bad != nil:
			return e.refuse(misfit(bad)), nil
		case id == "":
			continue // the application's own
		}
		u, err := s.cfg.Store.Upload(ctx, id)
		if err != nil && !errors.Is(err, uploads.ErrNotFound) {
			return nil, s.noteRead(err)
		}
		e.Uploads = append(e.Uploads, id)
		if err == nil && u.User == who.user && u.State == uploads.Finished && !fill(a, u) {
			return e.refuse(problem(wire.CodeAttachmentUnusable, "size or sha256 isn't that of the upload")), nil
		}
	}
	if e.Uploads == nil {
		return nil, nil
	}
	full, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	e.Attachments = full
	return nil, nil
}

func (e *Entry) refuse(p *wire.Problem) *wire.Problem {
	e.Refused = true
	return p
}

// fill adds to an attachment what the server knows of its upload; false if the sender says otherwise.
func fill(a map[string]json.RawMessage, u uploads.Upload) bool {
	for name, value := range map[string]any{"size": u.Length, "sha256": u.SHA256, "name": uploads.Name(u), "type": uploads.Type(u)} {
		known, err := json.Marshal(value)
		given, ok := a[name]
		switch {
		case err != nil:
			return false
		case ok && (name == "size" || name == "sha256"):
			if !strings.EqualFold(string(given), string(known)) {
				return false
			}
			a[name] = known
		case !ok && value != "":
			a[name] = known
		}
	}
	return true
}
