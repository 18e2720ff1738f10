package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

// phone is a client on a host's phone, with a tap on what it tries.
type phone struct {
	*chatsdk.Client
	h     *host
	links func(up, changed bool) // what its operating system says

	dials   atomic.Int64 // begun
	refresh atomic.Int64 // that were tried and failed
	written atomic.Int64 // bytes
}

// installation is a store whose device has a chosen name, by which the monitor's looks are spread.
type installation struct {
	chatsdk.Store
	device string
}

func (s installation) Device() (string, error) { return s.device, nil }

// phone makes one, signed in and connected for a while. Its device is another one for each seed, and the same again.
func (h *host) phone(t *testing.T, seed uint64, opt func(*chatsdk.Options)) *phone {
	t.Helper()
	p := &phone{h: h}
	dial := h.net.Dialer("phone")
	listening := make(chan struct{})
	o := chatsdk.Options{
		Server: "http://server", Rand: rand.New(rand.NewPCG(seed, 3)),
		Store: installation{chatsdk.InMemory(), fmt.Sprintf("00000000-0000-7000-8000-%012d", seed)},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			p.dials.Add(1)
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return tapped{conn, p}, nil
		},
	}
	o.Quality.Links = func(ctx context.Context, on func(up, changed bool)) error {
		p.links = on
		close(listening)
		on(true, false)
		<-ctx.Done()
		return ctx.Err()
	}
	if opt != nil {
		opt(&o)
	}
	c, err := chatsdk.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	<-listening
	updates := c.Watch(t.Context())
	go func() { // ends with the client
		for u := range updates {
			if u.Session != nil && u.Session.Err != nil && !errors.Is(u.Session.Err, token.ErrOffline) {
				p.refresh.Add(1)
			}
		}
	}()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	c.Connect()
	p.await(t, realtime.Connected)
	return p
}

type tapped struct {
	net.Conn
	p *phone
}

func (c tapped) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.p.written.Add(int64(n))
	return n, err
}

// await waits for a state of the connection, for ten minutes at most.
func (p *phone) await(t *testing.T, want realtime.State) time.Duration {
	t.Helper()
	began := time.Now()
	for p.State().Connection.State != want {
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("not %v after 10 minutes: %+v", want, p.State().Connection)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}

// say queues a message.
func (p *phone) say(t *testing.T) string {
	t.Helper()
	e, err := p.Send(t.Context(), "general", "are you there?")
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// sent waits until a message is, and says how long that took.
func (p *phone) sent(t *testing.T, id string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		if e, _ := p.Entry(id); e.State == outbox.Sent {
			return time.Since(began)
		}
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("not sent after 10 minutes: %+v", p.State())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// connectedSince says whether there is a connection that was made after a moment.
func (p *phone) connectedSince(moment time.Time) bool {
	now := p.State().Connection
	return now.State == realtime.Connected && now.Since.After(moment)
}
