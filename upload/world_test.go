package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/upload"
)

const id = "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"

// world is a server, a network and a client that can be ended and begun again on its store. It lives in a bubble.
type world struct {
	t      *testing.T
	net    *faultnet.Network
	link   *faultnet.Link
	srv    *tusServer
	http   *http.Server
	served sync.WaitGroup
	opts   upload.Options
	q      *upload.Queue
	dir    string
	path   string
	data   []byte

	written atomic.Int64 // bytes that the client handed to its connections
}

// counted counts what is written.
type counted struct {
	net.Conn
	written *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// dial is the client's way out.
func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := w.net.Dialer("client")(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return counted{conn, &w.written}, nil
}

const (
	rtt  = 100 * time.Millisecond
	rate = 1 << 20 // bytes a second
)

// newWorld makes a world with a file of the given size, and starts the client.
func newWorld(t *testing.T, size int, change func(w *world)) *world {
	t.Helper()
	w := &world{t: t, net: faultnet.NewNetwork(1), srv: newTusServer(), dir: t.TempDir()}
	w.net.SetBuffer(64 << 10)
	w.link = w.net.Link("client", "server")
	cond := faultnet.Symmetric(rtt)
	cond.Up.Rate, cond.Down.Rate = rate, rate
	w.link.Set(cond)
	w.data, w.path = make([]byte, size), filepath.Join(w.dir, "photo.jpg")
	rng := rand.New(rand.NewPCG(uint64(size), 7))
	for i := range w.data {
		w.data[i] = byte(rng.Uint32())
	}
	w.write(w.data)
	w.opts = upload.Options{
		Endpoint: "http://server:80/files/", Store: upload.NewMemory(), DialContext: w.dial,
		Rand: rand.New(rand.NewPCG(1, 2)),
	}
	if change != nil {
		change(w)
	}
	w.serve()
	t.Cleanup(w.close)
	w.start()
	return w
}

// slow sets how many bytes a second the link carries. Virtual time is free, bytes aren't.
func (w *world) slow(rate int64) {
	w.link.Update(func(c *faultnet.Conditions) { c.Up.Rate, c.Down.Rate = rate, rate })
}

func (w *world) write(data []byte) {
	if err := os.WriteFile(w.path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// serve starts the server's process.
func (w *world) serve() {
	ln, err := w.net.Listen("server:80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.http = &http.Server{Handler: w.srv}
	w.served.Go(func() { _ = w.http.Serve(ln) })
}

// start begins a client's process.
func (w *world) start() {
	q, err := upload.New(w.opts)
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.q = q
}

func (w *world) close() {
	_ = w.q.Close()
	_ = w.http.Close()
	w.served.Wait()
	w.link.Reset()
	time.Sleep(time.Second) // net/http's server lets some connections linger for half of one
}

// add adds the world's file.
func (w *world) add(r upload.Request) error {
	r.ID, r.Path = id, w.path
	_, err := w.q.Add(context.Background(), r)
	return err
}

// wait waits for the upload's end.
func (w *world) wait() (upload.Upload, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	u, err := w.q.Wait(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return u, fmt.Errorf("not over after an hour: %s, %s; requests %.2000s", u.State, u.Err, w.srv.requests())
	}
	return u, err
}

// finish adds the file and waits until it is done and the server has it.
func (w *world) finish() error {
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	return w.done()
}

// done waits until the upload is done, and compares.
func (w *world) done() error {
	u, err := w.wait()
	if err != nil {
		return fmt.Errorf("%w; requests %.2000s", err, w.srv.requests())
	}
	return w.arrived(u)
}

// arrived says whether the server has the file, once, and nothing else.
func (w *world) arrived(u upload.Upload) error {
	if u.State != upload.Done {
		return fmt.Errorf("state %s, %s", u.State, u.Err)
	}
	time.Sleep(10 * time.Second) // what isn't wanted is dropped in the background
	live := w.srv.live()
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	switch {
	case len(live) != 1:
		return fmt.Errorf("the server has %d copies; requests %v", len(live), w.srv.log)
	case !bytes.Equal(live[0].data, w.data):
		return fmt.Errorf("the server has %d bytes that aren't the file's %d", len(live[0].data), len(w.data))
	case u.Verified != w.srv.digests:
		return fmt.Errorf("verified is %v", u.Verified)
	case len(w.srv.leaks) > 0:
		return fmt.Errorf("the server complains: %v", w.srv.leaks)
	}
	return nil
}

// until waits until f holds, looking each 10 ms.
func until(f func() bool) error {
	for range 360_000 {
		if f() {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("an hour went by")
}

// has says whether the server has at least n bytes of some copy.
func (w *world) has(n int) func() bool {
	return func() bool {
		for _, c := range w.srv.live() {
			w.srv.mu.Lock()
			got := len(c.data)
			w.srv.mu.Unlock()
			if got >= n {
				return true
			}
		}
		return false
	}
}
