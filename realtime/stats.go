package realtime

import "time"

// Stats are counters since New. Bytes are those of the TCP connections, TLS included.
type Stats struct {
	Connects       uint64 // connections that the server took
	Reconnects     uint64 // those among them that replaced a lost one
	Attempts       uint64 // dials begun, standby dials included
	FailedAttempts uint64
	Standbys       uint64 // dials begun on suspicion
	Suspects       uint64 // times a link was suspect
	Dead           uint64 // times a link was declared dead
	FalseDead      uint64 // those among them that were heard of again later
	Probes         uint64 // control pings sent
	LateProbes     uint64 // answered far later than the path's usual time
	Gaps           uint64 // offsets that didn't follow: recovered again
	Overflows      uint64 // subscriptions that fell behind their handler
	BytesIn        uint64
	BytesOut       uint64
	Last           Phases // of the last reconnect
}

// Phases of a reconnect. Durations add up from the fault's being seen; a connection that stood by has Dial and Upgrade
// of its own time, before FaultSeen.
type Phases struct {
	FaultSeen time.Time     // when the loss was noticed
	Cause     Reason        // why
	Silence   time.Duration // from the last sign of life to FaultSeen
	Dial      time.Duration // TCP
	TLS       time.Duration // 0 without TLS
	Upgrade   time.Duration // WebSocket upgrade
	Connect   time.Duration // connect command to its reply
	Total     time.Duration // FaultSeen to the connect reply
}
