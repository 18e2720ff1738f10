package faultnet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// guard is how long a test on real sockets may wait for what should come at once: a hang, not a measurement.
const guard = 30 * time.Second

// upstream is a TCP server whose connections the test takes.
type upstream struct {
	ln    net.Listener
	conns chan net.Conn
	wg    sync.WaitGroup
}

func newUpstream(t *testing.T, addr string) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	must(t, err)
	u := &upstream{ln: ln, conns: make(chan net.Conn, 10_000)}
	u.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(guard))
			u.conns <- conn
		}
	})
	t.Cleanup(u.close)
	return u
}

func (u *upstream) addr() string { return u.ln.Addr().String() }

// close stops and closes what nobody took.
func (u *upstream) close() {
	_ = u.ln.Close()
	u.wg.Wait()
	for {
		select {
		case conn := <-u.conns:
			_ = conn.Close()
		default:
			return
		}
	}
}

// next is the next connection that arrives.
func (u *upstream) next(t *testing.T) net.Conn {
	t.Helper()
	select {
	case conn := <-u.conns:
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	case <-time.After(guard):
		t.Fatal("no connection arrived at the upstream")
		return nil
	}
}

// none checks that no connection has arrived.
func (u *upstream) none(t *testing.T) {
	t.Helper()
	select {
	case <-u.conns:
		t.Fatal("a connection arrived at the upstream")
	default:
	}
}

func newProxy(t *testing.T, upstream string) *faultnet.Proxy {
	t.Helper()
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Name: "test", Upstream: upstream, Seed: 1})
	must(t, err)
	must(t, p.Start())
	t.Cleanup(func() { must(t, p.Close()) })
	return p
}

func dialTCP(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, guard)
	must(t, err)
	must(t, conn.SetDeadline(time.Now().Add(guard)))
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// through opens a connection through the proxy that is known to work.
func through(t *testing.T, p *faultnet.Proxy, u *upstream) (client *net.TCPConn, server net.Conn) {
	t.Helper()
	client = dialTCP(t, p.Addr())
	server = u.next(t)
	write(t, client, "up")
	read(t, server, "up")
	write(t, server, "down")
	read(t, client, "down")
	return client, server
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(guard)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("never happened: ", what)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// wantReset checks that the peer ends with RST.
func wantReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if text, err := readError(t, conn); text != "" || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read %q, %v; want a reset", text, err)
	}
}

// wantResetDial dials and checks for RST right after the accept, which the dial itself may meet.
func wantResetDial(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, guard)
	if err == nil {
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(guard)))
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("error %v, want a reset", err)
	}
}

func TestProxyDelaysAndCountsTheHandshake(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Set(faultnet.Symmetric(60 * time.Millisecond))
	start := time.Now()
	client := dialTCP(t, p.Addr())
	write(t, client, "up")
	server := u.next(t)
	read(t, server, "up")
	write(t, server, "down")
	read(t, client, "down")
	if got := time.Since(start); got < 120*time.Millisecond {
		t.Errorf("dial, request and answer took %v, less than two round trips", got)
	}
	start = time.Now()
	write(t, client, "up")
	read(t, server, "up")
	write(t, server, "down")
	read(t, client, "down")
	if got := time.Since(start); got < 60*time.Millisecond {
		t.Errorf("request and answer took %v, less than a round trip", got)
	}
}

func TestProxyCarriesEveryByteBothWays(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Set(faultnet.Conditions{
		Up:   faultnet.Flow{Delay: 2 * time.Millisecond, Jitter: time.Millisecond},
		Down: faultnet.Flow{Rate: 20_000_000},
	})
	client, server := through(t, p, u)
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	var wg sync.WaitGroup
	send := func(conn net.Conn) {
		_, err := conn.Write(data)
		if err == nil {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			t.Error(err)
		}
	}
	receive := func(conn net.Conn) {
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("got %d bytes of %d, %v", len(got), len(data), err)
		}
	}
	wg.Go(func() { send(client) })
	wg.Go(func() { send(server) })
	wg.Go(func() { receive(client) })
	wg.Go(func() { receive(server) })
	wg.Wait()
	until(t, "connection ends", func() bool { return p.Link().Stats().Live == 0 })
	if got := p.Link().Stats(); got.BytesUp != int64(len(data)+2) || got.BytesDown != int64(len(data)+4) {
		t.Errorf("stats %+v", got)
	}
}

func TestProxyPassesHalfCloseAndReset(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	client, server := through(t, p, u)
	write(t, client, "question")
	must(t, client.CloseWrite())
	if text, err := readError(t, server); text != "question" || !errors.Is(err, io.EOF) {
		t.Fatalf("read %q, %v", text, err)
	}
	write(t, server, "answer")
	must(t, server.Close())
	if text, err := readError(t, client); text != "answer" || !errors.Is(err, io.EOF) {
		t.Fatalf("read %q, %v", text, err)
	}

	client, server = through(t, p, u)
	must(t, client.SetLinger(0))
	must(t, client.Close())
	wantReset(t, server)
	client, server = through(t, p, u)
	must(t, server.(*net.TCPConn).SetLinger(0))
	must(t, server.Close())
	wantReset(t, client)
}

func TestProxyHalfCloseBeforeTheHandshakeEnds(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Set(faultnet.Symmetric(50 * time.Millisecond))
	client := dialTCP(t, p.Addr())
	write(t, client, "question")
	must(t, client.CloseWrite())
	server := u.next(t)
	if text, err := readError(t, server); text != "question" || !errors.Is(err, io.EOF) {
		t.Fatalf("read %q, %v", text, err)
	}
	write(t, server, "answer")
	read(t, client, "answer")
}

func TestProxyResetsAndStrands(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	client, server := through(t, p, u)
	p.Link().Reset()
	wantReset(t, client)
	wantReset(t, server)

	client, server = through(t, p, u)
	p.Link().Strand(true, false)
	write(t, client, "lost")
	write(t, server, "arrives")
	read(t, client, "arrives")
	other, otherServer := through(t, p, u) // a round trip on another connection: time enough for what was lost
	silent(t, server, 50*time.Millisecond)
	must(t, other.Close())
	if _, err := readError(t, otherServer); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestProxyUpstreamRefusesAndReturns(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	through(t, p, u)
	u.close()
	wantResetDial(t, p.Addr())
	second := newUpstream(t, "127.0.0.1:0")
	p.SetUpstream(second.addr())
	through(t, p, second)
}

func TestProxyRefusedClosesTheListener(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	client, server := through(t, p, u)
	p.Link().Update(func(c *faultnet.Conditions) { c.Refused = true })
	if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial %v, %v", conn, err)
	}
	write(t, client, "goes on")
	read(t, server, "goes on")
	p.Link().Heal()
	through(t, p, u)

	p.Link().Update(func(c *faultnet.Conditions) { c.Unreachable = true })
	wantResetDial(t, p.Addr())
	p.Link().Heal()
	through(t, p, u)
}

func TestProxyListensAgainOnceItsPortIsFree(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Update(func(c *faultnet.Conditions) { c.Refused = true })
	thief, err := net.Listen("tcp", p.Addr())
	must(t, err)
	p.Link().Heal()
	must(t, thief.Close())
	until(t, "it listens again", func() bool {
		conn, err := net.Dial("tcp", p.Addr())
		if err == nil {
			must(t, conn.Close())
		}
		return err == nil
	})
}

func TestProxyHang(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Update(func(c *faultnet.Conditions) { c.Hang = true })
	hung := dialTCP(t, p.Addr())
	write(t, hung, "hello?")
	until(t, "connection is open", func() bool { return p.Link().Stats().Live == 1 })
	p.Link().Heal()
	client, server := through(t, p, u)
	silent(t, hung, 50*time.Millisecond)
	u.none(t)
	must(t, hung.Close())
	until(t, "hung connection ends", func() bool { return p.Link().Stats().Live == 1 })
	write(t, client, "x")
	read(t, server, "x")
}

func TestProxyConnectionAcceptedWhileDownWaitsForItsBackOff(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Cut()
	start := time.Now()
	client := dialTCP(t, p.Addr())
	write(t, client, "patient")
	gone := dialTCP(t, p.Addr())
	write(t, gone, "impatient")
	must(t, gone.Close())
	until(t, "the patient one tries again", func() bool { return p.Link().Stats().DialRetries == 1 })
	p.Link().Heal()
	server := u.next(t)
	read(t, server, "patient")
	if got := time.Since(start); got < 3*time.Second {
		t.Errorf("forwarded after %v, before the second retransmission of SYN", got)
	}
	must(t, p.Close())
	u.none(t) // the client that went away never reached the upstream
}

func TestProxyStopsAndStartsOnTheSamePort(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	addr := p.Addr()
	client, server := through(t, p, u)
	must(t, p.Stop())
	must(t, p.Stop())
	if p.Running() {
		t.Error("runs after Stop")
	}
	for _, conn := range []net.Conn{client, server} {
		if _, err := readError(t, conn); errors.Is(err, syscall.ETIMEDOUT) || timeout(err) {
			t.Errorf("a connection outlives Stop: %v", err)
		}
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after Stop: %v", err)
	}
	must(t, p.Start())
	must(t, p.Start())
	if p.Addr() != addr {
		t.Errorf("address %s became %s", addr, p.Addr())
	}
	through(t, p, u)
	must(t, p.Close())
	must(t, p.Close())
	if err := p.Start(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("start after Close: %v", err)
	}
}

func TestProxyHoldsAWriterBack(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	client, _ := through(t, p, u)
	p.Link().Update(func(c *faultnet.Conditions) { c.Up.Stall = true })
	must(t, client.SetWriteDeadline(time.Now().Add(2*time.Second)))
	chunk := make([]byte, 64<<10)
	total := 0
	for {
		n, err := client.Write(chunk)
		total += n
		if err != nil {
			if !timeout(err) {
				t.Fatal(err)
			}
			break
		}
		if total > 256<<20 {
			t.Fatal("the proxy takes everything")
		}
	}
	p.Link().Reset()
	if _, err := readError(t, client); timeout(err) {
		t.Error("a writer that is held back isn't told of the reset")
	}
}

func TestProxyCloseLeavesNothingRunning(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	before := runtime.NumGoroutine()
	p := newProxy(t, u.addr())
	const n = 200
	clients := make([]*net.TCPConn, n)
	for i := range clients {
		switch i { // of all kinds
		case n / 4:
			p.Link().Update(func(c *faultnet.Conditions) { c.Up.Delay, c.Down.Stall = 10*time.Millisecond, true })
		case n / 2:
			p.Link().Update(func(c *faultnet.Conditions) { c.Hang = true })
		case 3 * n / 4:
			p.Link().Strand(true, false)
			p.Link().Cut()
		}
		clients[i] = dialTCP(t, p.Addr())
		write(t, clients[i], "hello")
	}
	until(t, "all are dialled", func() bool { return p.Link().Stats().Dials == n })
	must(t, p.Close())
	if live := p.Link().Stats().Live; live != 0 {
		t.Errorf("%d live connections after Close", live)
	}
	for _, client := range clients {
		if _, err := readError(t, client); timeout(err) {
			t.Error("a connection outlives Close")
		}
	}
	until(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func TestProxyBoundsItsConnections(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Upstream: u.addr(), MaxConns: 1})
	must(t, err)
	must(t, p.Start())
	t.Cleanup(func() { must(t, p.Close()) })
	through(t, p, u)
	wantResetDial(t, p.Addr())
}

func TestProxyCarriesManyConnections(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	p.Link().Set(faultnet.Symmetric(20 * time.Millisecond))
	const n = 900 // of four sockets each in this process: below the usual 4,096 open files
	clients := make([]net.Conn, n)
	for i := range clients {
		clients[i] = dialTCP(t, p.Addr())
		write(t, clients[i], fmt.Sprintf("%08d", i))
	}
	for range n { // echo
		server := u.next(t)
		b := make([]byte, 8)
		_, err := io.ReadFull(server, b)
		must(t, err)
		write(t, server, string(b))
	}
	for i, client := range clients {
		read(t, client, fmt.Sprintf("%08d", i))
	}
}

func TestProxyOptionsAreChecked(t *testing.T) {
	for _, row := range []struct{ name, listen, upstream, want string }{
		{"no upstream", "", "", "upstream"},
		{"upstream without port", "", "localhost", "upstream"},
		{"upstream port 0", "", "localhost:0", "upstream"},
		{"upstream port too large", "", "localhost:99999", "upstream"},
		{"listen without port", "localhost", "localhost:80", "listen"},
		{"listen port by name", "localhost:http", "localhost:80", "listen"},
	} {
		p, err := faultnet.NewProxy(faultnet.ProxyOptions{Listen: row.listen, Upstream: row.upstream})
		if err == nil || p != nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Listen: taken.Addr().String(), Upstream: "localhost:80"})
	must(t, err)
	if err := p.Start(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("start on a taken port: %v", err)
	}
	must(t, p.Close())
}
