package uploads_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// live runs a check in virtual time, with the server at server:80 of a network.
func live(check func(*house, *faultnet.Network) error, change func(*server.Config)) func(t *testing.T) error {
	return func(t *testing.T) (err error) {
		bubble.Run(t, func(*testing.T) {
			err = run(func(h *house) error {
				network := faultnet.NewNetwork(1)
				ln, err := network.Listen("server:80")
				if err != nil {
					return err
				}
				served := make(chan error, 1)
				go func() { served <- h.s.Serve(ln) }()
				time.Sleep(time.Millisecond) // it serves
				err = check(h, network)
				return errors.Join(err, h.s.Kill(), <-served)
			}, change)
		})
		return err
	}
}

// checkLive runs one as a test.
func checkLive(t *testing.T, f func(*house, *faultnet.Network) error, change func(*server.Config)) {
	t.Helper()
	if err := live(f, change)(t); err != nil {
		t.Fatal(err)
	}
}

// begin sends the head of a PATCH of length bytes and the first of them, and leaves the connection open.
func (h *house) begin(network *faultnet.Network, path string, length int, first string, headers ...string) (net.Conn, error) {
	c, err := network.Dialer("phone")(context.Background(), "tcp", "server:80")
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: server\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n%s\r\n%s", path, h.tokens["alice"], length,
		strings.Join(headers, "\r\n"), first)
	time.Sleep(50 * time.Millisecond) // it is there
	return c, err
}

// handover leaves a PATCH half-open, and asks for the upload from another connection.
func handover(h *house, network *faultnet.Network) error {
	for name, ask := range map[string]func(path string) answer{
		"HEAD":   func(path string) answer { return h.do("HEAD", path, "alice", nil) },
		"PATCH":  func(path string) answer { return h.patch("alice", path, 4, []byte("ef")) },
		"DELETE": func(path string) answer { return h.do("DELETE", path, "alice", nil) },
	} {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		old, err := h.begin(network, path, 10, "abcd")
		if err != nil {
			return err
		}
		start := time.Now()
		a := ask(path)
		if took := time.Since(start); a.status >= 300 || took > 100*time.Millisecond {
			return fmt.Errorf("%s after %v: %v", name, took, a)
		}
		if name == "HEAD" && a.offset() != 4 {
			return fmt.Errorf("what arrived wasn't kept: %v", a)
		}
		reply, err := http.ReadResponse(bufio.NewReader(old), nil)
		if took := time.Since(start); err != nil || took > time.Second {
			return fmt.Errorf("the predecessor's answer after %v: %w", took, errors.Join(err, io.EOF))
		}
		_, _ = io.Copy(io.Discard, reply.Body)
		if reply.Body.Close(); reply.StatusCode != 423 {
			return fmt.Errorf("the predecessor was answered %d", reply.StatusCode)
		}
		_ = old.Close()
	}
	return nil
}

func TestHandover(t *testing.T) {
	checkLive(t, handover, nil)
}

// TestSilentBody leaves a PATCH half-open that nobody else asks about: it ends, and what arrived is kept.
func TestSilentBody(t *testing.T) {
	checkLive(t, func(h *house, network *faultnet.Network) error {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		start := time.Now()
		old, err := h.begin(network, path, 10, "abcd")
		if err != nil {
			return err
		}
		defer old.Close()
		reply, err := http.ReadResponse(bufio.NewReader(old), nil)
		if err != nil {
			return err
		}
		reply.Body.Close()
		if took := time.Since(start); reply.StatusCode != 503 || took < 15*time.Second || took > 25*time.Second {
			return fmt.Errorf("%d after %v", reply.StatusCode, took)
		}
		if at := h.at("alice", path); at != 4 {
			return fmt.Errorf("at %d", at)
		}
		return nil
	}, nil)
}

// TestDrain stops the server in order while bytes come: they are kept, also on the way back.
func TestDrain(t *testing.T) {
	checkLive(t, func(h *house, network *faultnet.Network) error {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		old, err := h.begin(network, path, 10, "abcd")
		if err != nil {
			return err
		}
		defer old.Close()
		start := time.Now()
		if err := h.s.Shutdown(context.Background()); err != nil {
			return err
		}
		reply, err := http.ReadResponse(bufio.NewReader(old), nil)
		if err != nil {
			return err
		}
		reply.Body.Close()
		if took := time.Since(start); reply.StatusCode != 503 || took > 2*time.Second {
			return fmt.Errorf("%d after %v", reply.StatusCode, took)
		}
		if err := h.start(); err != nil {
			return err
		}
		return h.finishTen(path, 4)
	}, nil)
}

// TestNewestWaits has three requests for a held upload: the newest gets it, the older ones are refused at once.
func TestNewestWaits(t *testing.T) {
	checkLive(t, func(h *house, network *faultnet.Network) error {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		for range 5 {
			old, err := h.begin(network, path, 10, "")
			if err != nil {
				return err
			}
			defer old.Close()
		}
		return h.finishTen(path, 0)
	}, nil)
}

// expire lets uploads get old: unfinished ones, finished ones, and those that a message has.
func expire(h *house, _ *faultnet.Network) error {
	open, err := h.create("alice", 10, "Upload-Metadata", meta("key", "k"))
	if err != nil {
		return err
	}
	h.patch("alice", open, 0, []byte("abcd"))
	done, err := h.put("alice", []byte("abc"))
	if err != nil {
		return err
	}
	posted, err := h.put("alice", []byte("xyz"))
	if err != nil {
		return err
	}
	if err := h.post("alice", "general", 1, fmt.Sprintf(`[{"upload":%q}]`, id(posted))).want("post", 201, ""); err != nil {
		return err
	}
	time.Sleep(time.Hour + time.Millisecond) // and before it is swept
	if err := h.do("HEAD", open, "alice", nil).want("head", 410, wire.CodeUploadExpired); err != nil {
		return err
	}
	if err := h.patch("alice", open, 4, []byte("e")).want("patch", 410, wire.CodeUploadExpired); err != nil {
		return err
	}
	if anew, err := h.create("alice", 10, "Upload-Metadata", meta("key", "k")); err != nil || anew == open {
		return fmt.Errorf("anew: %s, %w", anew, errors.Join(err, io.EOF))
	}
	time.Sleep(2 * time.Minute)
	for _, path := range []string{open, done} {
		if err := h.do("HEAD", path, "alice", nil).want("swept", 410, wire.CodeUploadExpired); err != nil {
			return err
		}
		if err := h.do("HEAD", path, "eve", nil).want("swept", 404, wire.CodeNotFound); err != nil {
			return err
		}
	}
	if names, err := h.disk.Names(); err != nil || len(names) != 1 {
		return fmt.Errorf("the disk has %v", names)
	}
	time.Sleep(3 * time.Hour)
	if err := h.do("HEAD", open, "alice", nil).want("long gone", 404, wire.CodeNotFound); err != nil {
		return err
	}
	if a := h.do("GET", posted, "bob", nil); string(a.body) != "xyz" {
		return fmt.Errorf("posted: %v", a)
	}
	return nil
}

func shortLived(c *server.Config) {
	c.Uploads.OpenTTL, c.Uploads.UnpostedTTL, c.AccessTTL = time.Hour, time.Hour, 100*time.Hour
}

func TestExpiry(t *testing.T) {
	checkLive(t, expire, shortLived)
}

// TestLongUpload sends 1 byte each second for an hour: slow isn't dead.
func TestLongUpload(t *testing.T) {
	checkLive(t, func(h *house, network *faultnet.Network) error {
		path, err := h.create("alice", 3600)
		if err != nil {
			return err
		}
		c, err := h.begin(network, path, 3600, "")
		if err != nil {
			return err
		}
		defer c.Close()
		for range 3600 {
			time.Sleep(time.Second)
			if _, err := c.Write([]byte("x")); err != nil {
				return err
			}
		}
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		reply.Body.Close()
		if reply.StatusCode != 204 || reply.Header.Get(wire.HeaderUploadSHA256) != digest([]byte(strings.Repeat("x", 3600))) {
			return fmt.Errorf("%d %v", reply.StatusCode, reply.Header)
		}
		return nil
	}, func(c *server.Config) { c.AccessTTL = 10 * time.Hour })
}
