package realtime

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/centrifugal/protocol"
)

// Names for the external tests of the pure parts.
type (
	Input     = inputKind
	Estimator = estimator
	Liveness  = liveness
	Class     = class
	Cause     = cause
)

const (
	Alive, Suspect, Dead = alive, suspect, dead

	ClassLocal, ClassServer, ClassDirected  = classLocal, classServer, classDirected
	ClassToken, ClassRenew                  = classToken, classRenew
	ClassLong, ClassTerminal                = classLong, classTerminal
	WarmUp, CleanRun                        = warmUp, cleanRun
	InConnect, InDisconnect, InUp           = inConnect, inDisconnect, inUp
	InLost, InAttemptFailed, InTerminal     = inLost, inAttemptFailed, inTerminal
	InRetryDue, InSuspendDue                = inRetryDue, inSuspendDue
	InNetworkChanged, InStable              = inNetworkChanged, inStable
	InPathBack, InPathLost                  = inPathBack, inPathLost
	States                                  = int(Failed) + 1
	Inputs                                  = int(inPathLost) + 1
	DeadMin, DeadMax, SuspectMin, LongPause = deadMin, deadMax, suspectMin, longPause
	PathSlack                               = slack
)

// Next is the state machine with actions by name.
func Next(s State, in Input) (State, []string) {
	to, actions := next(s, in)
	var names []string
	for _, a := range actions {
		names = append(names, a.String())
	}
	return to, names
}

func (e *estimator) Observe(d time.Duration) bool  { return e.observe(d) }
func (e *estimator) SuspectAfter() time.Duration   { return e.suspectAfter() }
func (e *estimator) DeadAfter() time.Duration      { return e.deadAfter() }
func (e *estimator) AttemptTimeout() time.Duration { return e.attemptTimeout() }
func (e *estimator) Chain(k int) time.Duration     { return e.chain(k) }
func (e *estimator) Doubt()                        { e.doubted = true }
func (e *estimator) Age()                          { e.age() }
func (e *estimator) SRTT() time.Duration           { return e.srtt }
func (e *estimator) Provisional(d time.Duration)   { e.provisional(d) }

func (l *liveness) Begin(t time.Time)                        { l.begin(t) }
func (l *liveness) Sent(t time.Time, n int, received uint64) { l.sent(t, n, received) }
func (l *liveness) Proof(sentAt time.Time, received uint64)  { l.proof(sentAt, sentAt, received) }
func (l *liveness) ProbeAt(interval time.Duration, ahead int) time.Time {
	return l.probeAt(interval, ahead)
}

func (l *liveness) Judge(now time.Time, suspected bool, e *Estimator, received uint64, heard time.Time) int {
	return int(l.judge(now, suspected, e, 0, received, heard))
}

func (l *liveness) Deadlines(e *Estimator) (suspectAt, deadAt time.Time) {
	return l.deadlines(e, 0, 0, time.Time{})
}

// Answer is one that an owner measures: when it was sent and came, and how late the owner last noticed a deadline at
// that time.
type Answer struct{ Sent, Came, Overdue time.Duration }

// LateAnswers feeds answers to the owner of a clean path of 100 ms, and returns how many it takes for late ones.
func LateAnswers(answers ...Answer) (n int, err error) {
	c, err := New(Options{URL: "ws://server"})
	if err != nil {
		return 0, err
	}
	defer c.cancel()
	o := newOwner(c)
	for range 2 * warmUp {
		o.est.observe(100 * time.Millisecond)
	}
	start := time.Now()
	for _, a := range answers {
		came := start.Add(a.Came)
		o.due = came.Add(-a.Overdue)
		o.noticeStall(came)
		if o.measure(start.Add(a.Sent), came) {
			n++
		}
	}
	return n, nil
}

func CloseCause(code uint32, reason string) Cause    { return closeCause(code, reason) }
func ConnectCause(code uint32, temporary bool) Cause { return connectCause(code, "", temporary) }
func DialCause(err error) Cause                      { return dialCause(err) }
func (c cause) Class() Class                         { return c.class }
func (c cause) Delay() time.Duration                 { return c.delay }
func Pause(c Cause, e Effort, failures int, outage time.Duration, random func(int64) int64) time.Duration {
	return pause(c, e, failures, outage, random)
}

// SetWall replaces the clock that goes on while the machine sleeps. Call it before Start.
func SetWall(c *Client, wall func() time.Time) { c.wall = wall }

func Slept(wall, mono time.Duration) bool           { return slept(wall, mono) }
func RefreshMargin(ttl time.Duration) time.Duration { return refreshMargin(ttl) }

// Pack frames commands as the writer does.
func Pack(p Protocol, cmds [][]byte, limit, count int) [][]byte {
	return codec(p).pack(cmds, limit, count)
}

// ProvenByReply says whether the reply to a subscribe command proves that the command arrived, so that nothing is left to
// be suspicious about.
func ProvenByReply() (bool, error) {
	c, err := New(Options{URL: "ws://server"})
	if err != nil {
		return false, err
	}
	defer c.wg.Wait()
	defer c.cancel()
	o := newOwner(c)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	t := &transport{gen: 1, c: c, raw: &countedConn{Conn: near, start: time.Now()}, wake: make(chan struct{}, 1), closing: true}
	o.link = &link{tr: t, pending: make(map[uint32]*command), up: true}
	o.live.begin(time.Now())
	s := &Subscription{c: c, channel: "a"}
	o.addSub(s)
	o.applyReply(&protocol.Reply{Id: 1, Subscribe: &protocol.SubscribeResult{}}, time.Now())
	return len(o.live.unproven) == 0, nil
}

// FeedFrames applies frames of a stranger to an owner with a connection that waits for its connect reply, or has it,
// and with two subscriptions. Nothing goes over a network.
func FeedFrames(p Protocol, up bool, frames ...[]byte) error {
	c, err := New(Options{
		URL: "ws://server", Protocol: p, OnServerEvent: func(Event) {}, OnConnected: func([]byte) {},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") },
	})
	if err != nil {
		return err
	}
	defer c.wg.Wait()
	defer c.cancel()
	o := newOwner(c)
	for _, name := range []string{"a", "b"} {
		s := &Subscription{c: c, channel: name}
		o.subs[name] = s
	}
	o.state = Connecting
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	t := &transport{gen: 1, c: c, codec: codec(p), raw: &countedConn{Conn: near, start: time.Now()}, wake: make(chan struct{}, 1), closing: true}
	o.nextGen = 1
	o.link = &link{tr: t, began: time.Now(), pending: make(map[uint32]*command)}
	l := o.link
	o.live.begin(time.Now())
	o.live.pinged = time.Now().Add(time.Hour)
	o.encode(nil, &command{kind: cmdConnect}, &protocol.Command{Connect: &protocol.ConnectRequest{}}) // id 1
	o.encodeSubscribe(nil, o.subs["a"])                                                               // id 2
	o.encodeSubscribe(nil, o.subs["b"])                                                               // id 3
	if up {
		o.applyReply(&protocol.Reply{Id: 1, Connect: &protocol.ConnectResult{Client: "x", Pong: true}}, time.Now())
	}
	for _, f := range frames {
		replies, err := codec(p).decode(f)
		o.applyFrame(event{gen: 1, replies: replies, at: time.Now()})
		if err != nil && o.link == l {
			o.transportGone(event{gen: 1, err: err})
		}
	}
	if o.link == l {
		o.dropLink()
	}
	if len(l.pending) != 0 {
		return errors.New("commands are left on a link that is gone")
	}
	return nil
}

// QueueLength is the number of places in the dispatch queue.
func QueueLength(c *Client) int {
	c.disp.mu.Lock()
	defer c.disp.mu.Unlock()
	return len(c.disp.items)
}

// Queue is a dispatch queue by itself, for a few subscriptions.
type Queue struct {
	d    *dispatcher
	subs []*Subscription
}

// QueueEvent is the N-th event put into a Queue.
type QueueEvent struct {
	Sub, N    int
	Kind      EventKind
	Recovered bool
}

func NewQueue(subs int) *Queue {
	q := &Queue{d: newDispatcher(Options{}.withDefaults(), func() {})}
	for range subs {
		q.subs = append(q.subs, &Subscription{channel: "a"})
	}
	return q
}

func (q *Queue) Put(e QueueEvent) {
	it := q.subs[e.Sub].item(Event{Kind: e.Kind, Recovered: e.Recovered, Offset: uint64(e.N)})
	if e.Kind == EventPublication {
		q.d.publication(it)
		return
	}
	q.d.control(it)
}

func (q *Queue) Length() int { return len(q.d.items) }

func (q *Queue) TakeAll() (es []QueueEvent) {
	for {
		it, ok, _ := q.d.take()
		if !ok {
			return es
		}
		for i, s := range q.subs {
			if it.removed == &s.removed {
				es = append(es, QueueEvent{Sub: i, N: int(it.ev.Offset), Kind: it.ev.Kind, Recovered: it.ev.Recovered})
			}
		}
	}
}

// Bug is a mistake to plant.
type Bug = bug

const (
	BugNone         = bugNone
	BugForgetEnds   = bugForgetEnds
	BugRejoinAnyway = bugRejoinAnyway
)

// Plant puts a mistake in force.
func Plant(b Bug) { planted = b }
