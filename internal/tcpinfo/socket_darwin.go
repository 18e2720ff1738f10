package tcpinfo

import (
	"math"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket reads TCP_CONNECTION_INFO (netinet/tcp.h, struct tcp_connection_info), whose times are milliseconds.
type socket struct {
	raw   syscall.RawConn
	get   func(fd uintptr) // made once: a function value for each reading would be an allocation
	stats Stats
	err   error
}

func newSocket(raw syscall.RawConn) *socket {
	s := &socket{raw: raw}
	s.get = s.control
	return s
}

func (s *socket) read() (Stats, error) {
	if err := s.raw.Control(s.get); err != nil {
		return Stats{}, err
	}
	return s.stats, s.err
}

// control runs while the descriptor is held open.
func (s *socket) control(fd uintptr) {
	info, err := unix.GetsockoptTCPConnectionInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO)
	if err != nil {
		s.stats, s.err = Stats{}, ErrNotAvailable
		return
	}
	s.stats, s.err = Stats{
		SRTT:          time.Duration(info.Srtt) * time.Millisecond,
		RTTVar:        time.Duration(info.Rttvar) * time.Millisecond,
		Sent:          toInt64(info.Txpackets),
		Retransmitted: toInt64(info.Txretransmitpackets),
		Unacked:       segments(info.Snd_sbbytes, info.Maxseg),
		BytesSent:     toInt64(info.Txbytes),
		BytesReceived: toInt64(info.Rxbytes),
	}, nil
}

// segments is how many segments hold so many bytes.
func segments(bytes, size uint32) int64 {
	perSegment := int64(max(size, 1))
	return (int64(bytes) + perSegment - 1) / perSegment
}

func toInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
