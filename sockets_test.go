package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/tcpinfo"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/upload"
)

// TestCountersOfRealSockets asks this machine's kernel.
func TestCountersOfRealSockets(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system's kernel tells nothing")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var s chatsdk.Sockets
	var conns [2]net.Conn
	for i := range conns {
		raw, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		conn := s.Add(raw, uint64(i+1))
		conns[i] = conn
		for range 10 * (i + 1) {
			if _, err := conn.Write(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(far, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := far.Write([]byte("x")); err != nil { // its answer acknowledges all
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	all := s.Counters()
	for i := range conns {
		c := all[uint64(i+1)]
		if want := uint64(10 * (i + 1)); c.Sent < want || c.Sent > 2*want || c.Retransmitted > c.Sent || c.SRTT <= 0 {
			t.Errorf("socket %d: %+v", i+1, c)
		}
		if c := all[uint64(i+1)]; runtime.GOOS == "linux" && c.Delivered != c.Sent-c.Retransmitted {
			t.Errorf("all of socket %d was acknowledged: %+v", i+1, c)
		}
	}
	if wrapped, ok := conns[0].(interface{ NetConn() net.Conn }); !ok {
		t.Error("nobody gets at the connection underneath")
	} else if _, ok := wrapped.NetConn().(syscall.Conn); !ok {
		t.Errorf("underneath is %T", wrapped.NetConn())
	}
	if _, err := tcpinfo.Open(conns[0]); err != nil {
		t.Error(err)
	}
	if err := conns[0].(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	_ = conns[0].Close()
	if all := s.Counters(); len(all) != 1 || all[2].Sent == 0 {
		t.Errorf("after one was closed: %+v", all)
	}
	_ = conns[1].(interface{ NetConn() net.Conn }).NetConn().Close() // behind our back
	if all := s.Counters(); len(all) != 0 {
		t.Errorf("after both were: %+v", all)
	}
}

// TestSegmentsOfARealClientAreCounted takes a client through this machine's sockets.
func TestSegmentsOfARealClientAreCounted(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system's kernel tells nothing")
	}
	w, err := scenario.NewRealWorld(t.Context(), t.TempDir(), scenario.WorldOptions{Seed: 1, Link: faultnet.Symmetric(10 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	ada, err := w.AddClient(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if !until(func() bool {
		says(t, ada.Chat)
		q := ada.Chat.Quality()
		return q.Loss.Segments > 0 && !q.Loss.Inferred && q.Reach == quality.ReachOnline
	}, 20*time.Second) {
		t.Errorf("%+v, %+v", ada.Chat.Quality(), ada.Chat.QualityStats())
	}
}

// countersOfEach loses connections in a conversation: what a new socket counts follows nothing that the old one did.
func countersOfEach(t *testing.T, h *host) error {
	c := h.measured(t, realtime.Foreground, &tally{})
	defer c.Close()
	for i := range 200 {
		time.Sleep(200 * time.Millisecond)
		says(t, c)
		if i%50 == 25 {
			h.link.Reset()
		}
	}
	q, s := c.Quality(), c.QualityStats()
	if n := c.LiveSockets(); n < 1 || n > 3 {
		return fmt.Errorf("%d sockets live after four reconnects", n)
	}
	if s.Refused != 0 || s.Dropped != 0 || q.Drops != 4 || q.Loss.Segments == 0 || q.Loss.Inferred {
		return fmt.Errorf("after four reconnects: %+v, %+v", s, q)
	}
	return nil
}

func TestCountersBelongToTheirSocket(t *testing.T) { holds(t, countersOfEach) }

// dialTimeouts has a client that isn't connected, and so sends no probes, dial into a dead network.
func dialTimeouts(t *testing.T, h *host) error {
	c := h.open(t, chatsdk.InMemory(), nil)
	defer c.Close()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		return err
	}
	h.link.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	if conn, err := c.Dial(ctx, ""); err == nil {
		return errors.Join(errors.New("a dial got through a cut"), conn.Close())
	}
	_, err := seen(t, c, quality.ReachOffline, 3*time.Second)
	return err
}

func TestDialTimeoutsAreTold(t *testing.T) { holds(t, dialTimeouts) }

// TestHandshakeWithAProxySaysNothing: what answers there isn't the server. Its counters are those of the first hop, and told.
func TestHandshakeWithAProxySaysNothing(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		ln, err := h.net.Listen("proxy:3128")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		c := h.open(t, chatsdk.InMemory(), nil)
		defer c.Close()
		time.Sleep(time.Second)
		before := c.QualityStats()
		conn, err := c.Dial(t.Context(), "proxy:3128")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := c.QualityStats(); s != before || c.LiveSockets() != 1 {
			t.Errorf("after a handshake with a proxy %+v, before %+v; %d sockets", s, before, c.LiveSockets())
		}
		_ = conn.Close()
		if conn, err = c.Dial(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		time.Sleep(time.Second)
		if s := c.QualityStats(); s.Samples != before.Samples+2 || c.LiveSockets() != 0 {
			t.Errorf("after a handshake with the server %+v, before %+v; %d sockets", s, before, c.LiveSockets())
		}
	})
}

// callsOnNewConnections makes calls so seldom that each has a connection of its own: there is no round trip in them.
func callsOnNewConnections(t *testing.T, h *host) error {
	c := h.open(t, chatsdk.InMemory(), nil)
	defer c.Close()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		return err
	}
	for i := range 10 {
		time.Sleep(31 * time.Second) // beyond the life of an idle connection
		if err := c.CreateChannel(t.Context(), fmt.Sprint("room-", i), false); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
		if q := c.Quality(); q.RTT.Median != 0 || q.Level != quality.Good || q.Reach != quality.ReachOnline {
			return fmt.Errorf("call %d on a link of 100 ms: %+v", i, q)
		}
	}
	if err := c.CreateChannel(t.Context(), "another", false); err != nil { // on the same connection
		return err
	}
	time.Sleep(time.Millisecond)
	if q := c.Quality(); q.RTT.Median < 99*time.Millisecond || q.RTT.Median > 101*time.Millisecond {
		return fmt.Errorf("a call on an open connection: %+v", q)
	}
	return nil
}

func TestFirstCallOfAConnectionIsNoRoundTrip(t *testing.T) { holds(t, callsOnNewConnections) }

// TestTransfersAreMeasured: an upload and a download tell what the link carries, and what is measured beside them is kept
// apart.
func TestTransfersAreMeasured(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		const rate = 1 << 20
		h.link.Update(func(c *faultnet.Conditions) { c.Up.Rate, c.Down.Rate = rate, rate })
		c := h.measured(t, realtime.Foreground, &tally{})
		defer c.Close()
		time.Sleep(10 * time.Second)
		path, _ := writeFile(t, "film", 12<<20)
		u, err := c.Upload(t.Context(), upload.Request{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if u, err = c.WaitUpload(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		q := c.Quality()
		if q.Goodput.Up < 0.7*rate || q.Goodput.Up > rate || q.RTT.Loaded == 0 || q.Level != quality.Good {
			t.Errorf("after an upload at %d bytes a second: %+v", rate, q)
		}
		a := chatsdk.Attachment{ID: filepath.Base(u.URL), SHA256: u.SHA256, Size: 12 << 20}
		if _, err := c.Download(t.Context(), chatsdk.DownloadRequest{Attachment: a, Dir: t.TempDir(), Name: "film"}); err != nil {
			t.Fatal(err)
		}
		if q := c.Quality(); q.Goodput.Down < 0.7*rate || q.Goodput.Down > 1.05*rate || q.Level != quality.Good {
			t.Errorf("after a download at %d bytes a second: %+v", rate, q)
		}
		time.Sleep(time.Minute)
		if q := c.Quality(); q.RTT.Median.Round(2*time.Millisecond) != 100*time.Millisecond {
			t.Errorf("a minute later: %+v", q)
		}
	})
}

// TestTellingAllocatesNothing: what the connection tells of each ping, call and push goes to the monitor for free.
func TestTellingAllocatesNothing(t *testing.T) {
	c, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: "http://localhost:1", Store: chatsdk.InMemory()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	x := realtime.Exchange{Kind: realtime.ExchangeBegan, Ping: true}
	if n := testing.AllocsPerRun(500, func() {
		x.ID++
		x.Kind, x.At = realtime.ExchangeBegan, time.Now()
		c.OnExchange(x)
		x.Kind, x.RTT = realtime.ExchangeAnswered, time.Millisecond
		c.OnExchange(x)
		x.Kind = realtime.ExchangeHeard
		c.OnExchange(x)
		runtime.Gosched() // the monitor takes them
	}); n != 0 {
		t.Errorf("%v allocations for a ping, its answer and a push", n)
	}
	if !until(func() bool { return c.QualityStats().Samples > 0 }, 10*time.Second) {
		t.Errorf("nothing was taken: %+v", c.QualityStats())
	}
}
