//go:build !linux && !darwin

package tcpinfo

import "syscall"

// socket stands for systems that tell nothing, or in a way that isn't written here yet (SIO_TCP_INFO of Windows).
type socket struct{}

func newSocket(syscall.RawConn) socket { return socket{} }

func (socket) read() (Stats, error) { return Stats{}, ErrNotAvailable }
