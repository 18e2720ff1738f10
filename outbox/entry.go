package outbox

import (
	"bytes"
	"encoding/json"
	"time"
)

// State is where an entry is on its way. The zero value is Queued.
type State int

// States of an entry. Queued and Sending are open, the others are settled and final.
const (
	Queued    State = iota // never transmitted; can be cancelled
	Sending                // transmitted at least once, outcome not known
	Sent                   // stored by the server
	Parked                 // refused for good, or impossible to send; kept for the user to see
	Cancelled              // taken back while it was queued
	Expired                // too old to be of use
)

// String returns the state's word in lower case.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Sending:
		return "sending"
	case Sent:
		return "sent"
	case Parked:
		return "parked"
	case Cancelled:
		return "cancelled"
	case Expired:
		return "expired"
	}
	return "unknown"
}

// Settled says whether the state is final.
func (s State) Settled() bool { return s != Queued && s != Sending }

// Entry is one message on its way out. Entries are handed out by value and belong to the caller.
type Entry struct {
	ID          string // UUID in lower case; made once and never changed
	Channel     string
	Text        string
	Attachments json.RawMessage // or nil
	State       State
	Order       uint64    // place in the queue, over all channels; rises with each Enqueue
	DeviceSeq   uint64    // number in its channel, 0 until the first transmission
	Seq         uint64    // number that the server gave it in the channel, 0 until sent
	Attempt     int       // transmissions so far in this process
	Err         string    // why it was parked, or why the last attempt failed; "" if nothing did
	CreatedAt   time.Time // when it was queued, by this machine's clock
	SentAt      time.Time // when the server stored it, by its clock; by ours if only the stream told
}

// clone returns a copy that shares no memory which either side could change.
func (e Entry) clone() Entry {
	e.Attachments = bytes.Clone(e.Attachments)
	return e
}

// Reasons of a Change that the queue gives by itself. A parked entry's reason is the refusal's code.
const (
	ReasonPresent   = "present"   // not a change: the entry was open when Watch was called
	ReasonEnqueued  = "enqueued"  // the entry is new
	ReasonTransmit  = "transmit"  // first transmission
	ReasonReply     = "reply"     // the reply to a transmission settled it
	ReasonStream    = "stream"    // it was seen on the stream
	ReasonCancelled = "cancelled" // the application took it back
	ReasonPoison    = "poison"    // sending it panicked again and again
	ReasonSkipped   = "skipped"   // the server counts past its number without having stored it, and has later ones
)

// Change says that an entry moved. From equals To for an entry that is new or was there before Watch.
type Change struct {
	Entry    Entry
	From, To State
	Reason   string
}
