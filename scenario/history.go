package scenario

import (
	"sync"
	"time"
)

// Kind says what happened. The words are those of the command line's `chat --json` where it has one.
type Kind string

const (
	// KindStarted begins one run of a client: one life of its reader. Begin says where it reads from.
	KindStarted Kind = "started"
	// KindStopped ends a run; Clean says whether in order. A run that another follows without it was killed.
	KindStopped Kind = "stopped"
	// KindOffered is recorded before a message is handed to Send: from here on it may be sent, promise or not.
	KindOffered Kind = "offered"
	// KindAccepted is the client's promise: Send returned without an error.
	KindAccepted Kind = "accepted"
	// KindAcked is the client's word that the server has stored the message under Seq.
	KindAcked Kind = "acked"
	// KindParked is the client's word that the message was refused for good.
	KindParked Kind = "parked"
	// KindCancelled is the client's word that the message was taken back in time.
	KindCancelled Kind = "cancelled"
	// KindExpired is the client's word that the message was given up for its age.
	KindExpired Kind = "expired"
	// KindShown is a message that the application was given.
	KindShown Kind = "shown"
	// KindSynced is the client's word that it has caught up with a channel.
	KindSynced Kind = "synced"
	// KindState is a change of the connection: From, To, Reason.
	KindState Kind = "state"
	// KindFaultBegan and KindFaultEnded frame the fault Name; Client limits it to one client.
	KindFaultBegan Kind = "fault-began"
	// KindFaultEnded is the end of the oldest open fault of that Name and Client.
	KindFaultEnded Kind = "fault-ended"
	// KindStored is one row of the server's table, each row once in a history, read after the last message.
	KindStored Kind = "stored"
)

// known says whether k is one of ours.
func (k Kind) known() bool {
	switch k {
	case KindStarted, KindStopped, KindOffered, KindAccepted, KindAcked, KindParked, KindCancelled, KindExpired,
		KindShown, KindSynced, KindState, KindFaultBegan, KindFaultEnded, KindStored:
		return true
	}
	return false
}

// Begin is where a run starts to read a channel.
type Begin string

const (
	// BeginProcessed goes on after the last message that the application took; the default.
	BeginProcessed Begin = "processed"
	// BeginStart reads everything again from the first message.
	BeginStart Begin = "start"
	// BeginNow leaves out what was there before.
	BeginNow Begin = "now"
)

// Event is one thing that happened. Which fields mean something depends on the Kind; the rest is zero.
type Event struct {
	At      time.Time `json:"t"`
	Kind    Kind      `json:"event"`
	Client  string    `json:"client,omitempty"` // one device and its store, across its runs; "" for the server
	Run     int       `json:"run,omitempty"`    // 1 for the client's first run
	Channel string    `json:"channel,omitempty"`
	ID      string    `json:"id,omitempty"` // of a message; never used for two messages in one history
	Seq     uint64    `json:"seq,omitempty"`
	User    string    `json:"user,omitempty"` // shown, stored: the sender. accepted: "" means the client's user
	Text    string    `json:"text,omitempty"`
	NoText  bool      `json:"noText,omitempty"` // accepted, offered: the text isn't known here

	Volatile  bool   `json:"volatile,omitempty"`  // accepted: the promise ends with the run
	Replay    bool   `json:"replay,omitempty"`    // shown: marked as perhaps shown before
	Device    string `json:"device,omitempty"`    // stored
	DeviceSeq uint64 `json:"deviceSeq,omitempty"` // stored; 0 if no order was asked for

	Begin  Begin  `json:"begin,omitempty"`  // started; "" means CheckOptions.Begin
	Clean  bool   `json:"clean,omitempty"`  // stopped
	From   string `json:"from,omitempty"`   // state
	To     string `json:"to,omitempty"`     // state
	Reason string `json:"reason,omitempty"` // state, parked, cancelled, expired
	Name   string `json:"name,omitempty"`   // fault
}

// History is the record of one run of a world: what every client was asked, promised and showed, what the network
// did, and what the server's table holds in the end. Check judges it.
//
// The order of recording counts, and is what Check goes by: record an offer before Send is called, an acceptance
// after it returned, a shown message in the order in which the application got it. At is for people and for Timings.
// The zero value is empty and ready. All methods may be called concurrently.
type History struct {
	mu     sync.Mutex // guards what follows
	events []Event    // only ever appended to, so that a prefix may be read without the lock
	runs   map[string]int
}

// Record appends e; a zero At becomes the present time.
func (h *History) Record(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.At.IsZero() {
		e.At = time.Now()
	}
	h.events = append(h.events, e)
	h.noteRunLocked(e)
}

// noteRunLocked keeps StartRun's numbers beyond those that were recorded by hand or read from a file.
func (h *History) noteRunLocked(e Event) {
	if e.Run <= h.runs[e.Client] {
		return
	}
	if h.runs == nil {
		h.runs = map[string]int{}
	}
	h.runs[e.Client] = e.Run
}

// Events returns a copy of all events in the order of recording.
func (h *History) Events() []Event {
	return append([]Event(nil), h.view()...)
}

// Since returns a copy of the events after the first n.
func (h *History) Since(n int) []Event {
	all := h.view()
	return append([]Event(nil), all[min(n, len(all)):]...)
}

// Len is the number of events.
func (h *History) Len() int { return len(h.view()) }

// view returns the events without copying them. The caller must not change them.
func (h *History) view() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[:len(h.events):len(h.events)]
}

// FaultBegan records that the fault begins, for the named clients or, without any, for everybody.
func (h *History) FaultBegan(name string, clients ...string) {
	h.fault(KindFaultBegan, name, clients)
}

// FaultEnded records the end of a fault that began with the same name and clients. A fault of an instant, such as a
// reset, needs none.
func (h *History) FaultEnded(name string, clients ...string) {
	h.fault(KindFaultEnded, name, clients)
}

func (h *History) fault(kind Kind, name string, clients []string) {
	at := time.Now()
	if len(clients) == 0 {
		clients = []string{""}
	}
	for _, client := range clients {
		h.Record(Event{At: at, Kind: kind, Name: name, Client: client})
	}
}

// Row is one message of the server's table.
type Row struct {
	Channel, ID  string
	Seq          uint64
	User, Device string
	DeviceSeq    uint64 // 0 if the message was sent without
	Text         string
}

// Stored records one row of the server's table. Record the whole table once, when nothing is sent any more: a row
// recorded twice counts as stored twice.
func (h *History) Stored(r Row) {
	h.Record(Event{
		Kind: KindStored, Channel: r.Channel, ID: r.ID, Seq: r.Seq, User: r.User, Text: r.Text,
		Device: r.Device, DeviceSeq: r.DeviceSeq,
	})
}
