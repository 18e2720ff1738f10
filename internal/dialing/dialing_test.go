package dialing_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

func TestAddr(t *testing.T) {
	for _, row := range []struct{ url, host, port, addr string }{
		{"http://chat.example.com/a", "chat.example.com", "80", "chat.example.com:80"},
		{"https://chat.example.com", "chat.example.com", "443", "chat.example.com:443"},
		{"ws://chat.example.com", "chat.example.com", "80", "chat.example.com:80"},
		{"wss://chat.example.com", "chat.example.com", "443", "chat.example.com:443"},
		{"https://chat.example.com:8443", "chat.example.com", "8443", "chat.example.com:8443"},
		{"http://[::1]", "::1", "80", "[::1]:80"},
		{"wss://[::1]:7000/x", "::1", "7000", "[::1]:7000"},
		{"ftp://chat.example.com", "chat.example.com", "", "chat.example.com:"},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		if host, port := dialing.HostPort(u); host != row.host || port != row.port {
			t.Errorf("%s: host %q and port %q, want %q and %q", row.url, host, port, row.host, row.port)
		}
		if addr := dialing.Addr(u); addr != row.addr {
			t.Errorf("%s is dialled at %q, want %q", row.url, addr, row.addr)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.": false, "chat.localhost": false, "localhost.example.com": false, "[::1]": false, "::1%lo": false,
		"0.0.0.0": false, "192.168.0.1": false, "128.0.0.1": false, "127.0.0.1.example.com": false, "127.1": false, "::2": false,
	} {
		if got := dialing.IsLoopback(host); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

// TestTimed: the clock begins with each handshake, so that the last one counts; where none is told of, with the dial.
func TestTimed(t *testing.T) {
	refused := errors.New("refused")
	for _, row := range []struct {
		name       string
		before     []time.Duration // the dial, before each handshake that it tells of
		last, want time.Duration
		err        error
	}{
		{"one handshake", []time.Duration{3 * time.Second}, 40 * time.Millisecond, 40 * time.Millisecond, nil},
		{"two", []time.Duration{3 * time.Second, 250 * time.Millisecond}, 40 * time.Millisecond, 40 * time.Millisecond, nil},
		{"none is told", nil, 40 * time.Millisecond, 40 * time.Millisecond, nil},
		{"a coarse clock", []time.Duration{time.Second}, 0, 1, nil},
		{"an error", []time.Duration{time.Second}, 40 * time.Millisecond, 0, refused},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
					if network != "tcp" || addr != "server:80" {
						t.Errorf("dialled %s %s", network, addr)
					}
					for _, d := range row.before {
						time.Sleep(d)
						httptrace.ContextClientTrace(ctx).ConnectStart(network, addr)
					}
					time.Sleep(row.last)
					return near, row.err
				}
				conn, took, err := dialing.Timed(t.Context(), dial, "tcp", "server:80")
				if took != row.want || !errors.Is(err, row.err) || (conn == near) != (err == nil) {
					t.Errorf("%v, took %v, %v; want %v, %v", conn, took, err, row.want, row.err)
				}
			})
		})
	}
}

// TestTimedTellsItsCallerToo: whoever watches the dial already goes on hearing of it; and a real dialer tells.
func TestTimedTellsItsCallerToo(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	heard := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectStart: func(_, _ string) { heard++ }})
	conn, took, err := dialing.Timed(ctx, new(net.Dialer).DialContext, "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if heard != 1 || took <= 0 {
		t.Errorf("the caller heard %d handshakes, the last took %v", heard, took)
	}
}
