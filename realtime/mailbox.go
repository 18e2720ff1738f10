package realtime

import (
	"sync"
	"time"

	"github.com/centrifugal/protocol"
)

// eventKind is what the owner is told.
type eventKind int

const (
	evConnect eventKind = iota
	evDisconnect
	evNetworkChanged
	evProbe
	evPathBack
	evPathLost
	evProfile
	evSubscribe
	evUnsubscribe
	evCall
	evAbandon // the caller of an RPC has gone
	evDrained // the dispatch queue has room again
	evStage   // an attempt got further
	evOpened  // an attempt ended
	evFrame   // replies arrived
	evPong    // a control ping was answered
	evGone    // a transport ended
	evToken   // the token source answered
)

// mergeable says whether two in a row mean the same as one, so that callers can't make the mailbox grow with them.
func (k eventKind) mergeable() bool {
	return k == evConnect || k == evDisconnect || k == evNetworkChanged || k == evProbe || k == evPathBack || k == evPathLost ||
		k == evDrained
}

// event is one message to the owner. Which fields count depends on kind.
type event struct {
	kind    eventKind
	gen     uint64 // of the transport, the attempt or the token fetch
	profile Profile
	sub     *Subscription
	call    *call
	stage   stage
	tr      *transport
	phases  Phases
	replies []*protocol.Reply
	sentAt  time.Time // evPong: when the ping was sent
	ping    uint64    // evPong: the number of the exchange
	bytes   int       // evPong: how many were sent before it and not known to have arrived
	at      time.Time // when it happened, which is before it is handled
	token   string
	err     error
}

// mailbox holds what callers tell the owner. They never wait: not for the owner, and not for Start.
type mailbox struct {
	wake chan struct{}

	mu     sync.Mutex // guards below
	events []event
}

func (m *mailbox) put(e event) {
	m.mu.Lock()
	if n := len(m.events); n == 0 || m.events[n-1].kind != e.kind || !e.kind.mergeable() {
		m.events = append(m.events, e)
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events
	m.events = nil
	return e
}
