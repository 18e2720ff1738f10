package faultnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// defaultBuffer holds half a second at 512 KB/s: enough for chat at any delay, and 1,000 stuck connections fit.
	defaultBuffer = 256 << 10
	// defaultMaxConns stays below the usual limit of 65,536 open files at two sockets for each connection.
	defaultMaxConns = 16384
	// acceptPause is the wait after Accept failed for want of something, such as file descriptors.
	acceptPause = 10 * time.Millisecond
	// listenPause is the wait before a listener that was closed for Refused is tried again, its port being taken.
	listenPause = 50 * time.Millisecond
)

// ProxyOptions configures a Proxy.
type ProxyOptions struct {
	// Name names the proxy in logs and in the control API. Defaults to the upstream address.
	Name string
	// Listen is the TCP address to listen on. Defaults to 127.0.0.1:0, a free port. The port that was found stays.
	Listen string
	// Upstream is the TCP address that connections are forwarded to. Required.
	Upstream string
	// Seed makes jitter and loss repeat for each connection in the order in which they are accepted. Any value will do.
	Seed uint64
	// Logger gets what goes wrong. Defaults to no logging.
	Logger *slog.Logger
	// Buffer bounds the bytes that each direction of a connection holds beside the kernel's own buffers; while it is
	// full, nothing is read. Defaults to 256 KiB.
	Buffer int
	// MaxConns bounds the connections at a time; further ones are reset. Defaults to 16384.
	MaxConns int
}

// withDefaults checks the options and fills them up.
func (o ProxyOptions) withDefaults() (ProxyOptions, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if err := checkAddr(o.Listen); err != nil {
		return o, fmt.Errorf("faultnet: listen address: %w", err)
	}
	if err := checkUpstream(o.Upstream); err != nil {
		return o, err
	}
	if o.Name == "" {
		o.Name = o.Upstream
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	return o, nil
}

// checkAddr checks the form of host:port, where the host may be empty.
func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return &net.AddrError{Err: "port isn't a number from 0 to 65535", Addr: addr}
	}
	return nil
}

// checkUpstream checks an address to dial.
func checkUpstream(addr string) error {
	err := checkAddr(addr)
	if err == nil {
		if _, port, _ := net.SplitHostPort(addr); port == "0" {
			err = &net.AddrError{Err: "port 0 can't be dialled", Addr: addr}
		}
	}
	if err != nil {
		return fmt.Errorf("faultnet: upstream address: %w", err)
	}
	return nil
}

// Proxy forwards TCP connections over a Link. A real dial through it succeeds at once, since it ends at the proxy; so
// the first bytes are held back for as long as a dial over the link would have taken: one round trip, more if the
// opening is lost. All methods may be called concurrently.
type Proxy struct {
	name   string
	opts   ProxyOptions
	link   *Link
	http   *HTTPFaults
	logger *slog.Logger

	gate     chan struct{} // 1-slot lock over the I/O of starting and stopping; guards the next five
	running  bool
	closed   bool
	accepts  *acceptor       // or nil while it doesn't listen
	ctx      context.Context // of the present run
	cancel   context.CancelFunc
	sessions sync.WaitGroup // all goroutines of the present run but acceptors

	mu       sync.Mutex // guards all below
	listen   string
	upstream string
	live     map[*session]struct{}
	enabled  bool
}

// acceptor is one listener and the goroutine that accepts from it.
type acceptor struct {
	ln   net.Listener
	done sync.WaitGroup
}

// NewProxy makes a proxy that doesn't listen yet.
func NewProxy(opts ProxyOptions) (*Proxy, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		name: opts.Name, opts: opts,
		link:     newLink(opts.Seed, "client", opts.Name, Conditions{}),
		http:     &HTTPFaults{seed: opts.Seed, stats: HTTPStats{Injected: make(map[HTTPKind]int64)}},
		logger:   opts.Logger.With("proxy", opts.Name),
		gate:     make(chan struct{}, 1),
		listen:   opts.Listen,
		upstream: opts.Upstream,
		live:     make(map[*session]struct{}),
	}
	p.link.http = p.http
	p.link.hooks = append(p.link.hooks, p.followRefused)
	return p, nil
}

// Start listens and forwards until Stop or Close. On a running proxy it does nothing; on a closed one it returns
// net.ErrClosed.
func (p *Proxy) Start() error {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	switch {
	case p.closed:
		return fmt.Errorf("faultnet: start: %w", net.ErrClosed)
	case p.running:
		return nil
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := p.openListener(); err != nil {
		p.cancel()
		return err
	}
	if p.link.refuses() { // it had to listen once, to find its port
		p.closeListener()
	}
	p.running = true
	p.setEnabled(true)
	return nil
}

// Stop closes the listener and every connection and waits until all is gone. The link and its conditions stay; Start
// goes on at the same address.
func (p *Proxy) Stop() error {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	p.stop()
	return nil
}

// Close stops the proxy for ever. A second Close does nothing.
func (p *Proxy) Close() error {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	p.stop()
	p.closed = true
	return nil
}

// Addr is the address that the proxy listens on; before the first Start that of its options.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listen
}

// Name is the proxy's name.
func (p *Proxy) Name() string { return p.name }

// Link is the link that all connections go over. It is the same before and after a restart.
func (p *Proxy) Link() *Link { return p.link }

// HTTP is what goes wrong with HTTP requests on the way, beside the HTTP toxics of a control API. Connections are bytes
// until there is such a fault; from the next request on they are read as HTTP/1.x, live ones too. Upgrades that no fault
// is about, HTTP/2 and TLS pass through.
func (p *Proxy) HTTP() *HTTPFaults { return p.http }

// SetUpstream changes where connections from now on are forwarded to; live ones stay with the old address. An address
// that can't be dialled resets them, as one that refuses does.
func (p *Proxy) SetUpstream(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = addr
}

// Upstream is where new connections are forwarded to.
func (p *Proxy) Upstream() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upstream
}

// Running says whether the proxy is started.
func (p *Proxy) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enabled
}

func (p *Proxy) setEnabled(enabled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enabled = enabled
}

// setListen changes the address that the next Start listens on.
func (p *Proxy) setListen(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listen = addr
}

// openListener listens and starts to accept. The gate must be held.
func (p *Proxy) openListener() error {
	ln, err := net.Listen("tcp", p.Addr())
	if err != nil {
		return err
	}
	p.setListen(ln.Addr().String())
	a := &acceptor{ln: ln}
	a.done.Go(func() { p.accept(p.ctx, ln) })
	p.accepts = a
	return nil
}

// closeListener stops listening and waits for the goroutine that accepts. The gate must be held.
func (p *Proxy) closeListener() {
	if p.accepts == nil {
		return
	}
	if err := p.accepts.ln.Close(); err != nil {
		p.logger.Warn("close listener", "error", err)
	}
	p.accepts.done.Wait()
	p.accepts = nil
}

// stop ends the present run. The gate must be held.
func (p *Proxy) stop() {
	if !p.running {
		return
	}
	p.running = false
	p.setEnabled(false)
	p.cancel()
	p.closeListener()
	for _, s := range p.liveSessions() {
		s.kill()
	}
	p.sessions.Wait()
}

func (p *Proxy) liveSessions() []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := make([]*session, 0, len(p.live))
	for s := range p.live {
		live = append(live, s)
	}
	return live
}

// followRefused listens or not, as the link's conditions say. It is called after each change of the link.
func (p *Proxy) followRefused() {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	if !p.running {
		return
	}
	switch refuses := p.link.refuses(); {
	case refuses:
		p.closeListener()
	case p.accepts == nil:
		if err := p.openListener(); err != nil {
			p.logger.Warn("listen again", "error", err)
			ctx := p.ctx
			p.sessions.Go(func() { p.listenAgain(ctx) })
		}
	}
}

// listenAgain tries until the port is free, the link refuses again or the run ends.
func (p *Proxy) listenAgain(ctx context.Context) {
	for {
		if sleepUntil(ctx, time.Now().Add(listenPause), nil) != nil {
			return
		}
		select {
		case p.gate <- struct{}{}:
		case <-ctx.Done():
			return
		}
		done := p.accepts != nil || p.link.refuses() || p.openListener() == nil
		<-p.gate
		if done {
			return
		}
	}
}

// accept accepts until the listener closes.
func (p *Proxy) accept(ctx context.Context, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.logger.Warn("accept", "error", err)
			if sleepUntil(ctx, time.Now().Add(acceptPause), nil) != nil {
				return
			}
			continue
		}
		p.serve(ctx, conn.(*net.TCPConn))
	}
}

// serve starts a session for an accepted connection.
func (p *Proxy) serve(ctx context.Context, client *net.TCPConn) {
	s := newSession(p, client)
	p.mu.Lock()
	full := len(p.live) >= p.opts.MaxConns
	if !full {
		p.live[s] = struct{}{}
	}
	p.mu.Unlock()
	if full {
		p.logger.Warn("too many connections", "max", p.opts.MaxConns)
		abort(client)
		return
	}
	p.sessions.Go(func() {
		s.run(ctx)
		p.mu.Lock()
		delete(p.live, s)
		p.mu.Unlock()
	})
}
