package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// virtualServer is the server's address on the in-memory network.
const virtualServer = "server:80"

// socketBuffer is what a connection in memory holds in each direction where files are uploaded: without a bound a whole
// file would be on its way at once. A kernel's is of that size for a link of some MB/s.
const socketBuffer = 256 << 10

// anyPort is an address of the loopback interface that is free.
const anyPort = "127.0.0.1:0"

// virtual carries a world in memory, in package time's clock: inside a testing/synctest bubble that is virtual.
type virtual struct {
	net  *faultnet.Network
	seed uint64
	link faultnet.Conditions
}

// NewVirtualWorld makes a world whose network is in memory, with its server running. Called inside a
// testing/synctest bubble it lives in virtual time.
func NewVirtualWorld(ctx context.Context, o WorldOptions) (*World, error) {
	store, err := sqlite.OpenMemory(ctx, fmt.Sprintf("world-%d", o.Seed))
	if err != nil {
		return nil, err
	}
	n := faultnet.NewNetwork(o.Seed)
	n.SetDefault(o.Link)
	if o.Files != "" {
		n.SetBuffer(socketBuffer)
	}
	return newWorld(ctx, &virtual{net: n, seed: o.Seed, link: o.Link}, store, o)
}

func (v *virtual) listen() (net.Listener, error) { return v.net.Listen(virtualServer) }

func (v *virtual) attach(client string) (route, error) {
	return route{
		link: v.net.Link(client, "server"), url: "http://" + virtualServer, dial: v.net.Dialer(client),
		http: newHTTPFaults(v.seed),
	}, nil
}

func (v *virtual) Close() error { return nil }

// real carries a world over loopback sockets, with a proxy for each client's link.
type real struct {
	seed uint64
	link faultnet.Conditions

	mu      sync.Mutex // guards below
	addr    string     // of the server, which clients reach through their proxies alone
	proxies []*faultnet.Proxy
}

// NewRealWorld makes a world on sockets of the loopback interface, with its server running and its data in dir.
func NewRealWorld(ctx context.Context, dir string, o WorldOptions) (*World, error) {
	store, err := sqlite.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return newWorld(ctx, &real{seed: o.Seed, link: o.Link, addr: anyPort}, store, o)
}

func (r *real) listen() (net.Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ln, err := net.Listen("tcp", r.addr)
	if err != nil && r.addr != anyPort { // somebody else has it by now, perhaps a scenario that runs beside this one
		ln, err = net.Listen("tcp", anyPort)
	}
	if err != nil {
		return nil, err
	}
	r.addr = ln.Addr().String()
	for _, p := range r.proxies {
		p.SetUpstream(r.addr)
	}
	return ln, nil
}

func (r *real) attach(client string) (route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{
		Name: client, Listen: anyPort, Upstream: r.addr, Seed: r.seed + uint64(len(r.proxies)),
	})
	if err != nil {
		return route{}, err
	}
	p.Link().Set(r.link)
	if err := p.Start(); err != nil {
		return route{}, err
	}
	r.proxies = append(r.proxies, p)
	return route{link: p.Link(), url: "http://" + p.Addr(), http: p.HTTP(), proxied: true}, nil
}

func (r *real) Close() error {
	r.mu.Lock()
	proxies := r.proxies
	r.proxies = nil
	r.mu.Unlock()
	var errs []error
	for _, p := range proxies {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
