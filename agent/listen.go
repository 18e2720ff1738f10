package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

// ErrNotLocal says that an address is one that other machines reach, or no address at all.
var ErrNotLocal = errors.New("agent: it listens on this machine only: give a loopback address such as 127.0.0.1:0, or unix:PATH")

// unixPrefix begins an address that is a socket's path.
const unixPrefix = "unix:"

// Listen opens a listener for an address: a loopback one such as 127.0.0.1:0, where port 0 takes a free one, or unix:PATH,
// which only this user can open. Anything else is ErrNotLocal.
func Listen(addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok {
		return listenUnix(path)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !dialing.IsLoopback(host) {
		return nil, fmt.Errorf("%w; not %q", ErrNotLocal, addr)
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1" // a resolver could say anything
	}
	return net.Listen("tcp", net.JoinHostPort(host, port))
}

func listenUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, ErrNotLocal
	}
	if left(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// left says whether a path is a socket that nobody listens on any more.
func left(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close() // somebody does
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Address is where a listener of Listen is reached: http://127.0.0.1:7411 or unix:PATH.
func Address(ln net.Listener) string {
	if ln.Addr().Network() == "unix" {
		return unixPrefix + ln.Addr().String()
	}
	return "http://" + ln.Addr().String()
}
