package scenario

// Run records what one run of a client does. A run is one life of the client's reader: a process, or a Client that
// was opened on its store; within it no message may be shown twice. Its methods may be called concurrently.
type Run struct {
	h      *History
	client string
	n      int
}

// StartRun records that a client starts, as its first run or again on the same store, and where it reads from.
// A client that is given another store (or one restored from a backup) is another client: give it another name.
func (h *History) StartRun(client string, begin Begin) *Run {
	h.mu.Lock()
	n := h.runs[client] + 1
	h.noteRunLocked(Event{Client: client, Run: n}) // so that two calls at once get two numbers
	h.mu.Unlock()
	r := &Run{h: h, client: client, n: n}
	r.record(Event{Kind: KindStarted, Begin: begin})
	return r
}

// Number is 1 for the client's first run.
func (r *Run) Number() int { return r.n }

// Client is the name that StartRun was given.
func (r *Run) Client() string { return r.client }

func (r *Run) record(e Event) {
	e.Client, e.Run = r.client, r.n
	r.h.Record(e)
}

// Stopped records the end of the run: clean if the client was closed in order, else killed.
func (r *Run) Stopped(clean bool) { r.record(Event{Kind: KindStopped, Clean: clean}) }

// Offered records that a message is about to be handed to Send, under an id of the caller's. Without it Check takes
// the order of Accepted for the order of sending, which is wrong for concurrent senders, and calls a message unknown
// that was stored though the sender was killed before it could answer.
func (r *Run) Offered(channel, id, text string) {
	r.record(Event{Kind: KindOffered, Channel: channel, ID: id, Text: text})
}

// Accepted records that Send returned without an error; durable says whether the promise survives the run.
func (r *Run) Accepted(channel, id, text string, durable bool) {
	r.record(Event{Kind: KindAccepted, Channel: channel, ID: id, Text: text, Volatile: !durable})
}

// Acked records that the client reported the message as sent.
func (r *Run) Acked(channel, id string, seq uint64) {
	r.record(Event{Kind: KindAcked, Channel: channel, ID: id, Seq: seq})
}

// Parked records that the client reported a permanent refusal.
func (r *Run) Parked(channel, id, reason string) { r.withdrawn(KindParked, channel, id, reason) }

// Cancelled records that the client reported the message as cancelled; a cancel that was refused isn't recorded.
func (r *Run) Cancelled(channel, id, reason string) { r.withdrawn(KindCancelled, channel, id, reason) }

// Expired records that the client reported the message as expired.
func (r *Run) Expired(channel, id, reason string) { r.withdrawn(KindExpired, channel, id, reason) }

func (r *Run) withdrawn(kind Kind, channel, id, reason string) {
	r.record(Event{Kind: kind, Channel: channel, ID: id, Reason: reason})
}

// Shown records that the application was given a message. Call it in the application's order, from one goroutine for
// each channel.
func (r *Run) Shown(channel string, seq uint64, id, user, text string, replay bool) {
	r.record(Event{Kind: KindShown, Channel: channel, Seq: seq, ID: id, User: user, Text: text, Replay: replay})
}

// Synced records that the client reported a channel as caught up.
func (r *Run) Synced(channel string) { r.record(Event{Kind: KindSynced, Channel: channel}) }

// State records a change of the connection, with the states in the command line's words ("connected", …).
func (r *Run) State(from, to, reason string) {
	r.record(Event{Kind: KindState, From: from, To: to, Reason: reason})
}
