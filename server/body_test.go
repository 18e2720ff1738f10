package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
)

// post begins a request whose body stops after sent.
func (w *world) post(path string, length int, sent string) net.Conn {
	w.t.Helper()
	c, err := w.net.Dialer("x")(context.Background(), "tcp", "server:80")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: server\r\nContent-Length: %d\r\n\r\n%s", path, length, sent); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// bodyRoutes are the routes that take a body from anybody, uploads apart, whose bodies may last.
var bodyRoutes = []string{"/api/auth/login", "/api/auth/refresh", "/emulation", "/connection/http_stream"}

// TestSlowBody sends one byte of a body and then nothing, without a login: Centrifuge's handlers waited for ever.
func TestSlowBody(t *testing.T) {
	for _, path := range bodyRoutes {
		bubble.Run(t, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.post(path, 1000, "{")
			defer c.Close()
			start := time.Now()
			_ = c.SetReadDeadline(start.Add(5 * time.Minute))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("%s: %v, want the end of the stream", path, err)
			}
			if took := time.Since(start); took < 29*time.Second || took > 40*time.Second {
				t.Errorf("%s: the connection ended after %v, want 30 s and a bit", path, took)
			}
		})
	}
}

// TestSlowBodyDuringShutdown: who begins a request and doesn't go on doesn't keep a server from stopping in time.
func TestSlowBodyDuringShutdown(t *testing.T) {
	for _, path := range bodyRoutes {
		bubble.Run(t, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.post(path, 1000, "{")
			defer c.Close()
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			start := time.Now()
			err := errors.Join(w.s.Shutdown(ctx), <-w.served)
			w.served = nil
			if took := time.Since(start); err != nil || took > 12*time.Second {
				t.Errorf("%s: stopped after %v with %v", path, took, err)
			}
		})
	}
}

// TestStreamOutlivesItsBody: the deadline was the body's, and not the stream's that answers it.
func TestStreamOutlivesItsBody(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		body := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, w.token("alice"))
		c := w.post("/connection/http_stream", len(body), body)
		defer c.Close()
		r := bufio.NewReader(c)
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%+v, %v", res, err)
		}
		defer res.Body.Close()
		start := time.Now()
		_, _ = io.Copy(io.Discard, res.Body)
		if took := time.Since(start); took < 32*time.Second { // a ping after 12.5 s to 25 s, and 20 s for the pong that doesn't come
			t.Errorf("the stream ended after %v", took)
		}
	})
}
