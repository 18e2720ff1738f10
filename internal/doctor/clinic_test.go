package doctor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/doctor"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const (
	name     = "chat.example"
	v4, v6   = "192.0.2.1", "2001:db8::1"
	password = "correct horse"
	rtt      = 100 * time.Millisecond
)

// clinic is a real server in a network in memory, in virtual time, and what may go wrong with both.
type clinic struct {
	net    *faultnet.Network
	links  map[string]*faultnet.Link // from the phone, by address
	faults *faultnet.HTTPFaults
	srv    *server.Server

	mu   sync.Mutex // guards what follows
	seen []string   // requests that came to the server, with a * where they carried a token
}

// setup is what a clinic has that isn't usual.
type setup struct {
	tls  *tls.Config
	wrap func(http.Handler) http.Handler // nearer to the client than the HTTP faults
	port string                          // defaults to 80
}

// withClinic runs f in virtual time.
func withClinic(t *testing.T, s setup, f func(t *testing.T, c *clinic)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		db, err := sqlite.OpenMemory(t.Context(), t.Name())
		if err != nil {
			t.Fatal(err)
		}
		c := &clinic{net: faultnet.NewNetwork(1), links: map[string]*faultnet.Link{}}
		if c.faults, err = faultnet.NewHTTPFaults(faultnet.HTTPOptions{Seed: 1}); err != nil {
			t.Fatal(err)
		}
		cheap := server.Argon{Time: 1, MemoryKiB: 8, Threads: 1}
		c.srv, err = server.New(server.Config{
			Store: db, Key: bytes.Repeat([]byte("k"), 32), Argon: cheap, Logger: slog.New(slog.DiscardHandler), TLS: s.tls,
			Wrap: func(h http.Handler) http.Handler {
				h = c.faults.Handler(c.note(h))
				if s.wrap != nil {
					h = s.wrap(h)
				}
				return h
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := server.AddUser(t.Context(), db, cheap, "ada", password); err != nil {
			t.Fatal(err)
		}
		if err := c.srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.port == "" {
			s.port = "80"
		}
		served := make(chan error, 2)
		for _, host := range []string{v4, v6} {
			c.links[host] = c.net.Link("phone", host)
			c.links[host].Set(faultnet.Symmetric(rtt))
			ln := c.listen(t, net.JoinHostPort(host, s.port))
			go func() { served <- c.srv.Serve(ln) }()
		}
		defer func() {
			if err := errors.Join(c.srv.Kill(), db.Close()); err != nil {
				t.Error(err)
			}
			<-served
			<-served
		}()
		f(t, c)
	})
}

func (c *clinic) listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := c.net.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// note remembers what was asked.
func (c *clinic) note(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		line := r.URL.Path
		if r.Header.Get("Authorization") != "" {
			line += "*"
		}
		c.seen = append(c.seen, line)
		c.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// asked forgets and returns what was asked since the last time.
func (c *clinic) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// names is a name server that knows one name.
type names struct {
	addrs []string
	err   error
	delay time.Duration
}

func (n names) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	if n.delay > 0 {
		select {
		case <-time.After(n.delay):
		case <-ctx.Done():
			return nil, &net.DNSError{Err: ctx.Err().Error(), Name: host, IsTimeout: true}
		}
	}
	if n.err != nil || host != name {
		return nil, errors.Join(n.err, &net.DNSError{Err: "no such host", Name: host, IsNotFound: n.err == nil})
	}
	var out []netip.Addr
	for _, a := range n.addrs {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// options look at the clinic's server from the phone, over both families.
func (c *clinic) options(t *testing.T, address string) doctor.Options {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Options{Server: u, API: 1, Resolver: names{addrs: []string{v4, v6}}, DialContext: c.net.Dialer("phone")}
}

// open is a client of the clinic's server on a store, at a host.
func (c *clinic) open(t *testing.T, store chatsdk.Store, from string) *chatsdk.Client {
	t.Helper()
	dial := c.net.Dialer(from)
	client, err := chatsdk.Open(t.Context(), chatsdk.Options{
		Server: "http://" + name, Store: store,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dial(ctx, network, strings.Replace(addr, name, v4, 1))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// signIn makes a profile with a session of ada's.
func (c *clinic) signIn(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	client := c.open(t, p, "phone")
	err = errors.Join(client.SignIn(t.Context(), "ada", password), client.Close(), p.Close())
	if err != nil {
		t.Fatal(err)
	}
	c.asked()
	return dir
}

// check finds a check in a report.
func check(t *testing.T, r doctor.Report, n doctor.Name) doctor.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == n {
			return c
		}
	}
	t.Fatalf("%s isn't in the report: %+v", n, r)
	return doctor.Check{}
}

// wants holds a check against what it has to say.
func wants(t *testing.T, r doctor.Report, n doctor.Name, o doctor.Outcome, fault doctor.Fault, words ...string) doctor.Check {
	t.Helper()
	c := check(t, r, n)
	if c.Outcome != o || c.Fault != fault {
		t.Errorf("%s: %s %s, wanted %s %s: %s", n, c.Outcome, c.Fault, o, fault, c.Seen)
	}
	for _, w := range words {
		if !strings.Contains(c.Seen+"\n"+c.Advice, w) {
			t.Errorf("%s doesn't say %q: %s (%s)", n, w, c.Seen, c.Advice)
		}
	}
	if advice := o == doctor.Failed || o == doctor.Warning; advice != (c.Advice != "") {
		t.Errorf("%s is %s, and the advice is %q", n, o, c.Advice)
	}
	return c
}

// skips wants checks skipped, for a reason.
func skips(t *testing.T, r doctor.Report, why string, list ...doctor.Name) {
	t.Helper()
	for _, n := range list {
		wants(t, r, n, doctor.Skipped, "", why)
	}
}

// overNet are the checks that need the connection.
var overNet = []doctor.Name{doctor.Portal, doctor.Server, doctor.WebSocket, doctor.Clock}

func TestAllIsWell(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		o := c.options(t, "http://"+name)
		o.Profile = c.signIn(t)
		var told []doctor.Check
		o.Tell = func(c doctor.Check) { told = append(told, c) }
		r := doctor.Run(t.Context(), o)
		for _, n := range []doctor.Name{doctor.DNS, doctor.TCP, doctor.Proxy, doctor.Portal, doctor.Server, doctor.WebSocket, doctor.Clock, doctor.Session, doctor.Disk} {
			wants(t, r, n, doctor.OK, "")
		}
		wants(t, r, doctor.TLS, doctor.Warning, "", "https://")
		if _, failed := r.Decisive(); failed || r.Count(doctor.OK) != 9 || r.Count(doctor.Warning) != 1 {
			t.Errorf("%+v", r)
		}
		if len(told) != len(r.Checks) {
			t.Fatalf("%d checks were told, of %d", len(told), len(r.Checks))
		}
		for i, c := range told {
			if c.Name != r.Checks[i].Name {
				t.Errorf("%s was told as number %d", c.Name, i)
			}
		}
		dials := check(t, r, doctor.TCP).Dials
		if len(dials) != 2 || !dials[0].OK || !dials[1].OK || dials[0].Family != "IPv4" || dials[1].Family != "IPv6" || dials[1].MS != 100 {
			t.Errorf("dials: %+v", dials)
		}
		if off := check(t, r, doctor.Clock).Offset; off.MS < -550 || off.MS > 550 || off.Give != 600 { // a dial and a request: 200 ms
			t.Errorf("offset: %+v", off)
		}
		if s := check(t, r, doctor.Session).Session; s.User != "ada" || s.State != "fresh" || s.Taken == nil || !*s.Taken {
			t.Errorf("session: %+v", s)
		}
		if d := check(t, r, doctor.Disk).Disk; d.Dir != o.Profile || d.WriteMS < 0 {
			t.Errorf("disk: %+v", d)
		}
		if p := check(t, r, doctor.Portal); p.Status != http.StatusNoContent || p.RTTMS != 200 {
			t.Errorf("portal: %+v", p)
		}
	})
}

// noSecret wants none of the secrets in what is said.
func noSecret(t *testing.T, r doctor.Report, secrets ...string) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range secrets {
		if s == "" || bytes.Contains(text, []byte(s)) {
			t.Errorf("secret %d is empty or told: %s", i, text)
		}
	}
}

// plainServer answers requests at an address in the clinic's network until the test ends.
func (c *clinic) plainServer(t *testing.T, addr string, h http.HandlerFunc) (stop func()) {
	t.Helper()
	srv := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ln := c.listen(t, addr)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	return func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	}
}

// accept hands each connection at an address to f, until the returned function is called.
func (c *clinic) accept(t *testing.T, addr string, f func(net.Conn)) (stop func()) {
	t.Helper()
	ln := c.listen(t, addr)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f(conn)
				_ = conn.Close()
			})
		}
	})
	return func() {
		_ = ln.Close()
		all.Wait()
	}
}

// swallow reads until the other side is gone.
func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
