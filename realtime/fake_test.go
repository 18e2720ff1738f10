package realtime_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/realtime"
)

// fake is a server for what a real one can't be made to do: real HTTP and WebSocket on the in-memory network, JSON
// only, and every reply can be replaced. Left alone it behaves: each channel has a stream of publications whose data
// is their offset.
type fake struct {
	t    *testing.T
	net  *simNet
	srv  *http.Server
	done chan struct{}
	// on answers a command in place of the fake and then says true. It runs on the session's reader.
	on func(s *session, c *protocol.Command) bool
	// http answers an upgrade request in place of the fake and then says true.
	http func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex // guards below
	sessions []*session
	requests []*http.Request
	epoch    string
	tops     map[string]uint64
}

// session is one WebSocket that the fake took. Sessions are counted from 1.
type session struct {
	k  *fake
	n  int
	ws *websocket.Conn

	mu     sync.Mutex // guards below
	frames [][]byte
	cmds   []*protocol.Command
	ended  time.Time
}

func newFake(t *testing.T, n *simNet) *fake {
	t.Helper()
	ln, err := n.listen()
	if err != nil {
		t.Fatal(err)
	}
	k := &fake{t: t, net: n, done: make(chan struct{}), epoch: "e1", tops: make(map[string]uint64)}
	k.srv = &http.Server{Handler: k, ReadHeaderTimeout: time.Minute}
	go func() { defer close(k.done); _ = k.srv.Serve(ln) }()
	return k
}

func (k *fake) close() {
	k.net.Set(faultnet.Symmetric(0))
	_ = k.srv.Close()
	for _, s := range k.all() {
		_ = s.ws.CloseNow()
	}
	k.net.Reset()
	<-k.done
	time.Sleep(20 * time.Second) // virtual: grace timers
}

func (k *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.requests = append(k.requests, r)
	k.mu.Unlock()
	if k.http != nil && k.http(w, r) {
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"centrifuge-json"}})
	if err != nil {
		return
	}
	ws.SetReadLimit(-1)
	s := &session{k: k, ws: ws}
	k.mu.Lock()
	k.sessions = append(k.sessions, s)
	s.n = len(k.sessions)
	k.mu.Unlock()
	s.serve()
}

func (s *session) serve() {
	defer func() {
		_ = s.ws.CloseNow()
		s.mu.Lock()
		s.ended = time.Now()
		s.mu.Unlock()
	}()
	for {
		_, frame, err := s.ws.Read(context.Background())
		if err != nil {
			return
		}
		s.mu.Lock()
		s.frames = append(s.frames, frame)
		s.mu.Unlock()
		d := protocol.NewJSONCommandDecoder(bytes.Clone(frame))
		for more := true; more; {
			c, err := d.Decode()
			more = err == nil
			if c == nil {
				s.k.t.Errorf("session %d: bad command in %q: %v", s.n, frame, err)
				return
			}
			s.mu.Lock()
			s.cmds = append(s.cmds, c)
			s.mu.Unlock()
			if s.k.on == nil || !s.k.on(s, c) {
				s.behave(c)
			}
		}
	}
}

// behave answers as a server should.
func (s *session) behave(c *protocol.Command) {
	r := &protocol.Reply{Id: c.Id}
	switch {
	case c.Id == 0:
		return
	case c.Connect != nil:
		r.Connect = &protocol.ConnectResult{Client: fmt.Sprint("client-", s.n), Ping: 25, Pong: true}
	case c.Subscribe != nil:
		r.Subscribe = s.k.subscribed(c.Subscribe)
	case c.Unsubscribe != nil:
		r.Unsubscribe = &protocol.UnsubscribeResult{}
	case c.Rpc != nil:
		r.Rpc = &protocol.RPCResult{Data: c.Rpc.Data}
	case c.Refresh != nil:
		r.Refresh = &protocol.RefreshResult{}
	default:
		s.k.t.Errorf("session %d: unexpected command %v", s.n, c)
		return
	}
	s.reply(r)
}

// subscribed is the proper result of a subscribe command.
func (k *fake) subscribed(r *protocol.SubscribeRequest) *protocol.SubscribeResult {
	k.mu.Lock()
	defer k.mu.Unlock()
	top := k.tops[r.Channel]
	res := &protocol.SubscribeResult{Recoverable: true, Positioned: true, Epoch: k.epoch, Offset: top, WasRecovering: r.Recover}
	if r.Recover && r.Epoch == k.epoch && r.Offset <= top {
		res.Recovered, res.Offset = true, r.Offset
		for o := r.Offset + 1; o <= top; o++ {
			res.Publications = append(res.Publications, pub(o))
		}
	}
	return res
}

// set changes what guards the fake's streams.
func (k *fake) set(f func()) { k.mu.Lock(); defer k.mu.Unlock(); f() }

func pub(offset uint64) *protocol.Publication {
	return &protocol.Publication{Offset: offset, Data: fmt.Append(nil, offset)}
}

func pushPub(channel string, p *protocol.Publication) *protocol.Reply {
	return &protocol.Reply{Push: &protocol.Push{Channel: channel, Pub: p}}
}

func pushDisconnect(code uint32, reason string) *protocol.Reply {
	return &protocol.Reply{Push: &protocol.Push{Disconnect: &protocol.Disconnect{Code: code, Reason: reason}}}
}

func pushUnsubscribe(channel string, code uint32) *protocol.Reply {
	return &protocol.Reply{Push: &protocol.Push{Channel: channel, Unsubscribe: &protocol.Unsubscribe{Code: code}}}
}

// reply sends replies in one frame.
func (s *session) reply(rs ...*protocol.Reply) {
	var frame []byte
	for i, r := range rs {
		b, err := protocol.NewJSONReplyEncoder().Encode(r)
		if err != nil {
			s.k.t.Error(err)
			return
		}
		if i > 0 {
			frame = append(frame, '\n')
		}
		frame = append(frame, b...)
	}
	s.raw(string(frame))
}

func (s *session) raw(frame string) {
	_ = s.ws.Write(context.Background(), websocket.MessageText, []byte(frame)) // the client may have gone
}

func (s *session) fail(id, code uint32) {
	s.reply(&protocol.Reply{Id: id, Error: &protocol.Error{Code: code, Message: "as told"}})
}

// publish moves the channel's stream by one and pushes that publication, and so on up to offset to.
func (s *session) publish(channel string, to uint64) {
	s.k.mu.Lock()
	from := s.k.tops[channel]
	s.k.tops[channel] = to
	s.k.mu.Unlock()
	for o := from + 1; o <= to; o++ {
		s.reply(pushPub(channel, pub(o)))
	}
}

func (s *session) commands() []*protocol.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.cmds)
}

// subscribes are the subscribe commands of the session for a channel, in order.
func (s *session) subscribes(channel string) (rs []*protocol.SubscribeRequest) {
	for _, c := range s.commands() {
		if c.Subscribe != nil && c.Subscribe.Channel == channel {
			rs = append(rs, c.Subscribe)
		}
	}
	return rs
}

func (s *session) count(match func(*protocol.Command) bool) (n int) {
	for _, c := range s.commands() {
		if match(c) {
			n++
		}
	}
	return n
}

func (s *session) endedAt() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.ended }

func (k *fake) all() []*session { k.mu.Lock(); defer k.mu.Unlock(); return slices.Clone(k.sessions) }

// live are the sessions with a connect command: not those that stood by.
func (k *fake) live() (ss []*session) {
	for _, s := range k.all() {
		if len(s.commands()) > 0 {
			ss = append(ss, s)
		}
	}
	return ss
}

// last is the newest session that was used.
func (k *fake) last() *session {
	k.t.Helper()
	ss := k.live()
	if len(ss) == 0 {
		k.t.Fatal("no session")
	}
	return ss[len(ss)-1]
}

// fakeWorld is a client of the fake, after prepare had its way with that. Both end with the test.
func fakeWorld(t *testing.T, o realtime.Options, prepare func(*fake)) (*fake, *follower) {
	t.Helper()
	n := newSimNet(1, 100*ms)
	k := newFake(t, n)
	if prepare != nil {
		prepare(k)
	}
	t.Cleanup(k.close)
	f := newFollower(t, n, o)
	t.Cleanup(f.close)
	return k, f
}

// settled checks that the client is connected, with one subscription that is caught up.
func (f *follower) settled(since time.Time) { f.t.Helper(); f.caughtUp(since, time.Minute) }

// seen are the kinds of the events so far.
func (f *follower) seen() []string { f.mu.Lock(); defer f.mu.Unlock(); return slices.Clone(f.kinds) }

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []realtime.Event
}

// record adds a subscription and keeps its events.
func (f *follower) record(channel string) *recorder {
	f.t.Helper()
	r := &recorder{}
	if _, err := f.Subscribe(channel, realtime.SubscribeOptions{OnEvent: r.on}); err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (r *recorder) on(e realtime.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) all() []realtime.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// of are the events of a kind.
func (r *recorder) of(kind realtime.EventKind) (es []realtime.Event) {
	for _, e := range r.all() {
		if e.Kind == kind {
			es = append(es, e)
		}
	}
	return es
}

// data are the publications' data, in order.
func (r *recorder) data() (ds []string) {
	for _, e := range r.of(realtime.EventPublication) {
		ds = append(ds, string(e.Data))
	}
	return ds
}
