package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Message is a message of a channel.
type Message struct {
	Channel     string
	Seq         uint64 // 1, 2, 3, … in its channel
	ID          string // made by the sender
	User        string
	Text        string
	Attachments json.RawMessage // or nil
	Time        time.Time       // when the server stored it
	Replay      bool            // may have been shown before an unclean stop
}

// From says where a reader starts. The zero value is Processed.
type From int

// Where a reader starts.
const (
	Processed From = iota // after the last message that this store's application processed
	Start                 // at the channel's first message
	Now                   // after the newest message that the server has when the channel is joined
)

// String returns the word in lower case.
func (f From) String() string {
	switch f {
	case Processed:
		return "processed"
	case Start:
		return "start"
	case Now:
		return "now"
	}
	return fmt.Sprintf("From(%d)", int(f))
}

// Snapshot is a channel's state at one moment.
type Snapshot struct {
	Top       uint64 // everything up to here was received, counted from where the channel began to be followed
	Target    uint64 // the newest that the server is known to have
	Processed uint64 // the newest that the application processed
	Synced    bool   // Top has reached what the server had when the channel was last (re)joined
}

// Change says that a channel caught up or fell behind.
type Change struct {
	Channel string
	Synced  bool
	Top     uint64
	Err     error // ErrRewound, or nil
}

// mergeChanges makes one change of two of a channel.
func mergeChanges(older, newer Change) Change {
	if newer.Err == nil {
		newer.Err = older.Err
	}
	return newer
}

var (
	// ErrClosed is returned by calls on a closed inbox. It matches net.ErrClosed too.
	ErrClosed = fmt.Errorf("inbox: closed: %w", net.ErrClosed)

	// ErrRewound says that the server has fewer messages than were received from it: it was restored from a backup,
	// or the channel was made anew. Reading goes on with what it has from now on.
	ErrRewound = errors.New("inbox: the server lost messages that were already received")
)
