package quality

import "time"

// Kind says what a Sample tells of, and so which of its fields count.
type Kind int

// Kinds. At counts for all of them.
const (
	// KindRoundTrip: an answer of the server came. RTT, Source, Server, Loaded, Fresh, and ID if its Begin was told.
	KindRoundTrip Kind = iota + 1
	// KindBegin: something was sent that is to be answered. ID (not 0), Source, Fresh.
	KindBegin
	// KindEnd: it isn't waited for any more, for a reason that says nothing of the network. ID.
	KindEnd
	// KindInbound: the server sent something by itself, or more of an answer.
	KindInbound
	// KindFailure: an attempt failed. Cause, Source, and ID if its Begin was told.
	KindFailure
	// KindSocket: counters of one of our sockets, which tell of the way up. Socket, Counters.
	KindSocket
	// KindPeer: the server's counters of a connection, which tell of the way down. Socket, Counters. They are believed
	// as far as our own round trips don't contradict.
	KindPeer
	// KindTransfer: a transfer, or a part of one, was acknowledged or received. Bytes, Took, Down.
	KindTransfer
	// KindLink: the operating system tells of the network. Link.
	KindLink
	// KindLate: our own timers ran late, since the machine slept or was busy: silence meanwhile says nothing. Took.
	KindLate
	// KindDrop: an established connection was lost. Socket, or 0 if nobody told of its counters.
	KindDrop
	kindsEnd
)

// Source says what a round trip was made of.
type Source int

const (
	// SourcePing: a ping or probe: the path, and next to nothing of the server.
	SourcePing Source = iota
	// SourceCall: a call or an ack, with the server's own time in it. Sample.Server takes that out if it is known.
	SourceCall
	// SourceHandshake: a TCP handshake: a machine on the path answers, which needn't be the server. That of an HTTP proxy, which
	// may be near, isn't to be told.
	SourceHandshake
	sourceEnd
)

// Cause says how an attempt failed.
type Cause int

// Causes.
const (
	CauseTimeout     Cause = iota + 1 // no answer in time, no name resolved, or a router that knows no way to the host
	CauseUnreachable                  // no network: no route of our own (ENETUNREACH)
	CauseRefused                      // refused or reset at once: somebody is there
	CauseServerError                  // 5xx, or a close frame that says the like
	CausePortal                       // somebody else answered: the challenge didn't come back
	causeEnd
)

// LinkEvent is a notice of the operating system.
type LinkEvent int

// Notices.
const (
	LinkUp      LinkEvent = iota + 1 // there is a network again
	LinkDown                         // there is none
	LinkChanged                      // another address or route: what was measured was another network
	linkEnd
)

// Counters of a socket, from its beginning on, as TCP_INFO has them.
type Counters struct {
	Sent          uint64 // data segments, with those sent again
	Retransmitted uint64 // of these
	Spurious      uint64 // of these, sent again for nothing (DSACK); 0 if unknown
	Delivered     uint64 // acknowledged segments; 0 if unknown
	// SRTT is the kernel's smoothed RTT; 0 if unknown. It counts only where nothing else tells one: behind a proxy it is
	// that of the first hop.
	SRTT time.Duration
}

// Sample is one thing that happened. Which fields count is told by Kind; the others are left alone.
type Sample struct {
	Kind Kind
	At   time.Time // when it happened; samples come in the order of this, give or take 10 s

	ID     uint64        // names an exchange from its Begin to its end; 0 for none
	Source Source        // of a round trip
	RTT    time.Duration // from the last byte sent to the first byte back, more than 0
	Server time.Duration // the server's own time in RTT; 0 if unknown
	Loaded bool          // taken beside a transfer, so that its queue is in it
	Fresh  bool          // on a new connection whose set-up is in it: no RTT, but a sign of life

	Cause Cause

	Socket   uint64 // names a socket; counters belong to it, and a new one starts anew
	Counters Counters

	Bytes int64
	Took  time.Duration
	Down  bool // received, not sent

	Link LinkEvent
}

// Refusal says why a sample was refused. The zero value is no refusal.
type Refusal int

// Refusals.
const (
	Taken           Refusal = iota // not refused
	RefusedKind                    // no such kind, source, cause or notice
	RefusedClock                   // from the past, or from the future
	RefusedRTT                     // not a round-trip time: zero, negative, more than two minutes, or less than the server's own time
	RefusedCounters                // counters that ran backwards, or can't be
	RefusedDoubtful                // a peer's counters that our own round trips contradict
	RefusedTransfer                // no bytes, no time, or more than any network carries
	RefusedFull                    // too much is outstanding
	RefusedID                      // a Begin without an ID
	refusals
)

var refusalNames = [...]string{"taken", "kind", "clock", "rtt", "counters", "doubtful", "transfer", "full", "id"}

// String returns the name in lower case.
func (r Refusal) String() string { return word(refusalNames[:], int(r)) }
