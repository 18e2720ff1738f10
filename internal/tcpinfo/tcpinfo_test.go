package tcpinfo_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/tcpinfo"
)

func TestCountersOfARealSocketRise(t *testing.T) {
	client, server := tcpPair(t)
	r := reader(t, client)
	before := reading(t, r)
	const rounds, size = 20, 1000
	for range rounds {
		echo(t, client, server, size)
	}
	after := reading(t, r)
	if got := after.BytesReceived - before.BytesReceived; got != rounds*size {
		t.Errorf("received %d bytes, want %d", got, rounds*size)
	}
	if got := after.BytesSent - before.BytesSent; got < rounds*size || got > 2*rounds*size {
		t.Errorf("sent %d bytes, want %d and what was sent again", got, rounds*size)
	}
	if got := after.Sent - before.Sent; got < rounds || got > 4*rounds {
		t.Errorf("sent %d segments in %d writes", got, rounds)
	}
	if after.SRTT <= 0 || after.SRTT > time.Second || after.RTTVar <= 0 || after.RTTVar > time.Second {
		t.Errorf("round trips on the loopback take %v, %v off", after.SRTT, after.RTTVar)
	}
	if after.Retransmitted < 0 || after.Retransmitted > after.Sent || after.Duplicates > after.Retransmitted {
		t.Errorf("of %d segments %d were sent again, %d in vain", after.Sent, after.Retransmitted, after.Duplicates)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if after.MinRTT <= 0 || after.MinRTT > time.Second {
		t.Errorf("least round trip %v", after.MinRTT)
	}
	if got := after.BytesAcked - before.BytesAcked; got != rounds*size { // the last echo acknowledged the last byte
		t.Errorf("acknowledged %d bytes, want %d", got, rounds*size)
	}
	if after.Unacked != 0 || after.DeliveryRate <= 0 {
		t.Errorf("%d segments unacknowledged, delivered at %d bytes/s", after.Unacked, after.DeliveryRate)
	}
}

// TestCountersBelongToASocket: a second connection knows nothing of the first.
func TestCountersBelongToASocket(t *testing.T) {
	client, server := tcpPair(t)
	echo(t, client, server, 10_000)
	if got := reading(t, reader(t, client)).BytesReceived; got != 10_000 {
		t.Errorf("the first received %d bytes", got)
	}
	again, _ := tcpPair(t)
	if got := reading(t, reader(t, again)); got.Sent != 0 || got.BytesReceived != 0 || got.Retransmitted != 0 {
		t.Errorf("a new connection starts with %+v", got)
	}
}

func TestThroughTLSAndOtherWrappers(t *testing.T) {
	if !kernelCounts() {
		t.Skip("this system's kernel tells nothing that the package reads")
	}
	site := httptest.NewTLSServer(nil)
	defer site.Close()
	raw, err := net.Dial("tcp", site.Listener.Addr().String())
	must(t, err)
	config := site.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com" // which the server's certificate names
	conn := tls.Client(raw, config)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	must(t, err)
	_, err = io.ReadAll(conn)
	must(t, err)
	s := reading(t, reader(t, wrapper{wrapper{conn}}))
	if s.BytesReceived == 0 || s.SRTT <= 0 {
		t.Errorf("after a TLS handshake the socket's counters are %+v", s)
	}
}

// wrapper is a connection that only offers what it wraps.
type wrapper struct{ net.Conn }

func (w wrapper) NetConn() net.Conn { return w.Conn }

// itself wraps itself, or nothing.
type itself struct {
	net.Conn
	empty bool
}

func (i itself) NetConn() net.Conn {
	if i.empty {
		return nil
	}
	return i
}

func TestNotAvailable(t *testing.T) {
	pipe, other := net.Pipe()
	defer func() { _, _ = pipe.Close(), other.Close() }()
	udp, err := net.Dial("udp", "127.0.0.1:9")
	must(t, err)
	defer func() { _ = udp.Close() }()
	conns := map[string]net.Conn{
		"nothing": nil, "a pipe": pipe, "a wrapped pipe": wrapper{pipe}, "UDP": udp,
		"a wrapper of itself": itself{}, "a wrapper of nothing": itself{empty: true},
	}
	if runtime.GOOS != "windows" {
		conns["a unix socket"], _ = pair(t, "unix", filepath.Join(t.TempDir(), "s"))
	}
	for name, conn := range conns {
		r, err := tcpinfo.Open(conn)
		if r != nil || !errors.Is(err, tcpinfo.ErrNotAvailable) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: reader %v, error %v", name, r, err)
		}
	}
}

func TestClosedSocket(t *testing.T) {
	client, _ := tcpPair(t)
	r := reader(t, client)
	must(t, client.Close())
	for range 2 {
		if s, err := r.Read(); !errors.Is(err, net.ErrClosed) || errors.Is(err, tcpinfo.ErrNotAvailable) || s != (tcpinfo.Stats{}) {
			t.Errorf("read %+v, %v after Close", s, err)
		}
	}
	if _, err := tcpinfo.Open(client); !errors.Is(err, net.ErrClosed) {
		t.Errorf("opened a closed socket: %v", err)
	}
}

// TestAppLimited: the flag tells a rate that the path allows from one that is only what there was to say.
func TestAppLimited(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	client, server := tcpPair(t)
	r := reader(t, client)
	for range 20 {
		echo(t, client, server, 100)
	}
	if s := reading(t, r); !s.AppLimited {
		t.Errorf("a chat isn't limited by its words: %+v", s)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, server)
		done <- err
	}()
	limited, total := 0, 0
	for piece := make([]byte, 1<<20); total < 100; total++ {
		_, err := client.Write(piece)
		must(t, err)
		if reading(t, r).AppLimited {
			limited++
		}
	}
	if limited > total/2 {
		t.Errorf("in %d of %d MB the rate was limited by what there was to send", limited, total)
	}
	must(t, client.Close())
	must(t, <-done)
}

// TestStreamsInMemoryOfferTheirOwn also holds faultnet to the interface that it can't import.
func TestStreamsInMemoryOfferTheirOwn(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		const delay = 30 * time.Millisecond
		n := faultnet.NewNetwork(1)
		n.SetDefault(faultnet.Symmetric(2 * delay))
		ln, err := n.Listen("server:80")
		must(t, err)
		defer func() { _ = ln.Close() }()
		client, err := n.Dialer("client")(t.Context(), "tcp", "server:80")
		must(t, err)
		server, err := ln.Accept()
		must(t, err)
		defer func() { _ = server.Close() }()
		r := reader(t, wrapper{client})
		if got := reading(t, r); got != (tcpinfo.Stats{}) {
			t.Errorf("starts with %+v", got)
		}
		echo(t, client, server, 1000)
		want := tcpinfo.Stats{
			SRTT: 2 * delay, RTTVar: delay, MinRTT: 2 * delay, Sent: 1,
			BytesSent: 1000, BytesAcked: 1000, BytesReceived: 1000,
		}
		if got := reading(t, r); got != want {
			t.Errorf("counters %+v, want %+v", got, want)
		}
		must(t, client.Close())
		if _, err := r.Read(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestAReadingAllocatesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux promises it")
	}
	client, server := tcpPair(t)
	echo(t, client, server, 1000)
	r := reader(t, client)
	if got := testing.AllocsPerRun(100, func() { _, _ = r.Read() }); got != 0 {
		t.Errorf("%v allocations for a reading", got)
	}
}

func BenchmarkRead(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r, err := tcpinfo.Open(conn)
	if err != nil {
		b.Skip(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
