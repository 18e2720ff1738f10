package tcpinfo_test

import (
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/chatsdk/chatsdk/internal/tcpinfo"
)

// kernelCounts says whether this system's kernel has counters that the package reads.
func kernelCounts() bool { return runtime.GOOS == "linux" || runtime.GOOS == "darwin" }

// pair connects two real sockets on the loopback.
func pair(t *testing.T, network, addr string) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	must(t, err)
	defer func() { _ = ln.Close() }()
	client, err = net.Dial(network, ln.Addr().String())
	must(t, err)
	server, err = ln.Accept()
	must(t, err)
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	if !kernelCounts() {
		t.Skip("this system's kernel tells nothing that the package reads")
	}
	return pair(t, "tcp", "127.0.0.1:0")
}

// echo sends n bytes and waits for them to come back.
func echo(t *testing.T, client, server net.Conn, n int) {
	t.Helper()
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		_, err := way[0].Write(make([]byte, n))
		must(t, err)
		_, err = io.ReadFull(way[1], make([]byte, n))
		must(t, err)
	}
}

func reader(t *testing.T, conn net.Conn) *tcpinfo.Reader {
	t.Helper()
	r, err := tcpinfo.Open(conn)
	must(t, err)
	return r
}

func reading(t *testing.T, r *tcpinfo.Reader) tcpinfo.Stats {
	t.Helper()
	s, err := r.Read()
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
