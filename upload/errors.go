package upload

import (
	"errors"
	"fmt"
	"net"
)

// Conditions that callers branch on.
var (
	ErrNotFound   = errors.New("upload: no such upload")
	ErrSettled    = errors.New("upload: it is over; nothing to pause, resume or cancel")
	ErrNotSettled = errors.New("upload: it is still on its way; cancel it first")
	ErrNotFailed  = errors.New("upload: it hasn't failed; nothing to retry")
	ErrFull       = errors.New("upload: too many uploads; wait until some are done, or remove some")
	ErrNotStarted = errors.New("upload: not started")

	// ErrSourceChanged is matched by the error of an upload whose file is no longer the one that was added.
	ErrSourceChanged = errors.New("upload: the file changed meanwhile; add it again")

	// ErrDisk is what a store's error matches when it can't write: the disk is full or read-only. What is queued stays,
	// and goes on by itself once there is room.
	ErrDisk = errors.New("upload: can't write to disk; free some space or check its permissions")

	// ErrClosed matches net.ErrClosed too.
	ErrClosed error = closedError{}
)

type closedError struct{}

func (closedError) Error() string        { return "upload: closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// InvalidError says that a request can never be uploaded as it is. Nothing was added.
type InvalidError struct {
	Field  string // "id", "path", "name", "contentType" or "label"
	Reason string
}

// Error names the field and what is wrong with it.
func (e *InvalidError) Error() string { return "upload: invalid " + e.Field + ": " + e.Reason }

// Code is the stable name of why an upload failed.
type Code string

// Codes of failed uploads.
const (
	CodeSourceChanged Code = "source_changed" // the file is no longer the one that was added
	CodeSourceMissing Code = "source_missing" // the file is gone or can't be read
	CodeTooLarge      Code = "too_large"      // the server takes no file, or not even the smallest chunk, of this size
	CodeForbidden     Code = "forbidden"      // 403 with a fresh token too
	CodeRefused       Code = "refused"        // another 4xx: the server won't take it as it is
	CodeProtocol      Code = "protocol"       // the server doesn't speak tus 1.0, or contradicts itself
	CodeChecksum      Code = "checksum"       // chunks arrive damaged again and again (460)
	CodeCorrupt       Code = "corrupt"        // the server's copy has another SHA-256 than the file
	CodeLocation      Code = "location"       // the server sent us to an address that isn't allowed
	CodeRestarts      Code = "restarts"       // it began anew too often
)

// FailedError is why an upload failed. It matches ErrSourceChanged for CodeSourceChanged, and what Err matches.
type FailedError struct {
	Code   Code
	Status int // of the HTTP reply; 0 if it was none
	Reason string
	Err    error // or nil
}

// Error names code and reason.
func (e *FailedError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("upload: %s (status %d): %s", e.Code, e.Status, e.Reason)
	}
	return fmt.Sprintf("upload: %s: %s", e.Code, e.Reason)
}

// Is matches ErrSourceChanged for its code.
func (e *FailedError) Is(target error) bool {
	return target == ErrSourceChanged && e.Code == CodeSourceChanged
}

// Unwrap returns Err.
func (e *FailedError) Unwrap() error { return e.Err }
