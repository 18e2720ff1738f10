package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// unavailableRetry is what clients are asked to wait when the store or the server can't.
const unavailableRetry = 2 * time.Second

// statuses gives each code of a problem its HTTP status.
func statusOf(code string) int {
	switch code {
	case wire.CodeBadRequest, wire.CodeInvalidChannel:
		return http.StatusBadRequest
	case wire.CodeUnauthorized, wire.CodeTokenExpired, wire.CodeBadCredentials, wire.CodeInvalidGrant:
		return http.StatusUnauthorized
	case wire.CodeForbidden:
		return http.StatusForbidden
	case wire.CodeNotFound:
		return http.StatusNotFound
	case wire.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case wire.CodeChannelExists, wire.CodeIDReused, wire.CodeSeqGap:
		return http.StatusConflict
	case wire.CodeTooLarge, wire.CodeQuotaExceeded:
		return http.StatusRequestEntityTooLarge
	case wire.CodeRateLimited, wire.CodeTooManyConns:
		return http.StatusTooManyRequests
	case wire.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return uploadStatusOf(code)
	}
}

func problem(code, detail string) *wire.Problem {
	status := statusOf(code)
	title := http.StatusText(status)
	if status == statusChecksumMismatch {
		title = "Checksum Mismatch"
	}
	return &wire.Problem{Title: title, Status: status, Code: code, Detail: detail}
}

func problemLater(code, detail string, wait time.Duration) *wire.Problem {
	p := problem(code, detail)
	p.RetryAfterMS = max(wait.Milliseconds(), 1)
	return p
}

// problemOf turns an error of the store or of authentication into what the client is told. Unknown ones are internal:
// their text may hold anything and stays in the log.
func problemOf(err error) *wire.Problem {
	var gap *SeqGapError
	switch {
	case errors.As(err, &gap):
		p := problem(wire.CodeSeqGap, "deviceSeq isn't the next one")
		p.Expected = gap.Expected
		return p
	case errors.Is(err, ErrNotMember):
		return problem(wire.CodeForbidden, "not a member of the channel")
	case errors.Is(err, ErrUploadUnusable):
		return problem(wire.CodeAttachmentUnusable, "an attachment isn't a finished upload of yours")
	case errors.Is(err, ErrIDReused):
		return problem(wire.CodeIDReused, "the id was used for another message")
	case errors.Is(err, errTokenExpired):
		return problem(wire.CodeTokenExpired, "access token expired")
	case errors.Is(err, errTokenInvalid), errors.Is(err, errSessionOver):
		return problem(wire.CodeUnauthorized, "access token invalid, or its session is over")
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problemLater(wire.CodeUnavailable, "try again later", unavailableRetry)
	default:
		return problem(wire.CodeInternal, "")
	}
}

func writeProblem(w http.ResponseWriter, p *wire.Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.RetryAfterMS > 0 {
		h.Set("Retry-After", strconv.FormatInt((p.RetryAfterMS+999)/1000, 10))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="chatsdk"`)
	}
	writeBody(w, p.Status, p)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	writeBody(w, status, v)
}

func writeBody(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // our own types; a stored attachment that isn't JSON would get here
		status, body = http.StatusInternalServerError, []byte(`{"title":"Internal Server Error","status":500,"code":"internal"}`)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
