package outbox

import "slices"

// State is where an entry is on its way. The zero value is Queued.
type State int

// States of an entry. Queued and Sending are open, the others are settled: final, but for Parked, which the application
// may send again or give up.
const (
	Queued    State = iota // never transmitted; can be changed and cancelled
	Sending                // transmitted at least once, outcome not known
	Sent                   // stored by the server
	Parked                 // refused for good, or impossible to send; kept until Retry or Discard
	Cancelled              // taken back while it was queued, or given up
	Expired                // too old to be of use
)

// states are the words of all states, in order.
var states = [...]string{"queued", "sending", "sent", "parked", "cancelled", "expired"}

// String returns the state's word in lower case.
func (s State) String() string {
	if s < 0 || int(s) >= len(states) {
		return "unknown"
	}
	return states[s]
}

// ParseState returns the state of a word that String gives.
func ParseState(word string) (State, bool) {
	i := slices.Index(states[:], word)
	return State(max(i, 0)), i >= 0
}

// Settled says whether the entry is no longer on its way.
func (s State) Settled() bool { return s != Queued && s != Sending }

// event is what can happen to one entry.
type event int

const (
	evTransmit  event = iota // handed to Send
	evAck                    // the reply says stored
	evDelivered              // the stream shows it stored
	evRefuse                 // refused for good
	evRetry                  // refused for now, or outcome unknown
	evCancel                 // the application takes it back
	evExpire                 // too old
	evPark                   // given up by the queue itself
	evEdit                   // the application changes the content, or a dependency came
	evResume                 // the application wants it sent after all
	evDiscard                // the application gives it up
)

// next says where an entry in state s goes when ev happens; ok is false where the event is refused and changes nothing.
func next(s State, ev event) (to State, ok bool) {
	switch s {
	case Queued:
		return nextQueued(ev)
	case Sending:
		return nextSending(ev)
	case Parked:
		return nextParked(ev)
	case Sent, Cancelled, Expired:
		return s, false // final: a late reply or a second publication is no news
	}
	return s, false
}

func nextQueued(ev event) (State, bool) {
	switch ev {
	case evTransmit:
		return Sending, true
	case evDelivered:
		return Sent, true // a store restored from a backup: the server has it, though we don't remember
	case evCancel:
		return Cancelled, true
	case evExpire:
		return Expired, true
	case evPark:
		return Parked, true
	case evEdit:
		return Queued, true
	case evAck, evRefuse, evRetry, evResume, evDiscard:
		return Queued, false // replies are for what was transmitted, the rest for what is parked
	}
	return Queued, false
}

func nextSending(ev event) (State, bool) {
	switch ev {
	case evTransmit, evRetry:
		return Sending, true
	case evAck, evDelivered:
		return Sent, true
	case evRefuse, evPark:
		return Parked, true
	case evCancel, evExpire, evEdit, evResume, evDiscard:
		return Sending, false // may be stored already: its outcome has to be learned
	}
	return Sending, false
}

func nextParked(ev event) (State, bool) {
	switch ev {
	case evDelivered:
		return Sent, true // parked by ourselves, and yet the server had taken it
	case evResume:
		return Queued, true
	case evDiscard:
		return Cancelled, true
	case evTransmit, evAck, evRefuse, evRetry, evCancel, evExpire, evPark, evEdit:
		return Parked, false // a late reply is no news, and nobody changes what lies there
	}
	return Parked, false
}
