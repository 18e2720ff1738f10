package faultnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

func TestDialErrors(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		dial := w.net.Dialer("client")
		for _, row := range []struct {
			name, network, addr string
			want                error
			after               time.Duration
		}{
			{"nobody listens", "tcp", "server:81", syscall.ECONNREFUSED, rtt},
			{"unknown host", "tcp", "nowhere:80", syscall.ECONNREFUSED, rtt},
			{"no port", "tcp", "server", nil, 0},
			{"port by name", "tcp", "server:http", nil, 0},
			{"port too large", "tcp", "server:65536", nil, 0},
			{"no host", "tcp", ":80", nil, 0},
			{"not TCP", "udp", "server:80", nil, 0},
		} {
			start := time.Now()
			conn, err := dial(t.Context(), row.network, row.addr)
			var op *net.OpError
			if conn != nil || !errors.As(err, &op) || op.Op != "dial" {
				t.Errorf("%s: %v, %v; want a *net.OpError of dial", row.name, conn, err)
			}
			if row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
			if got := time.Since(start); got != row.after {
				t.Errorf("%s: took %v, want %v", row.name, got, row.after)
			}
		}
	})
}

func TestUnreachableAndRefusedFailAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
		after, err := w.dialError(t.Context())
		wantErrno(t, err, syscall.EHOSTUNREACH)
		if after != 0 {
			t.Errorf("unreachable after %v", after)
		}
		w.link.Update(func(c *faultnet.Conditions) { c.Unreachable, c.Refused = false, true })
		after, err = w.dialError(t.Context())
		wantErrno(t, err, syscall.ECONNREFUSED)
		if after != 0 {
			t.Errorf("refused after %v", after)
		}
		w.link.Heal()
		w.dial()
	})
}

func TestADialInProgressSitsInBackOff(t *testing.T) {
	for _, row := range []struct {
		name string
		heal time.Duration
		want time.Duration // when the next SYN leaves
	}{
		{"before the first retransmission", 100 * time.Millisecond, time.Second},
		{"between the second and the third", 3500 * time.Millisecond, 7 * time.Second},
		{"just in time", 31*time.Second - 1, 31 * time.Second},
		{"just too late", 31*time.Second + 1, 63 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				w := newWorld(t, 1, faultnet.Symmetric(rtt))
				w.link.Cut()
				start := time.Now()
				time.AfterFunc(row.heal, w.link.Heal)
				conn, err := w.net.Dialer("client")(t.Context(), "tcp", "server:80")
				must(t, err)
				took(t, start, row.want+rtt)
				must(t, conn.Close())
			})
		})
	}
}

func TestADialGivesUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Cut()
		after, err := w.dialError(context.Background())
		wantErrno(t, err, syscall.ETIMEDOUT)
		if after != 127*time.Second {
			t.Errorf("gave up after %v, want 127 s", after)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		after, err = w.dialError(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !timeout(err) || after != 2*time.Second {
			t.Errorf("%v after %v, want the context's timeout after 2 s", err, after)
		}
	})
}

func TestOneDirectionDownIsEnoughToStopADial(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Update(func(c *faultnet.Conditions) { c.Down.Down = true })
		time.AfterFunc(time.Second/2, w.link.Heal)
		start := time.Now()
		w.dial()
		took(t, start, time.Second+rtt+rtt/2)
		if got := w.link.Stats().DialRetries; got != 1 {
			t.Errorf("%d retries of the dial, want 1", got)
		}
	})
}

func TestAStalledDialGoesOnAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Update(func(c *faultnet.Conditions) { c.Up.Stall = true })
		time.AfterFunc(10*time.Second, w.link.Heal)
		start := time.Now()
		w.dial()
		took(t, start, 10*time.Second+rtt/2+rtt/2)
	})
}

func TestHangAcceptsAndSaysNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Update(func(c *faultnet.Conditions) { c.Hang = true })
		start := time.Now()
		client, err := w.net.Dialer("client")(t.Context(), "tcp", "server:80")
		must(t, err)
		took(t, start, rtt)
		write(t, client, "hello?")
		silent(t, client, time.Minute)
		w.link.Heal()
		other, server := w.dial() // the listener only ever sees the one that was made after the heal
		write(t, other, "x")
		read(t, server, "x")
		silent(t, client, time.Minute)
		must(t, client.Close())
		if got := w.link.Stats().Live; got != 1 {
			t.Errorf("%d live connections after the hung one was closed, want 1", got)
		}
	})
}

func TestCloseSendsTheRestAndThenTheEnd(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, client, "last words")
		must(t, client.Close())
		text, err := readError(t, server)
		if text != "last words" || !errors.Is(err, io.EOF) {
			t.Fatalf("read %q, %v; want the last words and io.EOF itself", text, err)
		}
		for name, call := range map[string]func() error{
			"Read":        func() error { _, err := client.Read(make([]byte, 1)); return err },
			"Write":       func() error { _, err := client.Write([]byte("x")); return err },
			"Close":       client.Close,
			"SetDeadline": func() error { return client.SetDeadline(time.Time{}) },
			"CloseWrite":  client.(*faultnet.Conn).CloseWrite,
			"CloseRead":   client.(*faultnet.Conn).CloseRead,
			"SetLinger":   func() error { return client.(*faultnet.Conn).SetLinger(0) },
		} {
			var op *net.OpError
			if err := call(); !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
		write(t, server, "too late") // a closed socket answers with RST, a round trip later
		time.Sleep(rtt - 1)
		write(t, server, "not known yet")
		time.Sleep(2 * time.Nanosecond)
		_, err = server.Write([]byte("x"))
		wantErrno(t, err, syscall.ECONNRESET)
	})
}

func TestHalfCloseKeepsTheOtherDirection(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, client, "question")
		must(t, client.(*faultnet.Conn).CloseWrite())
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write after CloseWrite: %v", err)
		}
		if text, err := readError(t, server); text != "question" || !errors.Is(err, io.EOF) {
			t.Fatalf("read %q, %v", text, err)
		}
		time.Sleep(time.Minute)
		write(t, server, "answer")
		must(t, server.Close())
		if text, err := readError(t, client); text != "answer" || !errors.Is(err, io.EOF) {
			t.Fatalf("read %q, %v", text, err)
		}
	})
}

func TestLingerZeroResets(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		start := time.Now()
		must(t, server.(*faultnet.Conn).SetLinger(0))
		must(t, server.Close())
		_, err := readError(t, client)
		wantErrno(t, err, syscall.ECONNRESET)
		took(t, start, rtt/2)

		client, server = w.dial()
		must(t, server.(*faultnet.Conn).SetLinger(0))
		w.link.Cut() // a lost RST isn't sent again
		must(t, server.Close())
		w.link.Heal()
		silent(t, client, time.Minute)
	})
}

func TestDeadlines(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		start := time.Now()
		must(t, client.SetReadDeadline(start.Add(time.Second)))
		_, err := client.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || !timeout(err) {
			t.Errorf("error %v", err)
		}
		took(t, start, time.Second)
		if _, err := client.Read(make([]byte, 1)); !timeout(err) {
			t.Errorf("second read: %v", err)
		}

		must(t, client.SetDeadline(time.Time{})) // a read in progress follows a deadline that is set meanwhile
		start = time.Now()
		time.AfterFunc(time.Second, func() { _ = client.SetReadDeadline(start.Add(3 * time.Second)) })
		_, err = client.Read(make([]byte, 1))
		if !timeout(err) {
			t.Errorf("error %v", err)
		}
		took(t, start, 3*time.Second)

		must(t, client.SetReadDeadline(time.Now().Add(rtt/2))) // data in time beats the deadline
		must(t, client.SetReadDeadline(time.Time{}))
		write(t, server, "x")
		read(t, client, "x")
		must(t, client.SetWriteDeadline(time.Unix(1, 0)))
		if _, err := client.Write([]byte("x")); !timeout(err) {
			t.Errorf("write past its deadline: %v", err)
		}
	})
}

func TestCloseWakesARead(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, _ := w.dial()
		time.AfterFunc(time.Second, func() { _ = client.Close() })
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestABoundedBufferBlocksTheWriter(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.net.SetBuffer(1000)
		client, server := w.dial()
		must(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := client.Write(make([]byte, 1500)) // nobody reads
		if n != 1000 || !timeout(err) {
			t.Fatalf("wrote %d, %v; want 1000 and a timeout", n, err)
		}
		must(t, client.SetWriteDeadline(time.Time{}))
		start := time.Now()
		time.AfterFunc(10*time.Second, func() { _, _ = io.ReadFull(server, make([]byte, 600)) })
		if n, err := client.Write(make([]byte, 600)); n != 600 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		took(t, start, 10*time.Second)

		time.AfterFunc(time.Second, w.link.Reset)
		_, err = client.Write(make([]byte, 1000))
		wantErrno(t, err, syscall.ECONNRESET)
	})
}

func TestListenerCloseResetsItsBacklog(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		conn, err := w.net.Dialer("client")(t.Context(), "tcp", "server:80")
		must(t, err)
		time.Sleep(rtt)
		if _, err := w.net.Listen("server:80"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
		must(t, w.listener.Close())
		_, err = readError(t, conn)
		wantErrno(t, err, syscall.ECONNRESET)
		if _, err := w.listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if err := w.listener.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: %v", err)
		}
		_, err = w.dialError(t.Context())
		wantErrno(t, err, syscall.ECONNREFUSED)
		again, err := w.net.Listen("server:80")
		must(t, err)
		must(t, again.Close())
		if got := w.link.Stats().Live; got != 0 {
			t.Errorf("%d live connections", got)
		}
	})
}

func TestListenErrors(t *testing.T) {
	n := faultnet.NewNetwork(1)
	for _, addr := range []string{"", "server", "server:x", ":80", "server:-1", "a:b:c"} {
		if ln, err := n.Listen(addr); err == nil {
			t.Errorf("listens on %q at %v", addr, ln.Addr())
		}
	}
	ln, err := n.Listen("server:0")
	must(t, err)
	if _, port, err := net.SplitHostPort(ln.Addr().String()); err != nil || port == "0" {
		t.Errorf("address %v", ln.Addr())
	}
}

func TestAnHTTPServerInMemory(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		body := bytes.Repeat([]byte("0123456789"), 100_000)
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(rw, r.Body)
		})}
		done := make(chan error, 1)
		go func() { done <- server.Serve(w.listener) }()
		transport := &http.Transport{DialContext: w.net.Dialer("client")}
		client := &http.Client{Transport: transport}
		start := time.Now()
		resp, err := client.Post("http://server:80/", "text/plain", bytes.NewReader(body))
		must(t, err)
		got, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if !bytes.Equal(got, body) {
			t.Errorf("got %d bytes, not those that were sent", len(got))
		}
		took(t, start, 2*rtt)
		transport.CloseIdleConnections()
		must(t, server.Shutdown(t.Context()))
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
