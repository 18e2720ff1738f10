package faultnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// world is one client, one server and the link between them, in memory.
type world struct {
	t        *testing.T
	net      *faultnet.Network
	link     *faultnet.Link
	listener net.Listener
}

func newWorld(t *testing.T, seed uint64, cond faultnet.Conditions) *world {
	t.Helper()
	n := faultnet.NewNetwork(seed)
	n.SetDefault(cond)
	ln, err := n.Listen("server:80")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return &world{t: t, net: n, link: n.Link("client", "server"), listener: ln}
}

// dial opens a connection and returns both ends.
func (w *world) dial() (client, server net.Conn) {
	w.t.Helper()
	client, err := w.net.Dialer("client")(context.Background(), "tcp", "server:80")
	must(w.t, err)
	server, err = w.listener.Accept()
	must(w.t, err)
	w.t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

// dialError dials and returns how long it took to fail, and the error.
func (w *world) dialError(ctx context.Context) (time.Duration, error) {
	w.t.Helper()
	start := time.Now()
	conn, err := w.net.Dialer("client")(ctx, "tcp", "server:80")
	if err == nil {
		_ = conn.Close()
		w.t.Fatal("dial succeeded")
	}
	return time.Since(start), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	n, err := conn.Write([]byte(text))
	must(t, err)
	if n != len(text) {
		t.Fatalf("wrote %d bytes of %d", n, len(text))
	}
}

// read reads exactly the text.
func read(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v; want %q", b, err, text)
	}
}

// readError reads until an error and returns it and what came before it.
func readError(t *testing.T, conn net.Conn) (string, error) {
	t.Helper()
	var all []byte
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		all = append(all, b[:n]...)
		if err != nil {
			return string(all), err
		}
	}
}

// silent checks that nothing can be read for a time.
func silent(t *testing.T, conn net.Conn, d time.Duration) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(d)))
	if text, err := readError(t, conn); text != "" || !timeout(err) {
		t.Fatalf("read %q, %v; want silence", text, err)
	}
	must(t, conn.SetReadDeadline(time.Time{}))
}

func timeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// wantErrno checks for a *net.OpError around an errno.
func wantErrno(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, want) {
		t.Fatalf("error %v (%T), want a *net.OpError around %v", err, err, want)
	}
}

// took checks that exactly so much time has passed.
func took(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Fatalf("took %v, want %v", got, want)
	}
}
