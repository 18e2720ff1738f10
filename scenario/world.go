package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// Channel is the channel that the clients of a world talk in, unless WorldOptions names more.
const Channel = "general"

// cheapArgon keeps password hashing out of the figures: 20 clients signing in would take a second otherwise.
var cheapArgon = server.Argon{MemoryKiB: 64, Time: 1, Threads: 1}

// password is every user's: a world ends with its run and never listens beyond loopback.
const password = "correct horse battery staple"

// WorldOptions say what a world is made of. The zero value works.
type WorldOptions struct {
	Seed   uint64
	Link   faultnet.Conditions // of every client's link to the server
	Limits server.Limits       // zero fields are the server's defaults
	Logger *slog.Logger        // nil means nothing is logged

	Secrets  *Secrets // takes what is logged, and what must not be in it; nil means nobody looks
	Channels []string // that devices read, and Verdict checks; nil means Channel alone

	Files     string               // folder in which the server keeps uploads; "" means that it takes none
	AccessTTL time.Duration        // of the server's access tokens; 0 is its default
	Record    *HTTPRecord          // takes what arrives at the server; nil means nothing is recorded
	Faults    *faultnet.HTTPFaults // at the server's door, behind Record; nil means none
}

// channels are those that are talked in.
func (o *WorldOptions) channels() []string {
	if len(o.Channels) == 0 {
		return []string{Channel}
	}
	return o.Channels
}

// World is a server, its clients and the links between them, with a record of everything that happens. One definition
// serves two clocks: NewVirtualWorld inside a testing/synctest bubble, NewRealWorld on sockets of this machine. Its
// methods may be called concurrently; beside Close only Progress.
type World struct {
	History *History

	opts    WorldOptions
	carrier carrier
	store   *notingStore
	key     []byte
	log     *slog.Logger

	mu      sync.Mutex // guards below
	rng     *rand.Rand
	srv     *server.Server
	served  chan error
	clients []*Client
	devices []*Device
}

// carrier is the network of a world.
type carrier interface {
	// listen opens the server's address: clients find it again when it was closed.
	listen() (net.Listener, error)
	// attach makes a client's link and returns how the client reaches the server over it.
	attach(client string) (route, error)
	io.Closer
}

// route is a client's way to the server.
type route struct {
	link    *faultnet.Link
	url     string
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	http    *faultnet.HTTPFaults
	proxied bool // the way brings http about; else a RoundTripper of it has to
}

func newWorld(ctx context.Context, c carrier, store *sqlite.DB, o WorldOptions) (*World, error) {
	w := &World{
		History: &History{}, opts: o, carrier: c, store: noting(store), log: o.Logger,
		rng: rand.New(rand.NewPCG(o.Seed, 1)),
	}
	if o.Secrets != nil {
		w.log = o.Secrets.logger(o.Logger)
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if w.key, err = store.Key(ctx); err != nil {
		return nil, errors.Join(err, c.Close(), store.Close())
	}
	if err := w.StartServer(ctx); err != nil {
		return nil, errors.Join(err, c.Close(), store.Close())
	}
	return w, nil
}

// wrap puts the record and the faults before the server, and who keeps its secrets behind them: a reply that is lost was
// issued too.
func (o *WorldOptions) wrap(next http.Handler) http.Handler {
	if o.Secrets != nil {
		next = o.Secrets.wrap(next)
	}
	if o.Faults != nil {
		next = o.Faults.Handler(next)
	}
	if o.Record != nil {
		next = o.Record.Wrap(next)
	}
	return next
}

// fork makes an independent source for one part of the world.
func (w *World) fork() *rand.Rand {
	w.mu.Lock()
	defer w.mu.Unlock()
	return rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64()))
}

// StartServer starts the server on its data, as at first or after StopServer.
func (w *World) StartServer(ctx context.Context) error {
	srv, err := server.New(server.Config{
		Store: w.store, Key: w.key, Limits: w.opts.Limits, Logger: w.log, Argon: cheapArgon, Rand: w.fork(),
		AccessTTL: w.opts.AccessTTL, Wrap: w.opts.wrap, Uploads: server.Uploads{Dir: w.opts.Files},
	})
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	if err := srv.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("start server: %w", err), srv.Kill())
	}
	ln, err := w.carrier.listen()
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), srv.Kill())
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // StopServer waits for it
	w.mu.Lock()
	w.srv, w.served = srv, served
	w.mu.Unlock()
	return nil
}

// drainLimit bounds how long a graceful stop may take.
const drainLimit = 10 * time.Second

// StopServer ends the server: in order, telling its clients when to come back, or like a crash. Its data stays.
func (w *World) StopServer(ctx context.Context, graceful bool) error {
	w.mu.Lock()
	srv, served := w.srv, w.served
	w.srv, w.served = nil, nil
	w.mu.Unlock()
	if srv == nil {
		return nil
	}
	var err error
	if graceful {
		ctx, cancel := context.WithTimeout(ctx, drainLimit)
		defer cancel()
		err = srv.Shutdown(ctx)
	} else {
		err = srv.Kill()
	}
	end := <-served
	if errors.Is(end, server.ErrClosed) { // it was stopped before Serve had begun
		end = nil
	}
	return errors.Join(err, end)
}

// Close ends clients, server and network. When it returns nothing of the world runs.
func (w *World) Close() error {
	w.mu.Lock()
	clients := w.clients
	w.clients = nil
	w.mu.Unlock()
	var errs []error
	for _, c := range clients {
		errs = append(errs, c.Stop())
	}
	errs = append(errs, w.closeDevices(), w.StopServer(context.Background(), false), w.carrier.Close(), w.store.Close())
	return errors.Join(errs...)
}

// Clients returns the clients in the order they came.
func (w *World) Clients() []*Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*Client(nil), w.clients...)
}

// DumpTable records what the server has stored, for Check. Call it once, after the last message.
func (w *World) DumpTable(ctx context.Context) error {
	for _, channel := range w.opts.channels() {
		if err := dumpTable(ctx, w.store.DB, channel, w.store.number, w.History); err != nil {
			return err
		}
	}
	return nil
}

// dumpTable records what a server's store holds of a channel. The table doesn't say which device a message came from: number does,
// or is nil where nobody saw the messages go in.
func dumpTable(ctx context.Context, store *sqlite.DB, channel string, number func(user, id string) (number, bool), h *History) error {
	for m, err := range store.AllMessages(ctx, channel) {
		if err != nil {
			return fmt.Errorf("read the server's table: %w", err)
		}
		row := Row{Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text}
		if number != nil {
			n, ok := number(m.User, m.ID)
			if !ok {
				return fmt.Errorf("message %s of %s is in the server's table, and nobody saw it go in", m.ID, m.User)
			}
			row.Device, row.DeviceSeq = n.device, n.seq
		}
		h.Stored(row)
	}
	return nil
}

// Last is the seq of the newest message that the server has stored in Channel.
func (w *World) Last(ctx context.Context) (uint64, error) { return w.last(ctx, Channel) }

func (w *World) last(ctx context.Context, channel string) (uint64, error) {
	_, last, err := w.store.Messages(ctx, channel, 0, 1, 1<<20)
	return last, err
}

// Verdict checks the history: every client is to have been shown everything.
func (w *World) Verdict(ctx context.Context) (Verdict, error) {
	if err := w.DumpTable(ctx); err != nil {
		return Verdict{}, err
	}
	var names []string
	for _, c := range w.Clients() {
		names = append(names, c.Name)
	}
	devices := w.Devices()
	users := map[string]string{}
	for _, d := range devices {
		users[d.Name] = d.User
		if d.running() { // one whose profile was taken away has seen all that it will
			names = append(names, d.Name)
		}
	}
	members := map[string][]string{}
	for _, channel := range w.opts.channels() {
		members[channel] = names
	}
	// A report of what was sent dies with a program that crashes; what was shown to everybody doesn't.
	acks := len(devices) == 0
	return Check(w.History, CheckOptions{
		Final: true, Acks: acks, Members: members, Users: users,
	}), nil
}
