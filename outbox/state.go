package outbox

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
)

// next says where an entry in state s goes when ev happens; ok is false where the event is refused and changes nothing.
func next(s State, ev event) (to State, ok bool) {
	switch s {
	case Queued:
		return nextQueued(ev)
	case Sending:
		return nextSending(ev)
	case Sent, Parked, Cancelled, Expired:
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
	case evAck, evRefuse, evRetry:
		return Queued, false // replies are for what was transmitted
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
	case evCancel, evExpire:
		return Sending, false // may be stored already: its outcome has to be learned
	}
	return Sending, false
}
