package upload

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// step is what a request is for.
type step int

const (
	stepOptions step = iota
	stepCreate
	stepHead
	stepPatch
	stepDrop
)

// kind is what has to be done about a step's outcome.
type kind int

const (
	kindOK       kind = iota // as it should be
	kindStop                 // this run isn't wanted any more
	kindKicked               // the network changed: again at once
	kindNetwork              // no answer
	kindStrange              // an answer that no tus server gives: a portal, or a proxy in between
	kindServer               // the server wants time
	kindLocked               // 423
	kindAuth                 // no token, or it is refused
	kindLost                 // the server has no such copy any more
	kindConflict             // the server has another offset
	kindSmaller              // 413 for a chunk
	kindChecksum             // 460
	kindChanged              // the file changed
	kindFatal                // for good
)

// verdict is how a step ended.
type verdict struct {
	kind   kind
	code   Code
	status int
	err    error
	wait   time.Duration // that the server asked for
	offset int64         // that the server told; -1 if it didn't
}

func (v verdict) failure() *FailedError {
	reason := "no reason given"
	if v.err != nil {
		reason = v.err.Error()
	}
	return &FailedError{Code: v.code, Status: v.status, Reason: reason, Err: v.err}
}

// errNotWanted ends a run that the owner wants no more.
var errNotWanted = errors.New("no longer wanted")

// judgeError is the verdict on a call that got no answer, or on what went wrong around it.
func judgeError(err error) verdict {
	var token *tokenError
	var failed *FailedError
	v := verdict{kind: kindNetwork, err: err, offset: -1}
	switch {
	case errors.Is(err, errNotWanted) || errors.Is(err, ErrClosed):
		v.kind = kindStop
	case errors.Is(err, errKicked):
		v.kind = kindKicked
	case errors.As(err, &failed):
		v.kind, v.code, v.status = kindFatal, failed.Code, failed.Status
	case errors.Is(err, errLocation):
		v.kind, v.code = kindFatal, CodeLocation
	case errors.Is(err, errChanged):
		v.kind = kindChanged
	case errors.As(err, &token):
		v.kind = kindAuth
	case isFile(err):
		v.kind, v.code = kindFatal, CodeSourceMissing
	case errors.Is(err, context.Canceled) && !errors.Is(err, errStalled):
		v.kind = kindNetwork
	}
	return v
}

// isFile says whether an error comes from reading the file.
func isFile(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path)
}

// judge is the verdict on an answer. limit bounds what a server may ask us to wait.
func judge(s step, r reply, limit time.Duration) verdict {
	v := verdict{status: r.status, offset: -1}
	if r.reason != "" {
		v.err = errors.New(strings.TrimSpace(r.reason))
	} else if r.status >= 300 {
		v.err = errors.New(http.StatusText(r.status))
	}
	if r.status >= 200 && r.status < 300 {
		v.kind = judgeSuccess(s, r)
		return v
	}
	tus := r.header.Get("Tus-Resumable") != ""
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		v.kind, v.code = kindAuth, CodeForbidden
		if !tus && r.status == http.StatusForbidden { // portals and firewalls say so; a token was renewed for it already
			v.kind = kindStrange
		}
	case http.StatusNotFound, http.StatusGone:
		v.kind, v.code = kindLost, CodeRefused
		if !tus && r.status == http.StatusNotFound { // what stands before a server that starts says so too; nobody says 410 so
			v.kind = kindStrange
		}
		if s == stepCreate && v.kind == kindLost {
			v.kind = kindFatal
		}
	case http.StatusConflict:
		v.kind, v.offset = kindConflict, number(r.header, "Upload-Offset")
		if s == stepCreate {
			v.kind = kindLost // the key stands for another file
		}
	case http.StatusLocked:
		v.kind = kindLocked
		if planted == bugLockedFails {
			v.kind = kindServer
		}
	case 460: // tus, Checksum extension
		v.kind, v.code = kindChecksum, CodeChecksum
	case http.StatusRequestEntityTooLarge:
		v.kind, v.code = kindSmaller, CodeTooLarge
		if s != stepPatch {
			v.kind = kindFatal
		}
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		v.kind, v.wait = kindServer, retryAfter(r.header, limit)
	case http.StatusPreconditionFailed:
		v.kind, v.code = kindFatal, CodeProtocol
	default:
		v.kind, v.code = kindFatal, CodeRefused
		switch {
		case r.status >= 500:
			v.kind, v.wait = kindServer, retryAfter(r.header, limit)
		case r.status < 400:
			if v.kind, v.code, v.err = kindStrange, CodeLocation, errLocation; tus {
				v.kind = kindFatal
			}
		}
	}
	return v
}

// judgeSuccess looks at a 2xx: a portal answers so too.
func judgeSuccess(s step, r reply) kind {
	ok := true
	switch s {
	case stepOptions:
	case stepDrop:
		ok = r.status == http.StatusNoContent || r.header.Get("Tus-Resumable") != ""
	case stepCreate:
		ok = r.header.Get("Location") != ""
	case stepHead, stepPatch:
		ok = number(r.header, "Upload-Offset") >= 0
	}
	if !ok {
		return kindStrange
	}
	return kindOK
}
