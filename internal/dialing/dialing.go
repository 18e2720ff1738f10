// Package dialing has what all who dial need: where an address is dialled, whether that is this machine, and how long the
// handshake took.
package dialing

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// HostPort takes an address apart: its host, without the brackets of IPv6, and its port, which is the scheme's own where it
// names none: 80 for http and ws, 443 for https and wss, "" for any other.
func HostPort(u *url.URL) (host, port string) {
	if port = u.Port(); port == "" {
		port = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[u.Scheme]
	}
	return u.Hostname(), port
}

// Addr is where an address is dialled: host:port, as dialers are asked for it.
func Addr(u *url.URL) string { return net.JoinHostPort(HostPort(u)) }

// IsLoopback says of a host, a name or an IP address without brackets, that it is this machine, which is there without a
// network. Of the names only localhost is: no other machine may have that.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback() && ip.Zone() == ""
}

// Timed dials, and measures the last handshake that the dial began: what was done before it, such as looking up a name,
// doesn't count where dial is a net.Dialer's, which tells of it. took is more than 0; it is 0 with an error.
func Timed(
	ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error), network, addr string,
) (conn net.Conn, took time.Duration, err error) {
	var mu sync.Mutex // guards began: two addresses may be tried side by side
	began := time.Now()
	conn, err = dial(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{ConnectStart: func(_, _ string) {
		mu.Lock()
		began = time.Now()
		mu.Unlock()
	}}), network, addr)
	if err != nil {
		return nil, 0, err
	}
	mu.Lock()
	defer mu.Unlock()
	return conn, max(time.Since(began), 1), nil // clocks are coarse on some systems
}
