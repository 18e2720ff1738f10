package tcpinfo

import (
	"encoding/binary"
	"math"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket reads TCP_INFO (linux/tcp.h, struct tcp_info). A kernel that is older than a field leaves it 0.
type socket struct {
	raw  syscall.RawConn
	get  func(fd uintptr) // made once: a function value for each reading would be an allocation
	info unix.TCPInfo     // the kernel writes here
	err  error
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
	if s.err != nil {
		return Stats{}, s.err
	}
	return statsOf(&s.info), nil
}

// control runs while the descriptor is held open. It calls the kernel itself, because unix.GetsockoptTCPInfo allocates.
func (s *socket) control(fd uintptr) {
	size := uint32(unsafe.Sizeof(s.info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&s.info)), uintptr(unsafe.Pointer(&size)), 0)
	s.err = nil
	if errno != 0 { // another kind of socket, a sandbox: whatever it is, nobody counts
		s.err = ErrNotAvailable
	}
}

func statsOf(info *unix.TCPInfo) Stats {
	return Stats{
		SRTT:          time.Duration(info.Rtt) * time.Microsecond,
		RTTVar:        time.Duration(info.Rttvar) * time.Microsecond,
		MinRTT:        minRTT(info.Min_rtt),
		Sent:          int64(info.Data_segs_out),
		Retransmitted: int64(info.Total_retrans),
		Duplicates:    int64(info.Dsack_dups),
		Unacked:       int64(info.Unacked),
		BytesSent:     toInt64(info.Bytes_sent),
		BytesAcked:    toInt64(info.Bytes_acked),
		BytesReceived: toInt64(info.Bytes_received),
		DeliveryRate:  toInt64(info.Delivery_rate),
		AppLimited:    appLimited(info),
	}
}

// minRTT is a least round-trip time in microseconds; ~0 stands for none yet.
func minRTT(us uint32) time.Duration {
	if us == math.MaxUint32 {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// toInt64 also bounds the rates, which the kernel sets to ~0 for "no limit".
func toInt64(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// flagsAt is where struct tcp_info has tcpi_delivery_rate_app_limited, a bit field that package unix leaves out: in the
// byte before tcpi_rto. The kernel writes it all the same.
const flagsAt = unsafe.Offsetof(unix.TCPInfo{}.Rto) - 1

func appLimited(info *unix.TCPInfo) bool {
	flags := *(*byte)(unsafe.Add(unsafe.Pointer(info), flagsAt))
	first := byte(1) // C puts the first bit field into the lowest bit, or into the highest on a big-endian machine
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		first = 1 << 7
	}
	return flags&first != 0
}
