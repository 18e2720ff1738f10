package faultnet

import "time"

// Flow is what one direction of a link is like. The zero value is a perfect one.
type Flow struct {
	// Delay is the one-way delay of a segment. Negative counts as 0.
	Delay time.Duration
	// Jitter adds a delay drawn uniformly from [0, Jitter) to each segment. Segments stay in order.
	Jitter time.Duration
	// Rate is how many bytes a second each connection sends. 0 means unlimited.
	Rate int64
	// Loss is the probability, 0 to 1, that a segment is lost. It shows as a retransmission: later by the round-trip
	// time plus 200 ms, doubling for each further loss of the same segment.
	Loss float64
	// Down loses every segment, those in flight included. Retransmissions go on with a doubling timeout, so that after
	// a heal data arrives with the next one of them. A connection gives up (ETIMEDOUT) after about 15 minutes.
	Down bool
	// Stall holds segments back and lets them go at once when it ends, without a retransmission.
	Stall bool
}

// Conditions is what a link is like in both directions. The zero value is a perfect link.
type Conditions struct {
	// Up is the direction from client to server, Down the direction from server to client.
	Up, Down Flow
	// Unreachable fails dials at once with EHOSTUNREACH. A Proxy, which has accepted by then, resets the connection.
	Unreachable bool
	// Refused fails dials at once with ECONNREFUSED. A Proxy closes its listener for as long.
	Refused bool
	// Hang accepts and then says nothing: dials succeed, but nothing is ever forwarded on a connection made meanwhile,
	// not even after the heal.
	Hang bool
}

// Symmetric returns conditions with half of the given round-trip time in each direction.
func Symmetric(rtt time.Duration) Conditions {
	return Conditions{Up: Flow{Delay: rtt - rtt/2}, Down: Flow{Delay: rtt / 2}}
}

// direction tells the two pipes of a connection apart.
type direction int

const (
	upward   direction = iota // client to server
	downward                  // server to client
)

// other is the opposite direction.
func (d direction) other() direction { return 1 - d }

// flow picks the conditions' flow of a direction.
func (c *Conditions) flow(d direction) *Flow {
	if d == upward {
		return &c.Up
	}
	return &c.Down
}

// sane is c with every number brought into its range, so that no model code has to look again.
func (c Conditions) sane() Conditions {
	c.Up, c.Down = c.Up.sane(), c.Down.sane()
	return c
}

// maxDelay bounds delays, so that sums of them and doublings can't overflow.
const maxDelay = 24 * time.Hour

func (f Flow) sane() Flow {
	f.Delay = min(max(f.Delay, 0), maxDelay)
	f.Jitter = min(max(f.Jitter, 0), maxDelay)
	f.Rate = max(f.Rate, 0)
	if !(f.Loss > 0) { // also NaN
		f.Loss = 0
	}
	f.Loss = min(f.Loss, 1)
	return f
}
