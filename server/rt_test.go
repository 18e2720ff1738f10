package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/coder/websocket"
)

// world is a house on an in-memory network.
type world struct {
	*house
	net    *faultnet.Network
	served chan error

	mayFail bool // the end is meant to be cut short
}

// newWorld serves a house at server:80. Its end comes by close, inside a bubble before the test returns.
func newWorld(t *testing.T, change func(*server.Config)) *world {
	t.Helper()
	db, err := sqlite.OpenMemory(context.Background(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{house: open(t, db, change), net: faultnet.NewNetwork(1)}
	w.populate()
	if err := w.s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.serve()
	t.Cleanup(func() { w.end(w.s.Kill()) })
	return w
}

func (w *world) serve() {
	w.t.Helper()
	ln, err := w.net.Listen("server:80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.served = make(chan error, 1)
	go func() { w.served <- w.s.Serve(ln) }()
}

func (w *world) end(err error) {
	w.t.Helper()
	if err != nil && !w.mayFail {
		w.t.Errorf("stop: %v", err)
	}
	if w.served != nil {
		if err := <-w.served; err != nil {
			w.t.Errorf("serve: %v", err)
		}
		w.served = nil
	}
}

// frame is a reply or a push of the JSON protocol, as far as tests look.
type frame struct {
	ID    uint32 `json:"id"`
	Error *struct {
		Code      uint32 `json:"code"`
		Message   string `json:"message"`
		Temporary bool   `json:"temporary"`
	} `json:"error"`
	Connect *struct {
		Client  string          `json:"client"`
		Expires bool            `json:"expires"`
		TTL     uint32          `json:"ttl"`
		Data    json.RawMessage `json:"data"`
	} `json:"connect"`
	Subscribe *struct {
		Recoverable   bool               `json:"recoverable"`
		Positioned    bool               `json:"positioned"`
		Epoch         string             `json:"epoch"`
		Offset        uint64             `json:"offset"`
		Recovered     bool               `json:"recovered"`
		WasRecovering bool               `json:"was_recovering"`
		Publications  []publication      `json:"publications"`
		Data          wire.SubscribeData `json:"data"`
	} `json:"subscribe"`
	RPC *struct {
		Data json.RawMessage `json:"data"`
	} `json:"rpc"`
	Refresh *struct {
		Expires bool   `json:"expires"`
		TTL     uint32 `json:"ttl"`
	} `json:"refresh"`
	Push *struct {
		Channel    string       `json:"channel"`
		Pub        *publication `json:"pub"`
		Disconnect *struct {
			Code   uint32 `json:"code"`
			Reason string `json:"reason"`
		} `json:"disconnect"`
	} `json:"push"`
}

type publication struct {
	Offset uint64       `json:"offset"`
	Data   wire.Message `json:"data"`
}

// rt is a small client of the JSON protocol.
type rt struct {
	t       *testing.T
	conn    *websocket.Conn
	replies chan frame
	pushes  chan publication
	closed  chan struct{}        // closed when the connection has ended
	code    websocket.StatusCode // valid when closed
	reason  string
	next    uint32
}

func (w *world) httpClient(from string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: w.net.Dialer(from), DisableKeepAlives: true}}
}

// dial opens a WebSocket without connecting.
func (w *world) dial(from string) (*rt, *http.Response, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, "ws://server:80/connection/websocket", &websocket.DialOptions{HTTPClient: w.httpClient(from)})
	if err != nil {
		return nil, res, err
	}
	conn.SetReadLimit(64 << 20)
	c := &rt{t: w.t, conn: conn, replies: make(chan frame, 64), pushes: make(chan publication, 4096), closed: make(chan struct{})}
	go c.read()
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	return c, res, nil
}

func (c *rt) read() {
	defer close(c.closed)
	for {
		_, data, err := c.conn.Read(context.Background())
		if err != nil {
			var ce websocket.CloseError
			if errors.As(err, &ce) {
				c.code, c.reason = ce.Code, ce.Reason
			}
			return
		}
		for line := range bytes.SplitSeq(bytes.TrimSpace(data), []byte("\n")) {
			var f frame
			if err := json.Unmarshal(line, &f); err != nil {
				c.t.Errorf("frame %q: %v", line, err)
				return
			}
			switch {
			case string(line) == "{}":
				_ = c.conn.Write(context.Background(), websocket.MessageText, []byte("{}"))
			case f.Push != nil && f.Push.Pub != nil:
				c.pushes <- *f.Push.Pub
			case f.ID != 0:
				c.replies <- f
			}
		}
	}
}

// call sends a command and waits for its reply; the zero frame if the connection ended first.
func (c *rt) call(name string, body any) frame {
	c.t.Helper()
	c.next++
	data, err := json.Marshal(map[string]any{"id": c.next, name: body})
	if err != nil {
		c.t.Fatal(err)
	}
	_ = c.conn.Write(context.Background(), websocket.MessageText, data) // its end is seen below
	select {
	case f := <-c.replies:
		if f.ID != c.next {
			c.t.Fatalf("reply %d to command %d", f.ID, c.next)
		}
		return f
	case <-c.closed:
		return frame{}
	case <-time.After(time.Minute):
		c.t.Fatalf("no reply to %s", data)
		return frame{}
	}
}

type object = map[string]any

// connect dials and connects, and wants it to work.
func (w *world) connect(from, token string) *rt {
	w.t.Helper()
	c, _, err := w.dial(from)
	if err != nil {
		w.t.Fatal(err)
	}
	if f := c.call("connect", object{"token": token}); f.Connect == nil {
		w.t.Fatalf("connect: %+v, closed with %d %s", f.Error, c.code, c.reason)
	}
	return c
}

func (c *rt) subscribe(channel string) frame {
	c.t.Helper()
	f := c.call("subscribe", object{"channel": channel})
	if f.Subscribe == nil {
		c.t.Fatalf("subscribe: %+v", f.Error)
	}
	return f
}

// batch sends entries and wants a result for each.
func (c *rt) batch(entries ...wire.BatchEntry) []wire.BatchResult {
	c.t.Helper()
	f := c.call("rpc", object{"method": wire.RPCSend, "data": wire.BatchRequest{Messages: entries}})
	if f.RPC == nil {
		c.t.Fatalf("send: %+v", f.Error)
	}
	var out wire.BatchReply
	if err := json.Unmarshal(f.RPC.Data, &out); err != nil || len(out.Results) != len(entries) {
		c.t.Fatalf("%d results for %d entries (%v)", len(out.Results), len(entries), err)
	}
	return out.Results
}

func to(channel string, n int, deviceSeq uint64) wire.BatchEntry {
	return wire.BatchEntry{Channel: channel, SendRequest: wire.SendRequest{ID: id(n), DeviceSeq: deviceSeq, Text: fmt.Sprint("text ", n)}}
}

// push waits for the next publication.
func (c *rt) push() publication {
	c.t.Helper()
	select {
	case p := <-c.pushes:
		return p
	case <-time.After(time.Minute):
		c.t.Fatal("no publication")
		return publication{}
	}
}

// gone waits for the connection's end and says how it ended.
func (c *rt) gone() (code int, reason string) {
	c.t.Helper()
	select {
	case <-c.closed:
		return int(c.code), c.reason
	case <-time.After(time.Minute):
		c.t.Fatal("the connection stays open")
		return 0, ""
	}
}

func (c *rt) close() {
	_ = c.conn.CloseNow()
	<-c.closed
}
