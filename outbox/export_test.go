package outbox

// Event is event for tests of Next.
type Event = event

// Next is next.
var Next = next

// Events are all events in order.
var Events = []Event{evTransmit, evAck, evDelivered, evRefuse, evRetry, evCancel, evExpire, evPark}
