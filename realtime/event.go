package realtime

// EventKind says what an Event tells.
type EventKind int

const (
	// EventSubscribed: the server took the subscription, for the first time or again. Recovered publications follow
	// in order. Recovered is false with WasRecovering true when the stream couldn't bridge the gap: reload history.
	EventSubscribed EventKind = iota
	// EventPublication carries Data, and Offset if the channel has a stream.
	EventPublication
	// EventCaughtUp: the last publication recovered by the EventSubscribed before was handed over.
	EventCaughtUp
	// EventUnsubscribed: the server ended or refused the subscription. Final says that the client won't try again.
	EventUnsubscribed
)

// String returns the kind's name in lower case.
func (k EventKind) String() string {
	switch k {
	case EventSubscribed:
		return "subscribed"
	case EventPublication:
		return "publication"
	case EventCaughtUp:
		return "caught up"
	case EventUnsubscribed:
		return "unsubscribed"
	}
	return "unknown"
}

// Event is something that happened to a subscription. A lost connection is none: see Client.Watch for that.
type Event struct {
	Kind          EventKind
	Channel       string
	Data          []byte // EventPublication
	Offset        uint64 // position in the channel's stream, 0 if it has none
	Epoch         string // the stream's epoch, "" if not known
	Recovered     bool   // EventSubscribed: nothing was missed; EventPublication: it came out of a recovery
	WasRecovering bool   // EventSubscribed: the client asked to go on after a position
	SubData       []byte // EventSubscribed: data of the subscribe reply
	Code          uint32 // EventUnsubscribed: the server's code
	Reason        string // EventUnsubscribed: the server's words
	Final         bool   // EventUnsubscribed: the subscription is over
}

// SubscribeOptions configure a subscription.
type SubscribeOptions struct {
	// OnEvent gets the events of the subscription in order, from the client's one dispatch goroutine, never under a
	// lock. It may block: then events queue up to Options.QueueLimit, and beyond that the subscription is recovered
	// again when the queue has drained, so that no event of a channel with a stream is lost. It may call back into
	// the client, except for Close. A panic is logged and contained. nil: events are dropped.
	OnEvent func(Event)
}

// Subscription is the client's interest in a channel. It lives until Unsubscribe or a final EventUnsubscribed.
type Subscription struct {
	c       *Client
	channel string
	subscriber
}

// Channel returns the channel's name.
func (s *Subscription) Channel() string { return s.channel }

// Unsubscribe ends this subscription, and never a later one to the same channel. No event is handed over after it
// returned, except for one whose handler is running. Safe for concurrent use; calling it again does nothing.
func (s *Subscription) Unsubscribe() { s.c.unsubscribe(s) }
