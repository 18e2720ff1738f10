package outbox

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Need is something outside of the queue that an entry waits for, such as a file's upload.
type Need struct {
	Name   string          // what Resolve and Fail are told
	Result json.RawMessage // JSON that goes into the attachments once all needs have one; nil until then
}

// Entry is one message on its way out. Entries are handed out by value and belong to the caller.
type Entry struct {
	ID          string // UUID in lower case; made once and never changed
	Account     string // whose it is; "" until somebody is known, see Queue.SetAccount
	Channel     string
	Text        string
	Attachments json.RawMessage // JSON list, or nil
	After       []string        // ids of entries that have to be sent before; those that are sent are taken out
	Needs       []Need          // waited for before it is sent; each result is appended to Attachments
	ExpiresIn   time.Duration   // how long it is of use while it is queued; 0: Options.Expiry, below 0: for ever; see there

	State     State
	Version   uint64    // rises with each change of its content; see Edit
	Order     uint64    // place in the queue, over all channels; rises with each Enqueue
	DeviceSeq uint64    // number in its channel, 0 until the first transmission
	Seq       uint64    // number that the server gave it in the channel, 0 until sent
	Attempt   int       // transmissions so far in this process
	Err       string    // why it was parked, or why the last attempt failed; "" if nothing did
	CreatedAt time.Time // when it was queued, by this machine's clock
	ExpiresAt time.Time // by this machine's clock, moved along when that clock is set; zero: never
	SentAt    time.Time // when the server stored it, by its clock; by ours if only the stream told
	Blocked   Blocked   // what it waits for while it is queued; told by Queue, never stored
}

// clone returns a copy that shares no memory which either side could change.
func (e Entry) clone() Entry {
	e.Attachments = bytes.Clone(e.Attachments)
	e.After = slices.Clone(e.After)
	e.Needs = slices.Clone(e.Needs) // a result is replaced, never written into
	return e
}

// Lane names an order of its own: one account's messages in one channel. It is what the server counts DeviceSeq for.
type Lane struct{ Account, Channel string }

// Lane returns the entry's.
func (e *Entry) Lane() Lane { return Lane{e.Account, e.Channel} }

// Blocked is what a queued entry waits for.
type Blocked string

// What an entry can wait for. "" is nothing: it is about to be sent.
const (
	BlockedNetwork    Blocked = "network"    // there is no connection
	BlockedEarlier    Blocked = "earlier"    // another entry of its channel goes first, or was refused and holds the channel
	BlockedDependency Blocked = "dependency" // an entry of After isn't sent, or a need has no result
	BlockedRate       Blocked = "rate"       // the pace, or the server asked to wait
	BlockedAuth       Blocked = "auth"       // nobody is signed in, or it belongs to an account that isn't the present one
	BlockedPaused     Blocked = "paused"     // Pause
	BlockedDisk       Blocked = "disk"       // the store can't write
)

// Reasons of a Change that the queue gives by itself. A parked entry's reason is the refusal's code.
const (
	ReasonPresent    = "present"    // not a change: the entry was open when Watch was called
	ReasonEnqueued   = "enqueued"   // the entry is new
	ReasonEdited     = "edited"     // its content changed while it was queued
	ReasonAdopted    = "adopted"    // it belongs to an account now
	ReasonTransmit   = "transmit"   // first transmission
	ReasonReply      = "reply"      // the reply to a transmission settled it
	ReasonStream     = "stream"     // it was seen on the stream
	ReasonCancelled  = "cancelled"  // the application took it back
	ReasonDiscarded  = "discarded"  // the application gave a parked entry up
	ReasonRetry      = "retry"      // the application wants a parked entry sent after all
	ReasonExpired    = "expired"    // its time was over before it was sent
	ReasonDependency = "dependency" // what it depended on can't come any more
	ReasonPoison     = "poison"     // sending it panicked again and again
	ReasonSkipped    = "skipped"    // it was refused, and the refusal lost: the server has later ones of its channel
)

// Change says that an entry moved. From equals To for an entry that is new, was there before Watch, or has new content.
type Change struct {
	Entry    Entry
	From, To State
	Reason   string
}
