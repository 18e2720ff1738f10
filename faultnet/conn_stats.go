package faultnet

import (
	"net"
	"time"
)

// TransportStats is what a kernel would tell of a socket. All of it is counted since the connection was opened, and
// times were measured on what it carried; 0 means that nothing was yet.
type TransportStats struct {
	// Unacked is how many bytes were written and aren't acknowledged, sent or not.
	Unacked int
	// Segments is how many segments were sent, retransmissions included. A segment has up to 1460 bytes, where there is
	// neither loss nor a rate up to 64 KiB.
	Segments int64
	// Retransmits is how many segments were sent again.
	Retransmits int64
	// Backoff is how often the timer of the segment that is being sent again has run out. 0 means that data flows.
	Backoff int
	// SRTT, RTTVar and MinRTT are the smoothed round-trip time, its deviation (RFC 6298) and the least one, from a
	// segment's first byte on the line to the acknowledgement. Segments that were sent again aren't timed.
	SRTT, RTTVar, MinRTT time.Duration
	// BytesSent counts what was sent, again included; BytesAcked what the peer has acknowledged; BytesReceived what came
	// from it.
	BytesSent, BytesAcked, BytesReceived int64
}

// TransportStats returns the connection's counters. They stay as they are once it is broken.
func (c *Conn) TransportStats() TransportStats {
	stats, _, _ := c.transport() // a closed connection's are still right
	return stats
}

// TransportSegments returns how many segments were sent, sent again, sent again in vain, and are sent and not
// acknowledged. Nothing is sent in vain here. With TransportRTT and TransportBytes it is what whoever reads a
// socket's counters may ask of a connection instead. The error is net.ErrClosed in a *net.OpError after Close.
func (c *Conn) TransportSegments() (sent, retransmitted, duplicates, unacked int64, err error) {
	stats, unacked, err := c.transport()
	return stats.Segments, stats.Retransmits, 0, unacked, err
}

// TransportRTT returns the smoothed round-trip time, its deviation and the least one.
func (c *Conn) TransportRTT() (smoothed, variation, least time.Duration, err error) {
	stats, _, err := c.transport()
	return stats.SRTT, stats.RTTVar, stats.MinRTT, err
}

// TransportBytes returns how many bytes were sent, again included, acknowledged, and received.
func (c *Conn) TransportBytes() (sent, acked, received int64, err error) {
	stats, _, err := c.transport()
	return stats.BytesSent, stats.BytesAcked, stats.BytesReceived, err
}

// transport returns the counters, and how many segments are sent and not acknowledged.
func (c *Conn) transport() (stats TransportStats, unacked int64, err error) {
	mu := &c.circuit.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		err = c.opError("get", net.ErrClosed)
	}
	if c.err == nil {
		now := time.Now()
		c.circuit.advanceLocked(now) // the timer of the same moment may come after the caller
		c.out.acks.settle(now, &c.in.tr)
	}
	line, acks := &c.out.line, &c.out.acks
	stats = TransportStats{
		Unacked:  int(c.out.written - acks.bytes),
		Segments: line.sentSegments, Retransmits: line.retransmissions,
		SRTT: acks.srtt, RTTVar: acks.rttvar, MinRTT: acks.least,
		BytesSent: line.sentBytes, BytesAcked: acks.bytes, BytesReceived: c.in.arrived,
	}
	if !line.retryAt.IsZero() {
		stats.Backoff = line.tries
	}
	return stats, line.sentSegments - line.retransmissions - acks.segments, err
}
