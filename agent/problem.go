package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

// Codes of problems. They are stable.
const (
	codeUnauthorized  = "unauthorized"
	codeForeignHost   = "foreign_host"
	codeForeignOrigin = "foreign_origin"
	codeBadRequest    = "bad_request"
	codeMethod        = "method_not_allowed"
	codeNotFound      = "not_found"
	codeConflict      = "conflict"
	codeTooLarge      = "too_large"
	codeFull          = "full"
	codeOffline       = "offline"
	codeBusy          = "busy"
	codeFailed        = "failed"
)

// Problem is an answer of the agent that isn't the one asked for, as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"` // stable, for programs
	Detail string `json:"detail"`
}

// Error gives code and detail.
func (p *Problem) Error() string { return fmt.Sprintf("agent: %s: %s", p.Code, p.Detail) }

// Answer makes the problem the answer to a request. Type and Title are filled in.
func (p *Problem) Answer(w http.ResponseWriter) {
	out := *p
	out.Type, out.Title = "about:blank", http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(out) // nobody is left to tell
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	(&Problem{Status: status, Code: code, Detail: detail}).Answer(w)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // nobody is left to tell
}

// refuseFor says what an error of the client means to who asked.
func refuseFor(w http.ResponseWriter, err error) {
	var entry *outbox.InvalidError
	var file *upload.InvalidError
	var tooLarge *http.MaxBytesError
	status, code := http.StatusInternalServerError, codeFailed
	switch {
	case errors.As(err, &entry), errors.As(err, &file):
		status, code = http.StatusBadRequest, codeBadRequest
	case errors.As(err, &tooLarge):
		status, code = http.StatusRequestEntityTooLarge, codeTooLarge
	case errors.Is(err, outbox.ErrNotFound):
		status, code = http.StatusNotFound, codeNotFound
	case errors.Is(err, outbox.ErrNotQueued), errors.Is(err, outbox.ErrNotParked):
		status, code = http.StatusConflict, codeConflict
	case errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrDisk), errors.Is(err, upload.ErrFull), errors.Is(err, upload.ErrDisk), errors.Is(err, errSpoolFull):
		status, code = http.StatusInsufficientStorage, codeFull
	case errors.Is(err, inbox.ErrOffline):
		status, code = http.StatusServiceUnavailable, codeOffline
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		status, code = http.StatusServiceUnavailable, codeBusy
	}
	refuse(w, status, code, err.Error())
}
