package outbox

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Conditions that callers branch on.
var (
	ErrFull       = errors.New("outbox: full") // matched by every *FullError
	ErrNotFound   = errors.New("outbox: no such entry")
	ErrNotQueued  = errors.New("outbox: entry is no longer queued") // too late to cancel or to edit
	ErrNotParked  = errors.New("outbox: entry isn't parked")        // nothing to retry or to discard
	ErrChanged    = errors.New("outbox: entry was changed meanwhile; look at it and edit again")
	ErrNotStarted = errors.New("outbox: not started")

	// ErrDisk is what a store's error matches when it can't write: the disk is full or read-only. Nothing was queued;
	// what is queued stays, and goes on by itself once there is room.
	ErrDisk = errors.New("outbox: can't write to disk; free some space or check its permissions")

	// ErrClosed matches net.ErrClosed too.
	ErrClosed error = closedError{}
)

type closedError struct{}

func (closedError) Error() string        { return "outbox: closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// FullError says which limit was reached. It matches ErrFull. Trying again helps once something was sent.
type FullError struct {
	Channel             string // whose limit it is; "" is the whole queue's
	Entries, MaxEntries int
	Bytes, MaxBytes     int64
}

// Error names the limit.
func (e *FullError) Error() string {
	what := "full"
	if e.Channel != "" {
		what = "full for channel " + e.Channel
	}
	return fmt.Sprintf("outbox: %s: %d of %d entries, %d of %d bytes; wait until some are sent, discard parked ones, or raise the limit",
		what, e.Entries, e.MaxEntries, e.Bytes, e.MaxBytes)
}

// Is matches ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// InvalidError says that an entry can never be sent as it is. Nothing was queued.
type InvalidError struct {
	Field  string // "id", "channel", "text", "attachments", "after", "needs", "expiry" or "entry"
	Reason string
}

// Error names the field and what is wrong with it.
func (e *InvalidError) Error() string { return "outbox: invalid " + e.Field + ": " + e.Reason }

// Refusal is a server's answer that it doesn't take an entry.
type Refusal struct {
	Code       string        // stable code; CodeSeqGap is the one that the queue knows
	Permanent  bool          // the same entry will never be taken; its number is used up
	RetryAfter time.Duration // not before; 0: the queue's own backoff
	Expected   uint64        // CodeSeqGap: the DeviceSeq that the server waits for
}

// CodeSeqGap is the code of a refusal because DeviceSeq isn't the next one.
const CodeSeqGap = "seq_gap"

// Error names the code.
func (e *Refusal) Error() string { return "outbox: refused: " + e.Code }

// Retryable says whether sending the same entry again is worth it.
func (e *Refusal) Retryable() bool { return !e.Permanent }
