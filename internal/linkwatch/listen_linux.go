package linkwatch

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// groups are the multicast groups of rtnetlink(7) that tell of links, addresses and routes.
const groups = unix.RTMGRP_LINK |
	unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE |
	unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE

// datagramBytes holds what the kernel sends at once; a link with many virtual functions is told in some 32 kB.
const datagramBytes = 64 << 10

// listen hears the kernel's word over a netlink socket. It says too much rather than too little: what it can't read,
// and what the kernel had to drop, may have been a change.
func listen(ctx context.Context, notice func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), "rtnetlink") // non-blocking, so that Close ends a read
	defer func() { _ = socket.Close() }()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	notice() // what changed before now wasn't heard
	buffer := make([]byte, datagramBytes)
	return hear(ctx, func() (bool, error) { return receive(raw, buffer) }, notice)
}

// hear passes on what may be a change until ctx ends or the socket fails. ENOBUFS says that words were dropped.
func hear(ctx context.Context, receive func() (told bool, err error), notice func()) error {
	for {
		told, err := receive()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS):
			notice()
		case err != nil:
			return err
		case told:
			notice()
		}
	}
}

// receive waits for a datagram, and says whether it may tell of a change.
func receive(raw syscall.RawConn, buffer []byte) (told bool, err error) {
	var n int
	var from unix.Sockaddr
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, from, failed = unix.Recvfrom(int(fd), buffer, unix.MSG_TRUNC)
		return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
	})
	if err != nil {
		return false, err
	}
	if failed != nil {
		return false, os.NewSyscallError("recvfrom", failed)
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return false, nil // a process, not the kernel
	}
	return n > len(buffer) || tellsOfChange(buffer[:n]), nil
}
