package faultnet_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// elsewhere is a fault that no request of these tests meets: the proxy has to understand everything and change nothing.
var elsewhere = faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: "/elsewhere"}

// talk is what two peers say in turn: from the client, from the server, and so on.
type talk []string

// play says it and checks that each peer hears exactly that.
func (talk talk) play(t *testing.T, client, server net.Conn) {
	t.Helper()
	for i, text := range talk {
		from, to := client, server
		if i%2 == 1 {
			from, to = server, client
		}
		if text != "" {
			write(t, from, text)
			read(t, to, text)
		}
	}
}

// TestProxyUnderstandsHTTPWithoutTouchingIt compares bytes: an understood connection carries the same as a raw one.
func TestProxyUnderstandsHTTPWithoutTouchingIt(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, talk := range map[string]talk{
		"keep-alive":       {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", ok, "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", ok},
		"odd spelling":     {"GET  /a HTTP/1.1\r\nhOsT:x\r\nX:\ty \r\n\r\n", "HTTP/1.1 200\r\ncontent-LENGTH:2\r\nX : y\r\n\r\nok"},
		"bare newlines":    {"GET /a HTTP/1.1\nHost: x\n\n", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"HTTP/1.0":         {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"},
		"no body":          {"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET /c HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "GET /d HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"until the end":    {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nand so ", "", "on"},
		"expect, go on":    {"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "abc", ok, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"expect, no":       {"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"},
		"early hints":      {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "", ok, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"early reply":      {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc", ok, "def", "", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"chunks":           {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n", "", "0A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"stream of chunks": {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "", "1\r\nb\r\n"},
		"broken chunks":    {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "more", "and more"},
		"broken reply":     {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/x\r\n\r\nwhat", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"upgrade":          {"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a", "\x81\x81mask", "\x81\x01b", "GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", "\x82"},
		"upgrade refused":  {"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"CONNECT":          {"CONNECT y:1 HTTP/1.1\r\nHost: y:1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", "\x00\x01"},
		"HTTP/2":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00", "\x00\x00", "\x01", "\x02"},
		"TLS":              {"\x16\x03\x01\x02", "\x16\x03", "\x17", "\x17"},
		"line protocol":    {"EHLO x\r\n", "250 x\r\n", "QUIT\r\n", "221 bye\r\n"},
		"server first":     {"", "220 x\r\n", "EHLO x\r\n", "250 x\r\n"},
		"not a request":    {"GET a b c HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "x", "y"},
		"long head":        {"GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 60<<10) + "\r\n\r\n", ok, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", ok},
		"endless head":     {"GET /a HTTP/1.1\r\nX: " + strings.Repeat("x", 300<<10), "HTTP/1.1 431 x\r\n\r\n", "y", "z"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, understood := range []bool{false, true} {
				u := newUpstream(t, "127.0.0.1:0")
				p := newProxy(t, u.addr())
				if understood {
					must(t, p.HTTP().Set(elsewhere))
				}
				client := dialTCP(t, p.Addr())
				server := u.next(t)
				talk.play(t, client, server)
				must(t, client.CloseWrite())
				if text, err := readError(t, server); text != "" || !errors.Is(err, io.EOF) {
					t.Errorf("the server hears %q, %v at the end", text, err)
				}
				write(t, server, "late") // after the client's end of its half
				must(t, server.Close())
				if text, err := readError(t, client); text != "late" || !errors.Is(err, io.EOF) {
					t.Errorf("the client hears %q, %v at the end", text, err)
				}
				must(t, p.Close())
			}
		})
	}
}

// TestProxyUnderstandsPipelining sends requests without waiting: they are answered one after the other.
func TestProxyUnderstandsPipelining(t *testing.T) {
	s := newRealSite(t)
	must(t, s.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: 503, Path: "/no"}))
	conn := dialTCP(t, s.proxy.Addr())
	write(t, conn, strings.Repeat("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nxGET /no HTTP/1.1\r\nHost: x\r\n\r\n", 3))
	must(t, conn.CloseWrite())
	all, err := readError(t, conn)
	var got []string
	for _, answer := range strings.Split(all, "HTTP/1.1 ")[1:] {
		got = append(got, answer[:3])
	}
	if want := []string{"200", "503", "200", "503", "200", "503"}; !slices.Equal(got, want) || !errors.Is(err, io.EOF) {
		t.Errorf("answers %v, %v; want %v", got, err, want)
	}
}

// TestProxyUnderstandsLiveConnections adds a fault while connections live: it holds from the next request on, and not
// for what isn't HTTP.
func TestProxyUnderstandsLiveConnections(t *testing.T) {
	s := newRealSite(t)
	s.fine("/a", "before")
	must(t, s.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: 503, Limit: 2}))
	for range 2 {
		resp, _, err := s.do(t.Context(), "POST", "/a", "x")
		must(t, err)
		if resp.StatusCode != 503 {
			t.Errorf("%d, want 503", resp.StatusCode)
		}
	}
	s.fine("/a", "after")
	s.faults.Heal()
	s.fine("/a", "healed")
	if got := s.proxy.Link().Stats().Conns; got != 1 {
		t.Errorf("%d connections, want one alive", got)
	}

	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	client, server := through(t, p, u)
	must(t, p.HTTP().Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus}))
	talk{"not HTTP", "neither", "GET / FTP/1.1\r\n", "\x00"}.play(t, client, server)
	must(t, server.(*net.TCPConn).CloseWrite()) // the upstream's reader has ended when the first request comes
	read(t, client, "")
	write(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if text, err := readError(t, client); !strings.HasPrefix(text, "HTTP/1.1 503 ") && !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", text, err)
	}
}

// TestProxyAnswersExpectations answers for the upstream: the client's body is asked for and read, so that the connection
// goes on.
func TestProxyAnswersExpectations(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0")
	p := newProxy(t, u.addr())
	must(t, p.HTTP().Set(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Status: 503, Limit: 1}))
	client := dialTCP(t, p.Addr())
	server := u.next(t)
	write(t, client, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	read(t, client, "HTTP/1.1 100 Continue\r\n\r\n")
	write(t, client, "3\r\nabc\r\n0\r\n\r\n")
	read(t, client, "HTTP/1.1 503 Service Unavailable\r\n")
	write(t, client, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	read(t, server, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
}

// TestProxyEndsWhileRequestsHang closes a proxy whose requests hang or trickle: nothing is left behind, and until then
// the client hears nothing, not even that the upstream has gone.
func TestProxyEndsWhileRequestsHang(t *testing.T) {
	for _, fault := range []faultnet.HTTPFault{
		{Kind: faultnet.HTTPRequestLost, Hang: true},
		{Kind: faultnet.HTTPReplyLost, Hang: true},
		{Kind: faultnet.HTTPSlowBody, Rate: 1},
	} {
		t.Run(string(fault.Kind), func(t *testing.T) {
			u := newUpstream(t, "127.0.0.1:0")
			p := newProxy(t, u.addr())
			must(t, p.HTTP().Set(fault))
			client := dialTCP(t, p.Addr())
			server := u.next(t)
			write(t, client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
			until(t, "the fault", func() bool { return p.HTTP().Stats().Injected[fault.Kind] == 1 })
			if fault.Kind != faultnet.HTTPRequestLost {
				read(t, server, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
				write(t, server, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))
			}
			if fault.Hang {
				_ = server.Close()
				silent(t, client, patience)
			}
			must(t, p.Close())
			must(t, client.SetDeadline(time.Now().Add(guard)))
			_, _ = io.Copy(io.Discard, client)
		})
	}
}

// TestProxyTellsTheUpstreamThatTheClientHasGone leaves while a reply is outstanding, as clients do that cancel.
func TestProxyTellsTheUpstreamThatTheClientHasGone(t *testing.T) {
	for _, fault := range []faultnet.HTTPFault{elsewhere, {Kind: faultnet.HTTPReplyLost, Hang: true}} {
		t.Run(string(fault.Kind), func(t *testing.T) {
			gone := make(chan struct{})
			u := newUpstream(t, "127.0.0.1:0")
			p := newProxy(t, u.addr())
			must(t, p.HTTP().Set(fault))
			client := dialTCP(t, p.Addr())
			server := u.next(t)
			go func() {
				defer close(gone)
				_, _ = http.ReadRequest(bufio.NewReader(server))
				_, _ = server.Read(make([]byte, 1))
			}()
			write(t, client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
			must(t, client.Close())
			select {
			case <-gone:
			case <-time.After(guard):
				t.Fatal("the upstream never heard of it")
			}
		})
	}
}

// FuzzProxyPassesHTTP lets two peers say anything: an understood connection carries each byte.
func FuzzProxyPassesHTTP(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), uint8(0))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n"), uint8(7))
	f.Add([]byte("\r\n\r\nGET / HTTP/1.0\n\n"), []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), uint8(1))
	f.Add([]byte("\x16\x03"), []byte(""), uint8(1))
	f.Fuzz(func(t *testing.T, up, down []byte, piece uint8) {
		if len(up)+len(down) > 64<<10 {
			t.Skip("longer than needed")
		}
		u := newUpstream(t, "127.0.0.1:0")
		p := newProxy(t, u.addr())
		must(t, p.HTTP().Set(elsewhere))
		client := dialTCP(t, p.Addr())
		server := u.next(t).(*net.TCPConn)
		heard := make(chan []byte, 1)
		go func() {
			_, _ = server.Write(down)
			_ = server.CloseWrite()
			all, _ := io.ReadAll(server)
			heard <- all
		}()
		sent := up
		for len(sent) > 0 {
			n := min(len(sent), int(piece)+1)
			_, err := client.Write(sent[:n])
			must(t, err)
			sent = sent[n:]
		}
		must(t, client.CloseWrite())
		got, err := io.ReadAll(client)
		if bytes.Contains(up, []byte("/elsewhere")) {
			return
		}
		if !bytes.Equal(got, down) || err != nil {
			t.Errorf("the client heard %q, %v; want %q", got, err, down)
		}
		if got := <-heard; !bytes.Equal(got, up) {
			t.Errorf("the server heard %q, want %q", got, up)
		}
	})
}
