package api_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// counted is a server that counts its connections.
func counted(t *testing.T, h http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, &conns
}

// real makes a Client with a transport of its own and short waits.
func realClient(t *testing.T, o api.Options) *api.Client {
	t.Helper()
	o.RetryMin, o.RetryMax = time.Millisecond, 2*time.Millisecond
	c, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestOneConnectionForManyRetries: what a retry leaves behind is read and closed, so that its connection is used again.
func TestOneConnectionForManyRetries(t *testing.T) {
	var n atomic.Int32
	srv, conns := counted(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%4 != 0 {
			w.WriteHeader(http.StatusTooEarly) // costs nothing of the budget, which ends the retries of others early
			_, _ = io.WriteString(w, strings.Repeat("too early ", 3000))
		}
	})
	c := realClient(t, api.Options{Breaker: api.BreakerOptions{Disabled: true}})
	for range 20 {
		res, err := c.HTTP().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	t.Logf("%d attempts on %d connections", n.Load(), conns.Load())
	if conns.Load() != 1 || n.Load() != 80 {
		t.Errorf("%d attempts took %d connections, want 1", n.Load(), conns.Load())
	}
}

// TestDeadPooledConnection: a POST that meets a connection which died while idle goes again if nothing of it was
// written, and not if it was, key or not.
func TestDeadPooledConnection(t *testing.T) {
	var posts atomic.Int32
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { // each connection answers one request, reads the next and hangs up
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				buf := make([]byte, 4096)
				for i := range 2 {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if strings.HasPrefix(string(buf[:n]), "POST") {
						posts.Add(1)
					}
					if i == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	url := "http://" + ln.Addr().String()
	for _, body := range []string{"x", ""} {
		c := realClient(t, api.Options{})
		res, err := c.HTTP().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		posts.Store(0)
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.RoundTrip(req)
		if !errors.Is(err, api.ErrUnsafe) || posts.Load() != 1 {
			t.Errorf("body %q: %v after %d posts arrived, want one and ErrUnsafe", body, err, posts.Load())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedStreams plays an HTTP/2 server that refuses the first streams in the two ways that prove that nothing was
// processed: a POST goes again.
func TestRefusedStreams(t *testing.T) {
	for name, refuse := range map[string]func(conn net.Conn, stream uint32) (over bool){
		"REFUSED_STREAM": func(conn net.Conn, stream uint32) bool {
			frame(conn, 3, 0, stream, []byte{0, 0, 0, 7})
			return false
		},
		"GOAWAY": func(conn net.Conn, stream uint32) bool {
			last := binary.BigEndian.AppendUint32(nil, max(stream, 2)-2) // the one before
			frame(conn, 7, 0, 0, append(last, 0, 0, 0, 0))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, posts := h2Server(t, refuse)
			tr := &http.Transport{
				Protocols: new(http.Protocols), DialTLSContext: func(ctx context.Context, n, a string) (net.Conn, error) {
					return nil, errors.New("no TLS here")
				},
			}
			tr.Protocols.SetUnencryptedHTTP2(true)
			defer tr.CloseIdleConnections()
			c := realClient(t, api.Options{Transport: tr})
			req, err := http.NewRequest(http.MethodPost, "http://"+addr, strings.NewReader("hi"))
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.RoundTrip(req)
			if err != nil || res.StatusCode != http.StatusNoContent || posts.Load() < 3 {
				t.Fatalf("%v, %v after %d posts", res, err, posts.Load())
			}
			res.Body.Close()
		})
	}
}

// frame writes an HTTP/2 frame, RFC 9113, 4.1.
func frame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	_, _ = w.Write(append(b, payload...))
}

// h2Server answers each connection's first stream and has refuse look at all others until three came.
func h2Server(t *testing.T, refuse func(net.Conn, uint32) bool) (addr string, posts *atomic.Int32) {
	posts = &atomic.Int32{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	serve := func(conn net.Conn) {
		defer context.AfterFunc(t.Context(), func() { conn.Close() })() // which ends just before the cleanups
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		frame(conn, 4, 0, 0, nil) // SETTINGS
		head := make([]byte, 9)
		for {
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			size := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
			stream := binary.BigEndian.Uint32(head[5:])
			if _, err := io.CopyN(io.Discard, conn, size); err != nil {
				return
			}
			switch {
			case head[3] == 4 && head[4]&1 == 0:
				frame(conn, 4, 1, 0, nil) // acknowledged
			case head[3] != 1: // no HEADERS
			case posts.Add(1) < 3:
				if refuse(conn, stream) {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
			default:
				frame(conn, 1, 4|1, stream, []byte{0x89}) // :status 204, RFC 7541, appendix A
			}
		}
	}
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), posts
}

// TestCertificateIsNotTriedAgain: nobody's patience makes an untrusted certificate trusted.
func TestCertificateIsNotTriedAgain(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	srv.Config.ErrorLog = nil
	c := realClient(t, api.Options{TLSConfig: &tls.Config{}})
	_, err := c.HTTP().Get(srv.URL)
	var e *api.Error
	if !errors.As(err, &e) || !errors.Is(err, api.ErrFailed) || e.Count != 1 || e.Retryable() || !e.SafeToRetry() {
		t.Errorf("%v", err)
	}
}

// TestRefusedPortIsTheServersFault and proves that nothing was sent, so that a POST goes again until the server is there.
func TestRefusedPortIsTheServersFault(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	var last atomic.Pointer[api.Attempt]
	var srv *http.Server
	started := make(chan error, 1)
	var once sync.Once
	c := realClient(t, api.Options{OnAttempt: func(a api.Attempt) {
		last.Store(&a)
		if a.Fault == api.FaultServer && a.Sent == api.SentNothing {
			once.Do(func() {
				ln, err := net.Listen("tcp", addr)
				if err != nil {
					started <- err
					return
				}
				srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })}
				started <- nil
				go func() { _ = srv.Serve(ln) }()
			})
		}
	}})
	res, err := c.HTTP().Post("http://"+addr, "text/plain", strings.NewReader("hi"))
	if startErr := <-started; startErr != nil {
		t.Fatal("another program took the port: ", startErr)
	}
	defer srv.Close()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(res.Body); string(b) != "hi" {
		t.Errorf("%q", b)
	}
	res.Body.Close()
	if a := last.Load(); a.N < 2 || a.Timings.FirstByte <= 0 || a.Timings.Connect <= 0 {
		t.Errorf("last attempt: %+v", a)
	}
}
