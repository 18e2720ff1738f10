// Package tcpinfo reads what the kernel counts of a live TCP connection: segments, retransmissions, round-trip times,
// bytes. No packet is sent for it.
//
// Loss of packets is invisible above TCP, where it only shows as delay. The kernel sees each retransmission, and so a
// share of a hundredth in the time in which delays tell nothing yet. Linux and macOS have such counters; elsewhere, and
// for what isn't TCP, there is ErrNotAvailable. A connection that isn't the kernel's, such as a stream in memory, may
// offer its own: see transport.
//
// The counters are those of one socket and begin at zero with it: whoever takes differences must begin anew on a
// new connection. Behind a proxy they tell of the way to the proxy.
package tcpinfo

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Stats are the counters of one connection since it was opened. 0 in a time or a rate means that nothing is known yet,
// or that the system doesn't tell; counters that a system doesn't tell stay 0.
type Stats struct {
	// SRTT is the smoothed round-trip time and RTTVar its mean deviation (RFC 6298), as the kernel has them.
	SRTT, RTTVar time.Duration
	// MinRTT is the least round-trip time: on Linux of the last five minutes. macOS doesn't tell it.
	MinRTT time.Duration
	// Sent is how many segments with data were sent, those that were sent again included. macOS counts bare
	// acknowledgements, too. It needs Linux 4.6.
	Sent int64
	// Retransmitted is how many segments were sent again. The opening of a connection counts here and not in Sent.
	Retransmitted int64
	// Duplicates is how many of them were in vain, as the peer reports (DSACK, RFC 2883): what was lost is
	// Retransmitted - Duplicates. Only Linux tells, from 4.19 on.
	Duplicates int64
	// Unacked is how many segments are sent and not acknowledged; on macOS what isn't sent yet counts, too.
	Unacked int64
	// BytesSent counts payload, that sent again included; BytesAcked what the peer has; BytesReceived what came from it.
	// The opening and the end of a stream may count as a byte. macOS doesn't tell BytesAcked.
	BytesSent, BytesAcked, BytesReceived int64
	// DeliveryRate is the last measured rate of delivery in bytes a second. Only Linux tells, from 4.9 on.
	DeliveryRate int64
	// AppLimited says that DeliveryRate was limited by how much there was to send: it is no measure of the path then.
	AppLimited bool
}

// ErrNotAvailable says that nobody counts for this connection, or not on this system.
var ErrNotAvailable = fmt.Errorf("tcpinfo: not available for this connection: %w", errors.ErrUnsupported)

// transport is what a connection offers that has counters of its own, instead of the kernel's. It returns plain values,
// so that nobody has to import this package for it. Its errors are those of a connection: net.ErrClosed after Close.
type transport interface {
	TransportSegments() (sent, retransmitted, duplicates, unacked int64, err error)
	TransportRTT() (smoothed, variation, least time.Duration, err error)
	TransportBytes() (sent, acked, received int64, err error)
}

// maxWrappers bounds how deep a connection may be wrapped, so that one which wraps itself isn't followed for ever.
const maxWrappers = 16

// source is one kind of counters.
type source interface{ read() (Stats, error) }

// Reader reads the counters of one connection. It mustn't be used concurrently.
type Reader struct{ source source }

// Open finds who counts for a connection: the connection itself, its socket, or what it wraps (NetConn, as
// tls.Conn has it). It takes one reading to see whether that works. The connection stays the caller's. The error
// is ErrNotAvailable, or matches net.ErrClosed.
func Open(conn net.Conn) (*Reader, error) {
	for range maxWrappers {
		if conn == nil {
			break
		}
		if t, ok := conn.(transport); ok {
			return try(offered{t})
		}
		if s, ok := conn.(syscall.Conn); ok {
			raw, err := s.SyscallConn()
			if err != nil {
				return nil, named(err)
			}
			return try(newSocket(raw))
		}
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = wrapper.NetConn()
	}
	return nil, ErrNotAvailable
}

func try(s source) (*Reader, error) {
	if _, err := s.read(); err != nil {
		return nil, named(err)
	}
	return &Reader{s}, nil
}

// named is an error with the package's name.
func named(err error) error {
	if errors.Is(err, ErrNotAvailable) {
		return err
	}
	return fmt.Errorf("tcpinfo: %w", err)
}

// Read takes a reading. It doesn't block, and allocates nothing on Linux. After the connection was closed the error
// matches net.ErrClosed.
func (r *Reader) Read() (Stats, error) {
	stats, err := r.source.read()
	if err != nil {
		return Stats{}, named(err)
	}
	return stats, nil
}

// offered reads a connection's own counters.
type offered struct{ transport }

func (o offered) read() (s Stats, err error) {
	if s.Sent, s.Retransmitted, s.Duplicates, s.Unacked, err = o.TransportSegments(); err != nil {
		return s, err
	}
	if s.SRTT, s.RTTVar, s.MinRTT, err = o.TransportRTT(); err != nil {
		return s, err
	}
	s.BytesSent, s.BytesAcked, s.BytesReceived, err = o.TransportBytes()
	return s, err
}
