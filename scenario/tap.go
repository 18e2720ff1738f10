package scenario

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Patch is one request that brought bytes of an upload, as the client's end of the link saw it.
type Patch struct {
	Client string
	Path   string // of the server's copy
	From   int64
	Length int64 // that it announced
	Sent   int64 // bytes of its body that were handed to the connection
	Told   int64 // the highest offset of this copy that answers had told when it ended
	Status int   // of the answer; 0 if none came
	Opened time.Time
	Began  time.Time
	Ended  time.Time // answered, or its connection was over; zero while it is under way
}

// whole says whether it went as it should.
func (p *Patch) whole() bool { return p.Status == http.StatusNoContent }

// broken says whether it ended otherwise.
func (p *Patch) broken() bool { return !p.Ended.IsZero() && !p.whole() }

// inFlight is what had been sent and not acknowledged when it ended.
func (p *Patch) inFlight() int64 { return max(p.From+p.Sent-max(p.Told, p.From), 0) }

// tap reads along what a client's connections carry of uploads: what was handed to them, and which answers came in. It
// is the link's account, neither the client's nor the server's.
type tap struct {
	client string

	mu      sync.Mutex // guards below, and every tapped
	patches []*Patch
	told    map[string]int64 // the highest Upload-Offset in any answer, by path
}

func newTap(client string) *tap { return &tap{client: client, told: map[string]int64{}} }

// view returns copies of what was seen so far.
func (t *tap) view() []Patch {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Patch, len(t.patches))
	for i, p := range t.patches {
		out[i] = *p
	}
	return out
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialer taps what dial opens; nil is a net.Dialer.
func (t *tap) dialer(dial dialFunc) dialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if planted == bugSlowDials {
			pause(ctx, 2500*time.Millisecond) // beyond any limit for the first new byte
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tapped{Conn: conn, tap: t, opened: time.Now()}, nil
	}
}

// maxHead bounds the head of a request or an answer. One that is longer isn't ours, and its connection isn't read on.
const maxHead = 64 << 10

// tapped is a connection that is read along. What isn't HTTP/1.1 with announced lengths ends that: a WebSocket, for one.
type tapped struct {
	net.Conn

	tap    *tap
	opened time.Time

	// Guarded by tap.mu.
	deaf    bool
	over    bool
	out, in half
	body    *Patch      // whose body goes out, or nil
	open    []*exchange // requests whose answers haven't come, in order
}

// half is one direction.
type half struct {
	head []byte
	skip int64 // bytes of a body that are still to come
}

// exchange is a request that waits for its answer.
type exchange struct {
	request *http.Request
	patch   *Patch // or nil
}

func (c *tapped) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.wroteLocked(b[:n])
	c.readLocked(nil) // an answer may have overtaken what it answers
	if err != nil {
		c.endLocked()
	}
	return n, err
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.readLocked(b[:n])
	if ne, ok := err.(net.Error); err != nil && (!ok || !ne.Timeout()) { //nolint:errorlint // a Conn returns it as it is
		c.endLocked()
	}
	return n, err
}

func (c *tapped) Close() error {
	c.tap.mu.Lock()
	c.endLocked()
	c.tap.mu.Unlock()
	return c.Conn.Close()
}

// endLocked notes that no more answers come.
func (c *tapped) endLocked() {
	if c.over {
		return
	}
	c.over = true
	for _, x := range c.open {
		c.tap.settleLocked(x.patch, 0)
	}
	c.open = nil
}

func (t *tap) settleLocked(p *Patch, status int) {
	if p != nil && p.Ended.IsZero() {
		p.Ended, p.Status, p.Told = time.Now(), status, t.told[p.Path]
	}
}

// wroteLocked reads along what goes out.
func (c *tapped) wroteLocked(b []byte) {
	for len(b) > 0 && !c.deaf {
		if c.out.skip > 0 {
			n := min(c.out.skip, int64(len(b)))
			c.out.skip -= n
			b = b[n:]
			if c.body != nil {
				c.body.Sent += n
			}
			continue
		}
		var head []byte
		if head, b = c.out.take(b); head == nil {
			c.deaf = c.deaf || len(c.out.head) > maxHead
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil || r.ContentLength < 0 || r.Header.Get("Upgrade") != "" {
			c.deaf = true
			return
		}
		c.out.skip = r.ContentLength
		x := &exchange{request: r}
		c.body = nil
		if r.Method == http.MethodPatch {
			x.patch = c.tap.beganLocked(c, r)
			c.body = x.patch
		}
		c.open = append(c.open, x)
	}
}

func (t *tap) beganLocked(c *tapped, r *http.Request) *Patch {
	from, _ := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	p := &Patch{Client: t.client, Path: r.URL.Path, From: from, Length: r.ContentLength, Opened: c.opened, Began: time.Now()}
	t.patches = append(t.patches, p)
	return p
}

// readLocked reads along what comes in.
func (c *tapped) readLocked(b []byte) {
	c.in.head = append(c.in.head, b...)
	for len(c.in.head) > 0 && !c.deaf {
		if c.in.skip > 0 {
			n := min(c.in.skip, int64(len(c.in.head)))
			c.in.skip -= n
			c.in.head = slices.Delete(c.in.head, 0, int(n))
			continue
		}
		end := bytes.Index(c.in.head, headEnd)
		if end < 0 || len(c.open) == 0 {
			c.deaf = len(c.in.head) > maxHead
			return
		}
		x := c.open[0]
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(c.in.head[:end+len(headEnd)])), x.request) //nolint:bodyclose // it has none: only a head is read
		if err != nil {
			c.deaf = true
			return
		}
		c.in.head = slices.Delete(c.in.head, 0, end+len(headEnd))
		if res.StatusCode < 200 {
			continue
		}
		c.open = c.open[1:]
		c.tap.answeredLocked(x, res)
		if c.in.skip = res.ContentLength; x.request.Method == http.MethodHead {
			c.in.skip = 0
		}
		c.deaf = c.in.skip < 0 // where it ends only its reader knows
	}
}

func (t *tap) answeredLocked(x *exchange, res *http.Response) {
	path := x.request.URL.Path
	if offset, err := strconv.ParseInt(res.Header.Get("Upload-Offset"), 10, 64); err == nil && offset > t.told[path] {
		t.told[path] = offset
	}
	t.settleLocked(x.patch, res.StatusCode)
}

var headEnd = []byte("\r\n\r\n")

// take collects a head and returns it when it is whole, with what follows it.
func (h *half) take(b []byte) (head, rest []byte) {
	before := len(h.head)
	h.head = append(h.head, b...)
	end := bytes.Index(h.head, headEnd)
	if end < 0 {
		return nil, nil
	}
	end += len(headEnd)
	head, h.head = h.head[:end], nil
	return head, b[end-before:]
}
